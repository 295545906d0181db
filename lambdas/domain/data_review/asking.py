"""Asking the judge about training records, one row for each."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lambdas.domain.data_review.tasks import TRAINING_QUALITY, ReviewTask, most_input_tokens
from lambdas.domain.errors import AnswerLost
from lambdas.domain.evaluation.records import RECORDED_ERRORS, RecordFile, error_text
from lambdas.domain.evaluation.rubrics import ATTEMPTS, MAX_TOKENS, CallTool, OutOfSchema
from lambdas.domain.models.model import Model
from lambdas.domain.parallel import in_parallel
from lambdas.domain.run.contracts import ReviewItem, ReviewRow

_KEPT_CHARACTERS = 300  # of a prompt, a reason or an error in a state's result
_LOST = "the judge was asked, and the function ended before it saved the answer"


def review_record(
    call: CallTool,
    task: ReviewTask,
    row: ReviewRow | None = None,
    keep: Callable[[ReviewRow], None] = lambda _: None,
) -> ReviewRow:
    """Return the record's row: its scores, or why it has none; AccessDenied and its like raise.

    `call` uses TRAINING_QUALITY. Tokens are those of all attempts, because all are paid for. `row`
    is what is known already; `keep` gets the row before and after each attempt.
    """
    row = row or _first_row(task)
    while row.attempts_left:
        row = _begun(row)
        keep(row)
        row = _ask_once(call, task, row)
        keep(row)
    return row


def review_batch(
    items: Sequence[ReviewItem], model: Model, file: RecordFile, call: CallTool
) -> list[ReviewRow]:
    """Return a row for each item, as `review_record` does, its texts cut.

    Each row is kept before and after each attempt. Whoever is called again, because an answer was
    lost or the function killed, asks about no record that has its review, and about none more often
    than the plan has counted on.
    """
    tasks = {item.line: ReviewTask.of(item.line, item.record, model) for item in items}
    known = {row.line: row for row in map(ReviewRow.model_validate, file.read())}

    def keep(row: ReviewRow) -> None:
        file.keep(str(row.line), cut(row).model_dump())

    def review(line: int) -> ReviewRow:
        task = tasks[line]
        if task is None:
            return _unreadable(line, model)
        return cut(review_record(call, task, known.get(line), keep))

    return in_parallel(review, tasks)


def _first_row(task: ReviewTask) -> ReviewRow:
    return ReviewRow(line=task.line, prompt=_short(task.prompt), attempts_left=ATTEMPTS)


def _unreadable(line: int, model: Model) -> ReviewRow:
    return ReviewRow(line=line, error=f"not a record in the {model.record_format} format")


def _begun(row: ReviewRow) -> ReviewRow:
    """Return a row while the judge is asked: what it says if nobody receives the answer."""
    return row.model_copy(update={"error": _LOST, "attempts_left": row.attempts_left - 1})


def _ask_once(call: CallTool, task: ReviewTask, row: ReviewRow) -> ReviewRow:
    """Return a row that has begun an attempt with what came of it."""
    try:
        answer = call(task.message)
    except AnswerLost as error:
        lost = {
            "error": error_text(error),
            "input_tokens": row.input_tokens + most_input_tokens(task),
            "output_tokens": row.output_tokens + MAX_TOKENS,
        }
        return row.model_copy(update=lost)
    except RECORDED_ERRORS as error:
        return row.model_copy(update={"error": error_text(error), "attempts_left": 0})
    paid = {
        "input_tokens": row.input_tokens + answer.input_tokens,
        "output_tokens": row.output_tokens + answer.output_tokens,
    }
    try:
        found = TRAINING_QUALITY.parse(answer.tool_input)
    except OutOfSchema as error:
        return row.model_copy(update={**paid, "error": error_text(error)})
    said = {"score": found.score, "scores": dict(found.scores), "reason": found.reason}
    return row.model_copy(update={**paid, **said, "error": None, "attempts_left": 0})


def cut(row: ReviewRow) -> ReviewRow:
    """Return the row with short texts, as a state's result holds it."""
    texts = {name: getattr(row, name) for name in ("reason", "error")}
    short = {name: _short(text) for name, text in texts.items() if text is not None}
    return row.model_copy(update=short)


def _short(text: str) -> str:
    return text if len(text) <= _KEPT_CHARACTERS else text[: _KEPT_CHARACTERS - 1] + "…"
