"""Converse's rules for a conversation, in AWS's words.

Reports of them (read 2026-11-29): https://github.com/langgenius/dify/issues/12340 (who begins),
https://github.com/langchain-ai/langchain-aws/issues/130 (roles),
https://github.com/OpenHands/OpenHands/issues/5339 (blank text),
https://github.com/earendil-works/pi/pull/3443 (no content),
https://github.com/vercel/ai/issues/2772 (too many tokens),
https://github.com/maximhq/bifrost/pull/3196 (a Llama is made to call a tool). A conversation that
ends with the assistant, which some models would continue, is refused here for all.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from local.bedrock.protocol import ValidationError


def check_conversation(messages: Sequence[Mapping[str, Any]]) -> None:
    """Refuse a conversation as Converse does.

    Raises
    ------
    ValidationError
        It does not begin and end with the user, roles do not alternate, or text is blank.
    """
    roles = [message["role"] for message in messages]
    if not roles or roles[0] != "user":
        raise ValidationError(
            "A conversation must start with a user message. Try again with a conversation that "
            "starts with a user message."
        )
    if any(role == before for before, role in itertools.pairwise(roles)):
        raise ValidationError(
            "A conversation must alternate between user and assistant roles. Make sure the "
            "conversation alternates between user and assistant roles and try again."
        )
    for at, message in enumerate(messages):
        _check_content(f"messages.{at}", message["content"])
    if roles[-1] != "user":
        raise ValidationError("A conversation must end with a user message.")


def _check_content(where: str, content: Sequence[Mapping[str, Any]]) -> None:
    if not content:
        raise ValidationError(
            f"The content field in the Message object at {where} is empty. Add a ContentBlock "
            "object to the content field and try again."
        )
    for at, block in enumerate(content):
        if "text" in block and not block["text"].strip():
            raise ValidationError(
                f"The text field in the ContentBlock object at {where}.content.{at} is blank. Add "
                "text to the text field, and try again."
            )


def check_limit(asked: int | None, most: int) -> None:
    """Refuse more tokens of an answer than the model gives."""
    if asked and asked > most:
        raise ValidationError(
            f"The maximum tokens you requested exceeds the model limit of {most}. Try again with a "
            f"maximum tokens value that is lower than {most}."
        )


def check_tool_choice(provider: str, choice: Mapping[str, Any]) -> None:
    """Refuse to make a Llama call a tool."""
    if provider == "Meta" and (forced := choice.keys() - {"auto"}):
        field = f"toolConfig.toolChoice.{min(forced)}"
        raise ValidationError(
            f"This model doesn't support the {field} field. Remove {field} and try again."
        )
