"""Exact token counts from Bedrock, where it counts for a model at all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

from lambdas.aws.clients import code_of, translated
from lambdas.domain.errors import RequestRefused
from lambdas.validation.formats.conversation import Conversation


class CountingUnsupported(RequestRefused):
    """Bedrock counts no tokens for this model."""


def count_tokens(bedrock_runtime: Any, model_id: str, conversation: Conversation) -> int:  # noqa: ANN401  # boto3 has no type
    """Return the input tokens that Bedrock counts for all of the conversation; it is free.

    `model_id` is a foundation model's own id, not that of an inference profile. Amazon Nova and
    models past their end of life are not counted: for these, and for Claude models that are served
    through profiles only, `lambdas.validation.formats.tokens` estimates.

    https://docs.aws.amazon.com/bedrock/latest/userguide/count-tokens.html, read 2026-11-23.

    Raises
    ------
    CountingUnsupported
        Bedrock refuses to count for the model.
    """
    try:
        with translated(f"count tokens for {model_id}"):
            answer = bedrock_runtime.count_tokens(
                modelId=model_id, input={"converse": _request(conversation)}
            )
    except RequestRefused as error:
        cause = error.__cause__
        if isinstance(cause, ClientError) and "support" in str(cause):
            raise CountingUnsupported(
                f"Bedrock counts no tokens for {model_id} ({code_of(cause)}). Use the estimate "
                "instead: leave out --count-tokens, or set count_tokens = false in environments/"
            ) from error
        raise
    tokens: int = answer["inputTokens"]
    return tokens


def _request(conversation: Conversation) -> Mapping[str, Any]:
    messages = [
        # A request must not end in white space that the assistant is to continue.
        {"role": turn.role, "content": [{"text": turn.text.rstrip() or turn.text}]}
        for turn in conversation.turns
    ]
    system = {"system": [{"text": conversation.system}]} if conversation.system else {}
    return {"messages": messages, **system}
