"""*Review records*: a judge scores a batch of training records; each failure is recorded."""

from __future__ import annotations

from functools import partial

from lambdas.aws.artefacts import Artefacts
from lambdas.aws.converse import ConverseClient
from lambdas.aws.record_files import S3RecordFile
from lambdas.domain.data_review.asking import review_batch
from lambdas.domain.data_review.tasks import TRAINING_QUALITY
from lambdas.domain.models.lookup import find_judge, find_model
from lambdas.domain.run.contracts import ReviewedRecords, ReviewRecordsRequest
from lambdas.runtime.step import step


def review_records(request: ReviewRecordsRequest) -> ReviewedRecords:
    run, items = request.run, request.items
    key = f"{run.prefix}/review/batches/{items[0].line}.jsonl"
    model_id = find_judge(run.settings.judge_model).inference.model_id
    rows = review_batch(
        items,
        find_model(run.settings.model),
        S3RecordFile(Artefacts(run.bucket), key),
        partial(ConverseClient().judge, model_id, TRAINING_QUALITY),
    )
    return ReviewedRecords(rows=rows)


handler = step("Review records", ReviewRecordsRequest)(review_records)
