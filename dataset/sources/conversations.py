"""Reads raw data as conversations, whatever its keys are called.

A record is a pair of texts under recognised or given keys, or a list of messages: Claude's,
Converse's, OpenAI's (with a system message among them) or ShareGPT's (`from`, `value`).
"""

from __future__ import annotations

import difflib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dataset.sources.raw import SourceInvalid, read_values
from lambdas.validation import Conversation, Turn
from lambdas.validation.formats.conversation import ROLES, Role
from lambdas.validation.formats.pairs import (
    USUAL,
    Keys,
    PairInvalid,
    pair_keys,
    read_labels,
    read_pair,
)

_LISTS = ("messages", "conversations", "conversation", "turns")
_ROLES: Mapping[str, Role] = {
    "user": "user",
    "human": "user",
    "prompter": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "model": "assistant",
    "bot": "assistant",
}
_SYSTEM_ROLES = ("system", "developer")
_LABELS = ("system", "topic")
_ROLE_KEYS, _TEXT_KEYS = ("role", "from"), ("content", "value", "text")
_SHOWN_PROBLEMS = 10


@dataclass(frozen=True)
class Entry:
    """One record of a source."""

    location: str  # as `read_values` gives it
    conversation: Conversation
    id: str | None = None
    topic: str | None = None
    by_keys: bool = False  # a pair of texts, not a list of messages
    ignored: tuple[str, ...] = ()  # keys that nothing was read from

    @property
    def is_pair(self) -> bool:
        return len(self.conversation.turns) == len(ROLES)


def read_entries(path: Path, keys: Keys = USUAL) -> list[Entry]:
    """Read a whole file.

    Raises
    ------
    SourceInvalid
        It cannot be read, does not match its suffix, is empty, or some records are not
        conversations; names the first of them.
    """
    entries: list[Entry] = []
    problems: list[tuple[str, str]] = []
    for location, value in read_values(path):
        try:
            entries.append(_entry(location, value, keys))
        except _NotARecord as error:
            problems.append((location, str(error)))
    refuse(problems)
    if not entries:
        raise SourceInvalid(f"{path} has no records")
    return entries


def refuse(problems: Iterable[tuple[str, str]]) -> None:
    """Raise SourceInvalid with the first problems, each a location and a reason, if any."""
    locations: defaultdict[str, list[str]] = defaultdict(list)
    for location, why in problems:
        locations[why].append(location)
    lines = [
        f"{first}{f' and {len(others)} more' if others else ''}: {why}"
        for why, (first, *others) in locations.items()
    ]
    if len(lines) > _SHOWN_PROBLEMS:
        lines[_SHOWN_PROBLEMS:] = [f"… and {len(lines) - _SHOWN_PROBLEMS} more"]
    if lines:
        raise SourceInvalid("\n".join(lines))


def ignored_keys(entries: Iterable[Entry]) -> Iterator[str]:
    """Yield a note on each key that nothing was read from, with the number of records."""
    counts = Counter(key for entry in entries for key in entry.ignored)
    for key, count in counts.most_common():
        guess = difflib.get_close_matches(key.lower(), _LABELS, n=1, cutoff=0.8)
        hint = f"; did you mean {guess[0]!r}?" if guess else ""
        yield f"ignored the key {key!r} of {count} record{'s' * (count > 1)}{hint}"


class _NotARecord(ValueError):
    """A value is not a conversation; says which part of it, and why."""


def _entry(location: str, value: object, keys: Keys) -> Entry:
    own = _list_key(value, keys)
    if own is None or not isinstance(value, dict):
        return _pair(location, value, keys)
    labels = read_labels(value, keys)
    given = value.get(keys.system or "system")
    system = labels.system if given is None or isinstance(given, str) else _text("system", given)
    conversation = _conversation(own, value[own], system)
    used = {own, "schemaVersion", keys.system or "system", *labels.keys}
    ignored = tuple(str(key) for key in value if key not in used)
    return Entry(location, conversation, labels.id, labels.topic, ignored=ignored)


def _list_key(value: object, keys: Keys) -> str | None:
    """Return the key of the list of messages, unless the keys of a pair are given."""
    if not isinstance(value, dict) or keys.prompt or keys.completion:
        return None
    return next((key for key in _LISTS if isinstance(value.get(key), list)), None)


def _pair(location: str, value: object, keys: Keys) -> Entry:
    try:
        pair = read_pair(value, keys)
    except PairInvalid as error:
        unknown = isinstance(value, dict) and not (keys.prompt or pair_keys(value))
        hint = "; or give --prompt-key and --completion-key" if unknown else ""
        raise _NotARecord(f"{error}{hint}") from None
    turns = (Turn("user", pair.question), Turn("assistant", pair.answer))
    conversation = Conversation(pair.system, turns)
    return Entry(location, conversation, pair.id, pair.topic, by_keys=True, ignored=pair.ignored)


@dataclass(frozen=True)
class _Message:
    path: str
    role: str
    text: str


def _conversation(key: str, messages: Sequence[object], system: str | None) -> Conversation:
    read = [_message(f"{key}[{at}]", message) for at, message in enumerate(messages)]
    if read and read[0].role.lower() in _SYSTEM_ROLES:
        own = read.pop(0).text
        if system not in {None, own}:
            raise _NotARecord(f"system and {key}[0] are different system prompts: keep one")
        system = own
    turns = tuple(Turn(_role(message), message.text) for message in read)
    for turn, message, expected in zip(turns, read, ROLES * len(read), strict=False):
        if turn.role != expected:
            raise _NotARecord(
                f"{message.path}: the role is {turn.role} where {expected} is expected: user and "
                "assistant take turns, and the user begins"
            )
    if len(turns) % len(ROLES) or not turns:
        raise _NotARecord(
            f"{key}: the last message must be the assistant's: add one, or drop the question"
        )
    return Conversation(system, turns)


def _message(path: str, message: object) -> _Message:
    if not isinstance(message, dict):
        raise _NotARecord(f"{path} is not an object but {type(message).__name__}")
    role_key, text_key = _key_of(path, message, _ROLE_KEYS), _key_of(path, message, _TEXT_KEYS)
    return _Message(path, str(message[role_key]), _text(f"{path}.{text_key}", message[text_key]))


def _key_of(path: str, message: Mapping[str, Any], keys: Sequence[str]) -> str:
    found = next((key for key in keys if key in message), None)
    if found is None:
        raise _NotARecord(f"{path} has none of the keys {', '.join(keys)}")
    return found


def _role(message: _Message) -> Role:
    if message.role.lower() not in _ROLES:
        raise _NotARecord(
            f"{message.path}: the role is {message.role!r}: only user, assistant and, at the "
            "beginning, system can be converted"
        )
    return _ROLES[message.role.lower()]


def _text(path: str, content: object) -> str:
    """Return a text, or the texts of a list of content blocks, joined by line breaks."""
    blocks = [{"text": content}] if isinstance(content, str) else content
    if not isinstance(blocks, list):
        raise _NotARecord(f"{path} is not text")
    texts = [block.get("text") if isinstance(block, dict) else None for block in blocks]
    joined = "\n".join(text for text in texts if isinstance(text, str))
    if not all(isinstance(text, str) for text in texts):
        raise _NotARecord(f"{path} has content other than text, which cannot be converted")
    if not joined.strip():
        raise _NotARecord(f"{path} is blank")
    return joined
