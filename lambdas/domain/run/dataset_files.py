"""Names of a dataset's files, in S3 and in findings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

DatasetKind = Literal["training", "validation", "evaluation"]

TRAINING, VALIDATION, EVALUATION = "training.jsonl", "validation.jsonl", "evaluation.jsonl"
FILE_NAMES: Mapping[DatasetKind, str] = {
    "training": TRAINING,
    "validation": VALIDATION,
    "evaluation": EVALUATION,
}


def dataset_prefix(dataset: str) -> str:
    """Return the folder of a dataset as people upload it."""
    return f"datasets/{dataset}/"


def frozen_key(run_prefix: str, kind: DatasetKind) -> str:
    """Return the key of a run's own copy of a file."""
    return f"{run_prefix}/dataset/{FILE_NAMES[kind]}"
