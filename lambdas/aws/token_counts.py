"""Exact token counts from Bedrock, for the models that it supports."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

from lambdas.aws.clients import code_of, translated
from lambdas.domain.errors import RequestRefused
from lambdas.validation.formats.conversation import Conversation


class CountingUnsupported(RequestRefused):
    """Bedrock does not count tokens for this model."""


def count_tokens(bedrock_runtime: Any, model_id: str, conversation: Conversation) -> int:  # noqa: ANN401  # boto3 has no type
    """Return the tokens of the whole conversation, as Bedrock counts them; it is free.

    `model_id` is a foundation model's id, not that of an inference profile. Bedrock does not count
    for Amazon Nova, models past their end of life, and Claude models served only through profiles.

    https://docs.aws.amazon.com/bedrock/latest/userguide/count-tokens.html, read 2026-11-23.

    Raises
    ------
    CountingUnsupported
        Bedrock does not count tokens for the model.
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
                f"Bedrock does not count tokens for {model_id} ({code_of(cause)}). Use the "
                "estimate instead: leave out --count-tokens, or set count_tokens = false in "
                "environments/"
            ) from error
        raise
    tokens: int = answer["inputTokens"]
    return tokens


def _request(conversation: Conversation) -> Mapping[str, Any]:
    messages = [
        # A request must not end in white space after the assistant's text.
        {"role": turn.role, "content": [{"text": turn.text.rstrip() or turn.text}]}
        for turn in conversation.turns
    ]
    system = {"system": [{"text": conversation.system}]} if conversation.system else {}
    return {"messages": messages, **system}
