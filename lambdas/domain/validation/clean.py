"""The short way for lines without a fault, which nearly all are.

It says only "nothing is wrong" or "look closer", and the closer look, in `lines` and `records`,
has the last word on what is wrong. What decides its speed is how often it passes over the bytes:
once to parse, once over the quotes, and once over texts of several lines for reserved words.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from lambdas.domain.catalogue import Model, RecordFormat
from lambdas.domain.validation.conversation import ROLES, Conversation, Turn
from lambdas.domain.validation.quotes import Buffer, spelling
from lambdas.domain.validation.reserved import searches


class Plain(NamedTuple):
    """The texts of a record without a fault; turns alternate, beginning with the user."""

    system: str | None
    turns: list[str]

    @property
    def conversation(self) -> Conversation:
        roles = ROLES * (len(self.turns) // 2)
        return Conversation(
            self.system, tuple(Turn(*each) for each in zip(roles, self.turns, strict=True))
        )


Read = Callable[[Buffer, int, int, Any], Plain | None]


def clean_reader(model: Model, *, warnings: bool) -> Read:
    """Return what reads a parsed line, and returns None unless it is without a fault."""
    matches = spelling(model.record_format)
    texts = _TEXTS[model.record_format]
    words = searches(model.reserved, warnings=warnings)
    asked, answered, told = (words.get(role, _nothing) for role in (*ROLES, "system"))
    fine_system: str | None = None

    def read(buffer: Buffer, start: int, stop: int, record: Any) -> Plain | None:  # noqa: ANN401  # JSON
        nonlocal fine_system
        if not matches(buffer, start, stop):
            return None
        plain = texts(record)
        system, turns = plain
        search, other = asked, answered
        for text in turns:
            if search(text):
                return None
            search, other = other, search
        if system != fine_system:
            if system and told(system):
                return None
            fine_system = system
        return plain

    return read


def _nothing(_: str) -> bool:
    return False


def _claude_texts(record: dict[str, Any]) -> Plain:
    return Plain(record.get("system"), [each["content"] for each in record["messages"]])


def _converse_texts(record: dict[str, Any]) -> Plain:
    system = record["system"][0]["text"] if "system" in record else None
    return Plain(system, [each["content"][0]["text"] for each in record["messages"]])


def _pair_texts(record: dict[str, Any]) -> Plain:
    return Plain(None, [record["prompt"], record["completion"]])


# Where texts are in a record whose line matches.
_TEXTS: dict[RecordFormat, Callable[[dict[str, Any]], Plain]] = {
    "claude-messages": _claude_texts,
    "converse": _converse_texts,
    "prompt-completion": _pair_texts,
}
