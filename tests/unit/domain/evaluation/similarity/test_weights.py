"""Weights that are not what they are named after, or give other scores, are not used."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

from lambdas.domain.errors import WeightsUnusable
from lambdas.domain.evaluation.similarity.file_names import (
    WEIGHTS_PATTERN,
    sha256_of,
    weights_key,
    weights_name,
)
from lambdas.domain.evaluation.similarity.weights import METADATA_KEY, load_weights


def parts(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    with safe_open(path, framework="numpy") as file:
        about = json.loads(file.metadata()[METADATA_KEY])
        return about, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118


def saved(folder: Path, about: Any, tensors: Any) -> Path:
    draft = folder / "draft"
    save_file(tensors, draft, {METADATA_KEY: json.dumps(about)})
    sha256 = hashlib.sha256(draft.read_bytes()).hexdigest()
    return draft.rename(folder / weights_name("other", sha256))


def test_a_name_is_of_the_model_and_its_hash(made: Path) -> None:
    assert re.match(WEIGHTS_PATTERN, made.name)
    assert made.name.startswith("tiny-")
    assert sha256_of(made.name) == hashlib.sha256(made.read_bytes()).hexdigest()
    assert weights_key(made.name) == f"weights/{made.name}"


def test_a_file_that_was_changed_is_refused(made: Path, tmp_path: Path) -> None:
    other = tmp_path / made.name
    other.write_bytes(made.read_bytes()[:-1] + b"!")
    with pytest.raises(WeightsUnusable, match=r"not that of its name: .* Make and upload it again"):
        load_weights(other)


def test_only_the_layers_that_are_used_are_kept(made: Path) -> None:
    about, tensors = parts(made)
    assert about["parity"]["layers"] == 2
    layers = {name.split(".")[2] for name in tensors if "encoder" in name}
    assert layers == {"0", "1"}
    assert not [name for name in tensors if name.startswith(("bert.", "cls."))]


def test_half_the_precision_is_refused(made: Path, tmp_path: Path) -> None:
    about, tensors = parts(made)
    halved = {name: each.astype(np.float16) for name, each in tensors.items()}
    with pytest.raises(WeightsUnusable, match=r"is F16 .* needs to be F32"):
        load_weights(saved(tmp_path, about, halved))


def test_halved_and_restored_precision_is_noticed_by_its_scores(made: Path, tmp_path: Path) -> None:
    about, tensors = parts(made)
    lossy = {name: each.astype(np.float16).astype(np.float32) for name, each in tensors.items()}
    with pytest.raises(WeightsUnusable, match=r"from those of bert_score, .*: write it again"):
        load_weights(saved(tmp_path, about, lossy))


def test_scores_that_are_no_numbers_are_refused(made: Path, tmp_path: Path) -> None:
    about, tensors = parts(made)
    tensors["embeddings.word_embeddings.weight"][:] = np.nan
    with pytest.raises(WeightsUnusable, match="from those of bert_score"):
        load_weights(saved(tmp_path, about, tensors))


def test_a_missing_tensor_is_named(made: Path, tmp_path: Path) -> None:
    about, tensors = parts(made)
    del tensors["encoder.layer.1.output.dense.bias"]
    with pytest.raises(WeightsUnusable, match=r"encoder\.layer\.1\.output\.dense\.bias is missing"):
        load_weights(saved(tmp_path, about, tensors))


def test_another_size_than_the_configs_is_refused(made: Path, tmp_path: Path) -> None:
    about, tensors = parts(made)
    about["config"]["vocab_size"] += 1
    with pytest.raises(WeightsUnusable, match=r"word_embeddings\.weight is F32 \(\d+, 24\), and"):
        load_weights(saved(tmp_path, about, tensors))


def test_another_activation_is_refused(made: Path, tmp_path: Path) -> None:
    about, tensors = parts(made)
    about["config"]["hidden_act"] = "relu"
    with pytest.raises(WeightsUnusable, match=r"config\.hidden_act: Input should be 'gelu'"):
        load_weights(saved(tmp_path, about, tensors))


@pytest.mark.parametrize("token", ["[CLS]", "a"])
def test_the_tokenizer_of_another_model_is_refused(made: Path, tmp_path: Path, token: str) -> None:
    about, tensors = parts(made)
    tokenizer = json.loads(about["tokenizer"])
    vocabulary = tokenizer["model"]["vocab"]
    tokenizer["added_tokens"] = []
    vocabulary |= {"b" * 50: len(vocabulary)} if token == "a" else {}
    vocabulary[token + "x"] = vocabulary.pop(token)
    about["tokenizer"] = json.dumps(tokenizer)
    with pytest.raises(WeightsUnusable, match="is of another model"):
        load_weights(saved(tmp_path, about, tensors))


def test_weights_that_nobody_compared_are_refused(made: Path, tmp_path: Path) -> None:
    about, tensors = parts(made)
    about["parity"]["pairs"] = []
    with pytest.raises(WeightsUnusable, match=r"parity\.pairs: .*at least 1"):
        load_weights(saved(tmp_path, about, tensors))


def test_what_is_no_safetensors_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / weights_name("x", hashlib.sha256(b"text").hexdigest())
    path.write_bytes(b"text")
    with pytest.raises(WeightsUnusable, match="is no safetensors file"):
        load_weights(path)
