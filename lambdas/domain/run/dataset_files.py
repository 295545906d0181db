"""Names of a dataset's files, in S3 and in findings."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Literal

from lambdas.validation.formats.answer_schema import ANSWER_SCHEMA
from lambdas.validation.formats.conversation import FileKind

RUNS = "runs/"
DatasetKind = FileKind | Literal["answer-schema"]

TRAINING, VALIDATION, EVALUATION = "training.jsonl", "validation.jsonl", "evaluation.jsonl"
GENERAL = "general.jsonl"
FILE_NAMES: Mapping[DatasetKind, str] = {
    "training": TRAINING,
    "validation": VALIDATION,
    "evaluation": EVALUATION,
    "general": GENERAL,
    "answer-schema": ANSWER_SCHEMA,
}
REQUIRED: tuple[DatasetKind, ...] = ("training", "evaluation")
TRAINED_ON: tuple[DatasetKind, ...] = ("training", "validation")


def dataset_prefix(dataset: str) -> str:
    """Return the folder of a dataset as people upload it."""
    return f"datasets/{dataset}/"


def source_key(
    kind: DatasetKind, dataset: str, tuned_by_run: str | None, answers_of_run: str | None = None
) -> str:
    """Return the key of the file that a run copies before it checks it.

    Answers of an earlier run are judged with all of that run's data. A model of an earlier run is
    judged on the dataset's questions and by its schema; the questions are held against what that
    run trained on.
    """
    earlier = answers_of_run or (tuned_by_run if kind in TRAINED_ON else None)
    if earlier is None:
        return dataset_prefix(dataset) + FILE_NAMES[kind]
    return frozen_key(run_folder(earlier), kind)


def run_folder(run: str) -> str:
    """Return the folder of all that a run reads and makes, without a slash at its end."""
    return f"{RUNS}{run}"


def digest(hashes: Mapping[DatasetKind, str]) -> str:
    """Return one digest over the SHA-256 of each file."""
    return hashlib.sha256(json.dumps(hashes, sort_keys=True).encode()).hexdigest()


def frozen_key(run_prefix: str, kind: DatasetKind) -> str:
    """Return the key of a run's own copy of a file."""
    return f"{run_prefix}/dataset/{FILE_NAMES[kind]}"
