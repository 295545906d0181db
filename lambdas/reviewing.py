"""Asking the judge about one training record: what the state and the command line both do."""

from __future__ import annotations

from lambdas.aws.runtime import Runtime
from lambdas.domain import review
from lambdas.domain.errors import RequestRefused, ServiceUnavailable, Throttled
from lambdas.domain.judge import OutOfSchema
from lambdas.domain.review_results import Row


def review_record(runtime: Runtime, model_id: str, task: review.Task) -> Row:
    """Return the record's row: its scores, or why it has none; AccessDenied and its like raise.

    Tokens are those of all attempts, because all are paid for.
    """
    input_tokens = output_tokens = 0
    outcome: review.Review | str = "the judge was not asked"
    for _ in range(review.ATTEMPTS):
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
            outcome = f"{type(error).__name__}: {error}"
            break
        input_tokens += call.input_tokens
        output_tokens += call.output_tokens
        try:
            outcome = review.parse_review(call.input)
            break
        except OutOfSchema as error:
            outcome = f"OutOfSchema: {error}"
    return Row.of(task.line, outcome, input_tokens, output_tokens)
