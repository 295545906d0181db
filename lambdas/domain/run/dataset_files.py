"""Names of a dataset's files, in S3 and in findings."""

from __future__ import annotations

TRAINING, VALIDATION, EVALUATION = "training.jsonl", "validation.jsonl", "evaluation.jsonl"
