"""Where the bucket has a model's weights: the file is named after the model and its SHA-256."""

from __future__ import annotations

WEIGHTS_FOLDER = "weights"
WEIGHTS_PATTERN = r"^[a-z0-9][a-z0-9.-]{0,99}-[0-9a-f]{64}\.safetensors$"


def weights_name(model: str, sha256: str) -> str:
    return f"{model}-{sha256}.safetensors"


def weights_key(name: str) -> str:
    return f"{WEIGHTS_FOLDER}/{name}"


def sha256_of(name: str) -> str:
    """Return the SHA-256 that a file of a name as `WEIGHTS_PATTERN` has it promises."""
    return name.removesuffix(".safetensors").rpartition("-")[2]
