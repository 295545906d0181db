"""*Review records*: a judge scores a batch of training records; each failure is recorded."""

from __future__ import annotations

from functools import partial

from lambdas.aws.artefacts import Artefacts
from lambdas.aws.converse import ConverseClient
from lambdas.aws.record_files import S3RecordFile
from lambdas.domain.data_review.asking import review_batch
from lambdas.domain.evaluation.rubrics import MAX_TOKENS
from lambdas.domain.models.lookup import find_judge, find_model
from lambdas.domain.run.contracts import ReviewedRecords, ReviewRecordsRequest
from lambdas.runtime.step import SecondsLeft, timed_step


def review_records(request: ReviewRecordsRequest, seconds_left: SecondsLeft) -> ReviewedRecords:
    run, items = request.run, request.items
    key = f"{run.prefix}/review/batches/{items[0].line}.jsonl"
    model_id = find_judge(run.settings.judge_model).inference.model_id
    model = ConverseClient.within(seconds_left, max_tokens=MAX_TOKENS)
    return review_batch(
        items,
        find_model(run.settings.model),
        judge_prompt=run.settings.judge_prompt,
        file=S3RecordFile(Artefacts(run.bucket), key),
        judge=partial(model.judge, model_id),
        may_begin=model.may_begin,
    )


handler = timed_step("Review records", ReviewRecordsRequest)(review_records)
