"""*Review records*: a judge scores a batch of training records; each failure is recorded."""

from __future__ import annotations

from lambdas.answering import earlier_records
from lambdas.aws.artefacts import Artefacts
from lambdas.aws.runtime import Runtime, in_parallel
from lambdas.domain.catalogue import Model, find_judge, find_model
from lambdas.domain.review_plan import task_of
from lambdas.domain.review_results import Item, ReviewedRecords, ReviewRecordsRequest, Row
from lambdas.reviewing import review_record
from lambdas.step import step


def review_records(request: ReviewRecordsRequest) -> ReviewedRecords:
    run, items = request.run, request.batch.items
    artefacts = Artefacts(run.bucket)
    # The state may be asked again after its answer was lost: nothing is paid for twice.
    key = f"{run.prefix}/review/batches/{items[0].line}.jsonl"
    kept = {row.line: row for row in map(Row.model_validate, earlier_records(artefacts, key))}
    missing = [item for item in items if item.line not in kept]
    if missing:
        model, runtime = find_model(run.model), Runtime()
        model_id = find_judge(run.judge_model).inference_profile
        rows = in_parallel(lambda item: _row(item, model, model_id, runtime), missing)
        kept |= {row.line: row for row in rows}
        artefacts.put_records(key, (row.model_dump() for row in kept.values()))
    return ReviewedRecords(rows=[kept[item.line] for item in items])


def _row(item: Item, model: Model, model_id: str, runtime: Runtime) -> Row:
    task = task_of(item.line, item.record, model)
    if task is None:
        return Row(line=item.line, error=f"it is no record in the {model.record_format} format")
    return review_record(runtime, model_id, task).cut()


handler = step("Review records", ReviewRecordsRequest)(review_records)
