"""What the files of a dataset are called, in S3 and in every finding."""

from __future__ import annotations

TRAINING, VALIDATION, EVALUATION = "training.jsonl", "validation.jsonl", "evaluation.jsonl"
