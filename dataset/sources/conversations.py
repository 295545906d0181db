"""Raw data read as conversations, whatever its keys are called.

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

__all__ = ["Entry", "Keys", "SourceInvalid", "ignored_keys", "read_entries", "refuse"]

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

    place: str  # as in `raw.Value`
    conversation: Conversation
    id: str | None = None
    topic: str | None = None
    by_keys: bool = False  # a pair recognised by its keys, no list of messages
    ignored: tuple[str, ...] = ()  # keys that nothing was read from

    @property
    def is_pair(self) -> bool:
        return len(self.conversation.turns) == len(ROLES)


def read_entries(path: Path, keys: Keys = USUAL) -> list[Entry]:
    """Read a whole file.

    Raises
    ------
    SourceInvalid
        It cannot be read, is not what its suffix says, holds nothing, or some records are no
        conversations; names the first of them.
    """
    entries: list[Entry] = []
    problems: list[tuple[str, str]] = []
    for each in read_values(path):
        try:
            entries.append(_entry(each.place, each.value, keys))
        except _NoRecord as error:
            problems.append((each.place, str(error)))
    refuse(problems)
    if not entries:
        raise SourceInvalid(f"{path} holds no record")
    return entries


def refuse(problems: Iterable[tuple[str, str]]) -> None:
    """Raise SourceInvalid with the first problems, if there are any; each is a place and a text."""
    places: defaultdict[str, list[str]] = defaultdict(list)
    for place, why in problems:
        places[why].append(place)
    lines = [f"{at[0]}{_others(len(at) - 1)}: {why}" for why, at in places.items()]
    more = len(lines) - _SHOWN_PROBLEMS
    if lines:
        shown = [*lines[:_SHOWN_PROBLEMS], *([f"… and {more} more"] if more > 0 else [])]
        raise SourceInvalid("\n".join(shown))


def _others(count: int) -> str:
    return f" and {count} more" if count else ""


def ignored_keys(entries: Iterable[Entry]) -> Iterator[str]:
    """Say which keys nothing was read from, and in how many records."""
    counts = Counter(key for entry in entries for key in entry.ignored)
    for key, count in counts.most_common():
        guess = difflib.get_close_matches(key.lower(), _LABELS, n=1, cutoff=0.8)
        hint = f"; did you mean {guess[0]!r}?" if guess else ""
        yield f"ignored the key {key!r} of {count} record{'s' * (count > 1)}{hint}"


class _NoRecord(ValueError):
    """A value is no conversation; says which part of it, and why."""


def _entry(place: str, value: object, keys: Keys) -> Entry:
    own = _list_key(value, keys)
    if own is None or not isinstance(value, dict):
        return _pair(place, value, keys)
    labels = read_labels(value, keys)
    given = value.get(keys.system or "system")
    system = labels.system if given is None or isinstance(given, str) else _text("system", given)
    conversation = _conversation(own, value[own], system)
    used = {own, "schemaVersion", keys.system or "system", *labels.keys}
    ignored = tuple(str(key) for key in value if key not in used)
    return Entry(place, conversation, labels.id, labels.topic, ignored=ignored)


def _list_key(value: object, keys: Keys) -> str | None:
    """Return where the value has a list of messages, unless the keys of a pair are given."""
    if not isinstance(value, dict) or keys.prompt or keys.completion:
        return None
    return next((each for each in _LISTS if isinstance(value.get(each), list)), None)


def _pair(place: str, value: object, keys: Keys) -> Entry:
    try:
        pair = read_pair(value, keys)
    except PairInvalid as error:
        unknown = isinstance(value, dict) and not (keys.prompt or pair_keys(value))
        hint = "; or say --prompt-key and --completion-key" if unknown else ""
        raise _NoRecord(f"{error}{hint}") from None
    turns = (Turn("user", pair.question), Turn("assistant", pair.answer))
    conversation = Conversation(pair.system, turns)
    return Entry(place, conversation, pair.id, pair.topic, by_keys=True, ignored=pair.ignored)


@dataclass(frozen=True)
class _Said:
    path: str
    role: str
    text: str


def _conversation(key: str, messages: Sequence[object], system: str | None) -> Conversation:
    said = [_said(f"{key}[{at}]", message) for at, message in enumerate(messages)]
    if said and said[0].role.lower() in _SYSTEM_ROLES:
        own = said.pop(0).text
        if system not in {None, own}:
            raise _NoRecord(f"system and {key}[0] hold different system prompts: keep one")
        system = own
    turns = tuple(Turn(_role(each), each.text) for each in said)
    for turn, each, expected in zip(turns, said, ROLES * len(said), strict=False):
        if turn.role != expected:
            raise _NoRecord(
                f"{each.path}: the {turn.role} speaks where the {expected} should: user and "
                "assistant take turns, and the user begins"
            )
    if len(turns) % len(ROLES) or not turns:
        raise _NoRecord(f"{key}: the assistant has to speak last: add its answer, or end before")
    return Conversation(system, turns)


def _said(path: str, message: object) -> _Said:
    if not isinstance(message, dict):
        raise _NoRecord(f"{path} is no object but {type(message).__name__}")
    role_key, text_key = _key_of(path, message, _ROLE_KEYS), _key_of(path, message, _TEXT_KEYS)
    return _Said(path, str(message[role_key]), _text(f"{path}.{text_key}", message[text_key]))


def _key_of(path: str, message: Mapping[str, Any], keys: Sequence[str]) -> str:
    found = next((key for key in keys if key in message), None)
    if found is None:
        raise _NoRecord(f"{path} has none of the keys {', '.join(keys)}")
    return found


def _role(said: _Said) -> Role:
    if said.role.lower() not in _ROLES:
        raise _NoRecord(
            f"{said.path}: the role is {said.role!r}: only user, assistant and, at the beginning, "
            "system can be converted"
        )
    return _ROLES[said.role.lower()]


def _text(path: str, content: object) -> str:
    """Return a text, or the texts of a list of content blocks, each on a line of its own."""
    blocks = [{"text": content}] if isinstance(content, str) else content
    if not isinstance(blocks, list):
        raise _NoRecord(f"{path} is no text")
    texts = [each.get("text") if isinstance(each, dict) else None for each in blocks]
    joined = "\n".join(text for text in texts if isinstance(text, str))
    if not all(isinstance(text, str) for text in texts):
        raise _NoRecord(f"{path} holds something other than text, which cannot be converted")
    if not joined.strip():
        raise _NoRecord(f"{path} is blank")
    return joined
