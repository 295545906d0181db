"""Asking the judge about training records, one row for each."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial

from lambdas.domain.data_review.tasks import ReviewTask, most_input_tokens
from lambdas.domain.errors import ReviewFailed
from lambdas.domain.evaluation.attempts import Entry, Pass, Question, assess
from lambdas.domain.evaluation.records import RecordFile
from lambdas.domain.evaluation.rubrics import ATTEMPTS, MAX_TOKENS, Tool, ToolCall
from lambdas.domain.models.model import Model
from lambdas.domain.run.contracts import ReviewedRecords, ReviewItem, ReviewRow
from lambdas.domain.run.execution_input import JudgePrompt

Judge = Callable[[Tool, str], ToolCall]  # of a message; the model is settled
ERROR_KEY = "error"  # of a row without scores
_KEPT_CHARACTERS = 300  # of a prompt or a reason in a state's result
_KEPT_OF_ERROR = 1_000  # same; what was done, why it failed, and what to do


def review_batch(  # noqa: PLR0913  # keyword-only from `judge_prompt` on
    items: Sequence[ReviewItem],
    model: Model,
    *,
    judge_prompt: JudgePrompt,
    file: RecordFile,
    judge: Judge,
    may_begin: Callable[[], bool],
) -> ReviewedRecords:
    """Return a row, its texts cut, for each item that is settled, as far as time allows.

    How many failures are too many is not a batch's to say.

    Raises
    ------
    ReviewFailed
        A whole pass brought nothing.
    """
    asking = Pass(file, may_begin, ERROR_KEY, most_failures=math.inf)
    tasks = {
        item.line: ReviewTask.of(item.line, item.record, model, judge_prompt) for item in items
    }
    questions = [review_question(judge, task) for task in tasks.values() if task]
    entries = asking.ask(questions)
    rows = [_unreadable(line, model) for line, task in tasks.items() if task is None]
    rows += [
        cut(row_of(question, entry))
        for question, entry in zip(questions, entries, strict=True)
        if entry.settled
    ]
    done = len(rows) == len(tasks)
    if not done and not asking.moved:
        raise ReviewFailed(
            f"{len(rows)} of {len(tasks)} records of the batch are reviewed, and a whole pass "
            f"added none: {asking.because}. What is reviewed is kept beside {file.uri}"
        )
    return ReviewedRecords(rows=sorted(rows, key=lambda row: row.line), done=done)


def review_question(judge: Judge, task: ReviewTask) -> Question:
    return Question(
        name=str(task.line),
        about=asdict(task),
        send=partial(assess, task.rubric, partial(judge, task.rubric), task.message, ERROR_KEY),
        most_input_tokens=most_input_tokens(task),
        most_output_tokens=MAX_TOKENS,
    )


def row_of(question: Question, entry: Entry) -> ReviewRow:
    """Return what came of a question: scores or an error, and the tokens of all its requests."""
    task = ReviewTask(**question.about)
    return ReviewRow(line=task.line, prompt=_short(task.prompt), **entry.record(question))


def row_at_most(task: ReviewTask, error: str) -> ReviewRow:
    """Return the row of a record of which only the error is known: all may have been asked."""
    return ReviewRow(
        line=task.line,
        error=error,
        input_tokens=ATTEMPTS * most_input_tokens(task),
        output_tokens=ATTEMPTS * MAX_TOKENS,
        lost_requests=ATTEMPTS,
    )


def _unreadable(line: int, model: Model) -> ReviewRow:
    return ReviewRow(line=line, error=f"not a record in the {model.record_format} format")


def cut(row: ReviewRow) -> ReviewRow:
    """Return the row with short texts, as a state's result holds it."""
    short = {"reason": row.reason and _short(row.reason), "error": row.error and _ends(row.error)}
    return row.model_copy(update=short)


def _short(text: str) -> str:
    return text if len(text) <= _KEPT_CHARACTERS else text[: _KEPT_CHARACTERS - 1] + "…"


def _ends(error: str) -> str:
    """Return an error without its middle, where a key of any length may stand."""
    half = _KEPT_OF_ERROR // 2
    return error if len(error) <= _KEPT_OF_ERROR else f"{error[:half]}…{error[1 - half :]}"
