"""*Review records*: a judge scores a batch of training records; each failure is recorded."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from lambdas.aws.artefacts import Artefacts
from lambdas.aws.converse import Runtime
from lambdas.domain.data_review.results import begun, cut, first_row
from lambdas.domain.data_review.review import Task
from lambdas.domain.data_review.sampling import task_of
from lambdas.domain.models.lookup import find_judge, find_model
from lambdas.domain.models.model import Model
from lambdas.domain.parallel import in_parallel
from lambdas.domain.run.contracts import (
    ReviewedRecords,
    ReviewRecordsRequest,
    ReviewRow,
)
from lambdas.runtime.answering import earlier_records
from lambdas.runtime.reviewing import ask_once
from lambdas.runtime.step import step


@dataclass
class _Journal:
    """The rows of a batch by line, kept in the bucket before and after each attempt.

    Who is called again, because an answer was lost or the function killed, asks about no record
    that has its review, and about none more often than the plan has counted on.
    """

    artefacts: Artefacts
    key: str
    rows: dict[int, ReviewRow]

    def read(self) -> None:
        kept = map(ReviewRow.model_validate, earlier_records(self.artefacts, self.key))
        self.rows |= {row.line: row for row in kept}

    def write(self, rows: Iterable[ReviewRow]) -> None:
        self.rows |= {row.line: row for row in rows}
        self.artefacts.put_records(self.key, (row.model_dump() for row in self.rows.values()))


def review_records(request: ReviewRecordsRequest) -> ReviewedRecords:
    run, items = request.run, request.items
    model = find_model(run.settings.model)
    model_id = find_judge(run.settings.judge_model).inference_profile
    tasks = {item.line: task_of(item.line, item.record, model) for item in items}
    key = f"{run.prefix}/review/batches/{items[0].line}.jsonl"
    first = {line: _first(line, task, model) for line, task in tasks.items()}
    journal, runtime = _Journal(Artefacts(run.bucket), key, first), Runtime()
    journal.read()
    rows = journal.rows
    while due := [task for task in tasks.values() if task and rows[task.line].attempts_left]:
        journal.write([begun(rows[task.line]) for task in due])
        asked = in_parallel(lambda task: ask_once(runtime, model_id, task, rows[task.line]), due)
        journal.write(map(cut, asked))
    return ReviewedRecords(rows=[rows[item.line] for item in items])


def _first(line: int, task: Task | None, model: Model) -> ReviewRow:
    if task is None:
        return ReviewRow(line=line, error=f"it is no record in the {model.record_format} format")
    return first_row(task)


handler = step("Review records", ReviewRecordsRequest)(review_records)
