"""Asking the judge about one training record: what the state and the command line both do."""

from __future__ import annotations

from lambdas.aws.converse import Runtime
from lambdas.domain.data_review import review
from lambdas.domain.data_review.results import begun, ended, first_row
from lambdas.domain.errors import RequestRefused, ServiceUnavailable, Throttled
from lambdas.domain.evaluation.judge import OutOfSchema
from lambdas.domain.run.contracts import ReviewRow


def review_record(runtime: Runtime, model_id: str, task: review.Task) -> ReviewRow:
    """Return the record's row: its scores, or why it has none; AccessDenied and its like raise.

    Tokens are those of all attempts, because all are paid for.
    """
    row = first_row(task)
    while row.attempts_left:
        row = ask_once(runtime, model_id, task, begun(row))
    return row


def ask_once(runtime: Runtime, model_id: str, task: review.Task, row: ReviewRow) -> ReviewRow:
    """Return a row that has begun an attempt with what came of it."""
    try:
        call = runtime.call_tool(
            model_id,
            review.prompt(task),
            system=review.SYSTEM_PROMPT,
            max_tokens=review.MAX_TOKENS,
            tool_name=review.TOOL_NAME,
            tool_schema=review.TOOL_SCHEMA,
        )
    except (RequestRefused, ServiceUnavailable, Throttled) as error:
        return ended(row, f"{type(error).__name__}: {error}")
    paid = {
        "input_tokens": row.input_tokens + call.input_tokens,
        "output_tokens": row.output_tokens + call.output_tokens,
    }
    row = row.model_copy(update=paid)
    try:
        return ended(row, review.parse_review(call.input))
    except OutOfSchema as error:
        return ended(row, f"OutOfSchema: {error}", again=True)
