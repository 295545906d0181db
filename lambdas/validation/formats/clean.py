"""The short way for records of the right shape, and for those without a fault: nearly all.

It says only "right" or "look closer", and the closer look, in `odd` and `records`, has the last
word on what is wrong. So it may be strict, and knows no field paths and no messages. Of lines of
2 KB, calls cost as much as parsing: hence tuples, and few functions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lambdas.domain.models.catalogue import Model, RecordFormat
from lambdas.validation.formats.conversation import MIN_MESSAGES, PAIR_KEYS, ROLES, SCHEMA_VERSION
from lambdas.validation.formats.reserved import NO_WORDS, searches
from lambdas.validation.formats.visible import shows

# A record whose keys, types and texts are right: its system prompt, the roles of its messages,
# which may be any words, their texts, and how many strings its line has, keys included.
Shape = tuple[str | None, list[str], list[str], int]
ShapeOf = Callable[[dict[str, Any]], Shape | None]
IsClean = Callable[[Shape], bool]
_IN_TURN: list[str] = [*ROLES]  # the roles of most records
_MESSAGE_KEYS = 2  # role and content


def is_clean_of(model: Model, *, warnings: bool) -> IsClean:
    """Return what says of a record of the right shape that nothing is wrong with its words."""
    words = searches(model.reserved, warnings=warnings)
    asked, answered, told = (words.get(role, NO_WORDS) for role in (*ROLES, "system"))
    clean_system: str | None = None  # the last seen: mostly all are the same

    def is_clean(shape: Shape) -> bool:
        nonlocal clean_system
        system, roles, texts, _ = shape
        if roles != _IN_TURN and (*roles,) != ROLES * (len(roles) // 2):
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


def shape_of(record_format: RecordFormat) -> ShapeOf:
    """Return what takes records of a format apart, and returns None where one has another shape."""
    return _SHAPES[record_format]


def _claude(record: dict[str, Any]) -> Shape | None:
    messages = _messages(record.get("messages"), is_converse=False)
    system = record.get("system")
    keys = 1 if system is None else 2
    if messages is None or len(record) != keys:
        return None
    if system is not None and (type(system) is not str or not shows(system)):
        return None
    roles, texts = messages
    return system, roles, texts, 2 * keys - 1 + 4 * len(texts)


def _converse(record: dict[str, Any]) -> Shape | None:
    messages = _messages(record.get("messages"), is_converse=True)
    system = _block(record["system"]) if "system" in record else None
    keys = 2 if system is None else 3
    if messages is None or len(record) != keys or record.get("schemaVersion") != SCHEMA_VERSION:
        return None
    if system is not None and (type(system) is not str or not shows(system)):
        return None
    roles, texts = messages
    return system, roles, texts, 3 * (keys - 1) + 5 * len(texts)


def _pair(record: dict[str, Any]) -> Shape | None:
    texts: list[Any] = [record.get(key) for key in PAIR_KEYS]
    if len(record) != len(texts) or not all(type(each) is str and shows(each) for each in texts):
        return None
    return None, _IN_TURN, texts, 2 * len(texts)


_SHAPES: dict[RecordFormat, ShapeOf] = {
    "claude-messages": _claude,
    "converse": _converse,
    "prompt-completion": _pair,
}


def _messages(messages: object, *, is_converse: bool) -> tuple[list[str], list[str]] | None:
    """Return roles and texts of two or more messages."""
    if type(messages) is not list or len(messages) < MIN_MESSAGES:
        return None
    roles, texts = [], []
    for each in messages:
        if type(each) is not dict or len(each) != _MESSAGE_KEYS:
            return None
        role, text = each.get("role"), each.get("content")
        if is_converse:
            text = _block(text)
        if type(text) is not str or type(role) is not str or not shows(text):
            return None
        roles.append(role)
        texts.append(text)
    return roles, texts


def _block(content: object) -> object:
    """Return the text of a list of one content block."""
    if type(content) is list and len(content) == 1:
        block = content[0]
        if type(block) is dict and len(block) == 1:
            return block.get("text")
    return None
