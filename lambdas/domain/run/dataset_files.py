"""Names of a dataset's files, in S3 and in findings."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Literal

from lambdas.validation.formats.answer_schema import ANSWER_SCHEMA
from lambdas.validation.formats.fields import FileKind

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


def source_key(kind: DatasetKind, dataset: str, tuned_by_run: str | None) -> str:
    """Return the key of the file that a run copies before it checks it.

    A model of an earlier run is judged on the dataset's questions and by its schema; the questions
    are held against what that run trained on.
    """
    if tuned_by_run is None or kind not in TRAINED_ON:
        return dataset_prefix(dataset) + FILE_NAMES[kind]
    return frozen_key(run_folder(tuned_by_run), kind)


def run_folder(run: str) -> str:
    """Return the folder of all that a run reads and makes, without a slash at its end."""
    return f"runs/{run}"


def digest(hashes: Mapping[DatasetKind, str]) -> str:
    """Return one digest over the SHA-256 of each file."""
    return hashlib.sha256(json.dumps(hashes, sort_keys=True).encode()).hexdigest()


def frozen_key(run_prefix: str, kind: DatasetKind) -> str:
    """Return the key of a run's own copy of a file."""
    return f"{run_prefix}/dataset/{FILE_NAMES[kind]}"
