"""The fast path for records without a problem, which nearly all are.

It only says whether a record needs a closer look; `jsonl.slow_path` and `records` then find the
problems. So it may be strict, and has no field paths or messages. On lines of 2 KB, function calls
cost as much as parsing: hence tuples and few functions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lambdas.domain.models.model import Model, RecordFormat
from lambdas.validation.formats.conversation import MIN_MESSAGES, PAIR_KEYS, ROLES, SCHEMA_VERSION
from lambdas.validation.formats.reserved import NO_WORDS, searches
from lambdas.validation.formats.visible import is_visible

# A record with the right keys, types and texts: system prompt, roles (any words) and texts of its
# messages, and the number of strings in its line, keys included.
Shape = tuple[str | None, list[str], list[str], int]
ShapeOf = Callable[[dict[str, Any]], Shape | None]
IsClean = Callable[[Shape], bool]
_ALTERNATING: list[str] = [*ROLES]  # the roles of most records
_MESSAGE_KEYS = 2  # role and content


def is_clean_of(model: Model, *, warnings: bool) -> IsClean:
    """Return a function that says whether a shape has alternating roles and no reserved word."""
    words = searches(model.reserved, warnings=warnings)
    asked, answered, told = (words.get(role, NO_WORDS) for role in (*ROLES, "system"))
    clean_system: str | None = None  # the last one seen: usually all are the same

    def is_clean(shape: Shape) -> bool:
        nonlocal clean_system
        system, roles, texts, _ = shape
        if roles != _ALTERNATING and (*roles,) != ROLES * (len(roles) // 2):
            return False
        search, other = asked, answered
        for text in texts:
            if search[0] in text and search[1](text):
                return False
            search, other = other, search
        if system != clean_system:
            if system is not None and told.part in system and told.find(system):
                return False
            clean_system = system
        return True

    return is_clean


def no_shape(_: dict[str, Any]) -> None:
    """Send every record to the slow path."""


def shape_of(record_format: RecordFormat) -> ShapeOf:
    """Return a function that takes a record apart; it returns None for any other shape."""
    return _SHAPES[record_format]


def _claude(record: dict[str, Any]) -> Shape | None:
    messages = _messages(record.get("messages"), is_converse=False)
    system = record.get("system")
    keys = 1 if system is None else 2
    if messages is None or len(record) != keys:
        return None
    if system is not None and (type(system) is not str or not is_visible(system)):
        return None
    roles, texts = messages
    return system, roles, texts, 2 * keys - 1 + 4 * len(texts)


def _converse(record: dict[str, Any]) -> Shape | None:
    messages = _messages(record.get("messages"), is_converse=True)
    system = _block(record["system"]) if "system" in record else None
    keys = 2 if system is None else 3
    if messages is None or len(record) != keys or record.get("schemaVersion") != SCHEMA_VERSION:
        return None
    if system is not None and (type(system) is not str or not is_visible(system)):
        return None
    roles, texts = messages
    return system, roles, texts, 3 * (keys - 1) + 5 * len(texts)


def _pair(record: dict[str, Any]) -> Shape | None:
    texts: list[Any] = [record.get(key) for key in PAIR_KEYS]
    if len(record) != len(texts) or not all(
        type(each) is str and is_visible(each) for each in texts
    ):
        return None
    return None, _ALTERNATING, texts, 2 * len(texts)


_SHAPES: dict[RecordFormat, ShapeOf] = {
    "claude-messages": _claude,
    "converse": _converse,
    "prompt-completion": _pair,
}


def _messages(messages: object, *, is_converse: bool) -> tuple[list[str], list[str]] | None:
    """Return the roles and texts of two or more messages."""
    if type(messages) is not list or len(messages) < MIN_MESSAGES:
        return None
    roles, texts = [], []
    for each in messages:
        if type(each) is not dict or len(each) != _MESSAGE_KEYS:
            return None
        role, text = each.get("role"), each.get("content")
        if is_converse:
            text = _block(text)
        if type(text) is not str or type(role) is not str or not is_visible(text):
            return None
        roles.append(role)
        texts.append(text)
    return roles, texts


def _block(content: object) -> object:
    """Return the text of a list with a single content block."""
    if type(content) is list and len(content) == 1:
        block = content[0]
        if type(block) is dict and len(block) == 1:
            return block.get("text")
    return None
