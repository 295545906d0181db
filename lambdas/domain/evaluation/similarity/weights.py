"""A model's weights for BERTScore: one safetensors file, with all that belongs to them.

It holds the tensors that `bert.shapes` names, as float32, and under METADATA_KEY one JSON object,
which is an `About`. Nothing of it is used before it was checked: the file against the hash in its
name, the tensors against the config, and the scores that they give against those of bert_score.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, ValidationError
from safetensors import SafetensorError, safe_open

from lambdas.domain.errors import WeightsUnusable
from lambdas.domain.evaluation.similarity.bert import Bert, BertConfig, Floats, Tensors, shapes
from lambdas.domain.evaluation.similarity.bertscore import BertScore, Scores
from lambdas.domain.evaluation.similarity.file_names import sha256_of

METADATA_KEY = "bertscore"  # alone: the library writes several in an order by chance
MOST_DIFFERENCE = 1e-4  # of any score from bert_score's; weights of half the precision give 2.8e-4
_FLOAT32 = "F32"


class ScoredPair(BaseModel):
    """An answer and its reference, with what bert_score says of them."""

    model_config = ConfigDict(frozen=True)

    answer: str
    reference: str
    precision: float
    recall: float
    f1: float


class Parity(BaseModel):
    """Scores by the first `layers` layers, with the versions of what made them, torch and all."""

    model_config = ConfigDict(frozen=True)

    made_by: dict[str, str]
    layers: PositiveInt
    pairs: tuple[ScoredPair, ...] = Field(min_length=1)


class About(BaseModel):
    """What belongs to the tensors of a file."""

    model_config = ConfigDict(frozen=True)

    config: BertConfig
    tokenizer: str  # the text of a tokenizer.json
    parity: Parity


@dataclass(frozen=True)
class Weights:
    """Weights that passed every check."""

    scorer: BertScore
    difference: float  # the greatest of their scores from bert_score's


def load_weights(path: Path) -> Weights:
    """Read and check a file whose name ends in its SHA-256.

    Raises
    ------
    WeightsUnusable
        It is another file, or its scores are not bert_score's.
    """
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != sha256_of(path.name):
        raise WeightsUnusable(
            f"{path.name} has the SHA-256 {found}, not that of its name: somebody wrote over it, "
            "or the upload was cut short. Make and upload it again: python -m operate.weights"
        )
    about, tensors = _read(path)
    layers = about.parity.layers
    scorer = BertScore(Bert(about.config, layers, tensors), about.tokenizer)
    return Weights(scorer, _checked(scorer, about.parity, path.name))


def _read(path: Path) -> tuple[About, Tensors]:
    try:
        with safe_open(path, framework="numpy") as file:
            about = about_of((file.metadata() or {}).get(METADATA_KEY, "{}"), path.name)
            names = {name: name for name in file.keys()}  # noqa: SIM118  # no mapping
            return about, read_tensors(file, names, about, path.name)
    except SafetensorError as error:
        raise WeightsUnusable(f"{path.name} is no safetensors file: {error}") from error


def about_of(text: str, where: str) -> About:
    """Parse the JSON of an `About`.

    Raises
    ------
    WeightsUnusable
        Something is missing, or the model is of another kind; says which field.
    """
    try:
        return About.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"]))
        raise WeightsUnusable(f"{where}: {field or 'it'}: {first['msg']}") from error


def read_tensors(
    file: Any,  # noqa: ANN401  # safetensors has no class for it
    names: Mapping[str, str],
    about: About,
    where: str,
) -> dict[str, Floats]:
    """Read from an open file what `shapes` names; `names` are its own, by those of today.

    Raises
    ------
    WeightsUnusable
        A tensor is missing, or has another type or shape than config.json says.
    """
    expected = shapes(about.config, about.parity.layers)
    for name, shape in expected.items():
        if name not in names:
            raise WeightsUnusable(f"{where}: tensor {name} is missing")
        found = file.get_slice(names[name])
        dtype, size = found.get_dtype(), (*found.get_shape(),)
        if (dtype, size) != (_FLOAT32, shape):
            raise WeightsUnusable(
                f"{where}: tensor {name} is {dtype} {size}, and needs to be {_FLOAT32} {shape}"
            )
    return {name: file.get_tensor(names[name]) for name in expected}


def _checked(scorer: BertScore, parity: Parity, name: str) -> float:
    differences = [_difference(scorer, pair) for pair in parity.pairs]
    greatest = max(differences)
    if not greatest <= MOST_DIFFERENCE:
        pair = parity.pairs[differences.index(greatest)]
        raise WeightsUnusable(
            f"{name}: its scores are up to {greatest:.2g} from those of bert_score, most for "
            f"{pair.answer[:40]!r}, and {MOST_DIFFERENCE:g} is allowed. parity.json is of other "
            "weights or layers: write it again, operate/weights/write_parity.py"
        )
    return greatest


def _difference(scorer: BertScore, pair: ScoredPair) -> float:
    found = scorer.score(*scorer.embed(pair.answer, pair.reference))
    expected = Scores(pair.precision, pair.recall, pair.f1)
    return max(abs(one - other) for one, other in zip(found, expected, strict=True))
