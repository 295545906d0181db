"""Reads raw data as conversations, whatever its keys are called.

A record is a pair of texts under recognised or given keys, or a list of messages: Claude's,
Converse's, OpenAI's (with a system message among them) or ShareGPT's (`from`, `value`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dataset.sources.files import SourceFile, SourceInvalid
from dataset.sources.foreign import foreign_format
from dataset.sources.pairs import (
    ID,
    REASONING,
    SYSTEM,
    TOPIC,
    USUAL,
    Keys,
    Reading,
    RecordInvalid,
    is_blank,
    read_pair,
)
from dataset.sources.raw import BLANK_ROW, MOST_SHOWN, read_values
from lambdas.validation import Conversation, Turn
from lambdas.validation.formats.conversation import PAIR_KEYS, ROLES, Role
from lambdas.validation.formats.pairs import pair_keys
from lambdas.validation.jsonl.display import quantity, shortened

_LISTS = ("messages", "conversations", "conversation", "turns")
_NESTED = ("data", "paragraphs", "qas")  # lists of records: SQuAD has the three in each other
_ROLES: Mapping[str, Role] = {
    **dict.fromkeys(("user", "human", "prompter"), "user"),
    **dict.fromkeys(("assistant", "gpt", "chatgpt", "chatbot", "model", "bot"), "assistant"),
}
_SYSTEM_ROLES = ("system", "developer")
_ROLE_KEYS, _TEXT_KEYS = ("role", "from"), ("content", "value", "text")
# 0 or false: the answer is part of the conversation, but is not to be learned.
_TRAINED_KEYS = ("weight", "loss_weight", "train", "training", "trainable", "loss")
_TEXT_ONLY = "this project trains text only: drop the record, or write it as text"
_NOT_TEXT = ("image", "images", "video", "videos", "audio", "audios")
_TOOLS = ("tools", "functions", "toolConfig", "tool_calls", "function_call", "tool_call_id")
_TEXT_BLOCKS = (None, "text", "input_text", "output_text")
_SHOWN = 10  # problems, or notes

Problem = tuple[str, str]  # a location and what is wrong there


@dataclass(frozen=True)
class Entry:
    """One record of a source."""

    location: str  # as `read_values` gives it
    conversation: Conversation
    id: str | None = None
    topic: str | None = None
    by_keys: bool = False  # a pair of texts, not a list of messages
    ignored: tuple[str, ...] = ()  # keys that nothing was read from
    untrained: tuple[str, ...] = ()  # of each turn, why it is not to be trained on; "" if it is


@dataclass
class Entries:
    """The records of a source: those that can be read, and what is wrong with the others."""

    entries: list[Entry] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    blank_rows: int = 0  # of a table

    def notes(self, name: str) -> Iterator[str]:
        """Yield a note on each kind of thing that nothing was read from; `name` is the file's."""
        if self.blank_rows:
            yield f"{name}: skipped {quantity(self.blank_rows, 'blank row')}"
        places: defaultdict[str, list[str]] = defaultdict(list)
        for entry in self.entries:
            for key in entry.ignored:
                places[key].append(entry.location)
        alike: defaultdict[tuple[str, int], list[str]] = defaultdict(list)
        for key, locations in places.items():
            alike[locations[0], len(locations)].append(key)
        names = {key: keys for keys in alike.values() for key in keys}
        yield from describe(
            (entry.location, f"ignored {', '.join(map(repr, map(shortened, keys)))}")
            for entry in self.entries
            for keys in dict.fromkeys(tuple(names[key]) for key in entry.ignored)
        )


def read_entries(file: SourceFile, keys: Keys = USUAL) -> Entries:
    """Read a whole file.

    Raises
    ------
    SourceInvalid
        It cannot be read, does not match its suffix, or is empty.
    """
    found = Entries()
    for place, value in read_values(file):
        if value is BLANK_ROW:
            found.blank_rows += 1
            continue
        for location, record in _records(place, value, keys):
            try:
                found.entries.append(_entry(location, record, keys))
            except RecordInvalid as error:
                found.problems.append((location, str(error)))
    if not (found.entries or found.problems):
        raise SourceInvalid(f"{file.place} has no records")
    return found


def describe(problems: Iterable[Problem]) -> list[str]:
    """Return a line on each kind of problem, with its first place and the number of others."""
    locations: defaultdict[str, list[str]] = defaultdict(list)
    for location, why in problems:
        locations[why].append(location)
    lines = [
        f"{first}{f' and {len(others)} more' if others else ''}: {shortened(why, MOST_SHOWN)}"
        for why, (first, *others) in locations.items()
    ]
    if len(lines) > _SHOWN:
        lines[_SHOWN:] = [f"… and {len(lines) - _SHOWN} more"]
    return lines


def _records(location: str, value: object, keys: Keys) -> Iterator[tuple[str, object]]:
    """Yield the records of a list in an object, each with what the object says besides."""
    own = _nested_key(value, keys)
    if own is None or not isinstance(value, dict):
        yield location, value
        return
    shared = {key: value[key] for key in value if key != own}
    for at, inner in enumerate(value[own]):
        separator = ", " if ", " not in location else "."
        yield from _records(f"{location}{separator}{own}[{at}]", {**shared, **inner}, keys)


def _nested_key(value: object, keys: Keys) -> str | None:
    """Return the key of a list of records, if the object is not a record itself."""
    if not isinstance(value, dict) or not value.keys().isdisjoint(_LISTS):
        return None
    if keys.prompt in value if keys.prompt else pair_keys(value):
        return None
    for key in _NESTED:
        inner = value.get(key)
        if isinstance(inner, list) and inner and all(isinstance(each, dict) for each in inner):
            return key
    return None


def _entry(location: str, value: object, keys: Keys) -> Entry:
    if not isinstance(value, dict):
        raise RecordInvalid(f"it is not an object but {type(value).__name__}")
    reading = Reading(value, keys)
    by_keys = bool(keys.prompt or keys.completion)
    if not by_keys and (foreign := foreign_format(value)):
        raise RecordInvalid(f"it is {foreign}")
    messages = None if by_keys else _messages(reading)
    _refuse_other_content(value, "", _NOT_TEXT if messages is None else (*_NOT_TEXT, *_TOOLS))
    system = _own_system(reading)
    untrained: tuple[str, ...] = ()
    if messages is None:
        turns = read_pair(reading)
    else:
        said, turns, untrained = _turns(*messages, reading)
        if said and system not in {None, said}:
            first = f"{messages[0]}[0]"
            raise RecordInvalid(f"system and {first} are different system prompts: keep one")
        system = said or system
    return Entry(
        location,
        Conversation(system, turns),
        reading.label(ID, keys.id),
        reading.label(TOPIC, keys.topic),
        by_keys=messages is None,
        ignored=reading.unread(),
        untrained=untrained,
    )


def _messages(reading: Reading) -> tuple[str, list[Any]] | None:
    """Return the list of messages, after its key; a prompt and its completion may be two lists."""
    for key in _LISTS:
        messages = reading.value.get(key)
        if isinstance(messages, list):
            reading.used |= {key, "schemaVersion"}
            return key, messages
    prompt, completion = (reading.value.get(key) for key in PAIR_KEYS)
    if isinstance(prompt, list) and isinstance(completion, list):
        reading.used |= {*PAIR_KEYS}
        return "prompt", [*prompt, *completion]
    return None


def _own_system(reading: Reading) -> str | None:
    """Read the system prompt beside messages or a pair; an empty one is none."""
    for key, given in reading.find(SYSTEM, reading.keys.system, {str, list, dict}):
        text, _ = _content(key, given, reading)
        return None if is_blank(text) else text
    return None


@dataclass(frozen=True)
class _Message:
    path: str
    role: str
    text: str
    reasoning: str | None
    untrained: str  # why it is not to be trained on; "" if it is


def _turns(
    key: str, messages: Sequence[object], reading: Reading
) -> tuple[str | None, tuple[Turn, ...], tuple[str, ...]]:
    """Return the system prompt among the messages, the turns, and why not to train on each."""
    read = [_message(f"{key}[{at}]", message, reading) for at, message in enumerate(messages)]
    system = read.pop(0).text if read and read[0].role in _SYSTEM_ROLES else None
    turns = tuple(Turn(_role(each), each.text, each.reasoning) for each in read)
    for turn, message, expected in zip(turns, read, ROLES * len(read), strict=False):
        if is_blank(message.text):
            raise RecordInvalid(f"{message.path}: its text is blank")
        if turn.role != expected:
            raise RecordInvalid(
                f"{message.path}: the role is {turn.role} where {expected} is expected: user and "
                "assistant take turns, and the user begins"
            )
    if len(turns) % len(ROLES) or not turns:
        raise RecordInvalid(
            f"{key}: the last message must be the assistant's: add one, or drop the question"
        )
    system = None if is_blank(system) else system
    return system, turns, tuple(message.untrained for message in read)


def _message(path: str, message: object, reading: Reading) -> _Message:
    if not isinstance(message, dict):
        raise RecordInvalid(f"{path} is not an object but {type(message).__name__}")
    _refuse_other_content(message, path, (*_NOT_TEXT, *_TOOLS, "refusal"))
    role_key, text_key = _key_of(path, message, _ROLE_KEYS), _key_of(path, message, _TEXT_KEYS)
    role = str(message[role_key]).lower()
    text, reasoning = _content(f"{path}.{text_key}", message[text_key], reading)
    used, untrained = {role_key, text_key}, ""
    if _ROLES.get(role) == "assistant":
        used |= {*_TRAINED_KEYS, *REASONING}
        untrained = next(_untrained(path, message), "")
        reasoning = reasoning or next(_thoughts(path, message, reading), None)
    elif not any(message.get(name) for name in _TRAINED_KEYS):
        used |= {*_TRAINED_KEYS}  # no model is trained on what it is asked
    reading.ignore(path, message, used)
    return _Message(path, role, text, reasoning, untrained)


def _key_of(path: str, message: Mapping[str, Any], keys: Sequence[str]) -> str:
    found = next((key for key in keys if key in message), None)
    if found is None:
        raise RecordInvalid(f"{path} has none of the keys {', '.join(keys)}")
    return found


def _untrained(path: str, message: Mapping[str, Any]) -> Iterator[str]:
    for key in _TRAINED_KEYS:
        weight = message.get(key)
        if weight is None or weight == 1:
            continue
        if weight != 0:
            raise RecordInvalid(f"{path}.{key} is {weight}: Bedrock knows no weights but 0 and 1")
        yield f"{path}.{key} is {str(weight).lower()}"


def _thoughts(path: str, message: Mapping[str, Any], reading: Reading) -> Iterator[str]:
    for key in REASONING:
        if not is_blank(message.get(key)):
            yield _content(f"{path}.{key}", message[key], reading)[0]


def _role(message: _Message) -> Role:
    if message.role not in _ROLES:
        raise RecordInvalid(
            f"{message.path}: the role is {message.role!r}: only user, assistant and, at the "
            "beginning, system can be converted"
        )
    return _ROLES[message.role]


def _refuse_other_content(value: Mapping[str, Any], path: str, keys: Sequence[str]) -> None:
    found = next((key for key in keys if not is_blank(value.get(key))), None)
    if found:
        raise RecordInvalid(f"it has {f'{path}.{found}'.removeprefix('.')}; {_TEXT_ONLY}")


def _content(path: str, content: object, reading: Reading) -> tuple[str, str | None]:
    """Return text and reasoning: of a text, or of content blocks, joined by line breaks."""
    if isinstance(content, list):
        blocks = [(f"{path}[{at}]", block) for at, block in enumerate(content)]
    elif isinstance(content, str | dict):
        blocks = [(path, content)]
    else:
        raise RecordInvalid(f"{path} is not text")
    texts, thoughts = [], []
    for place, block in blocks:
        thought = _thought(block)
        if thought is not None:
            thoughts.append(thought)
        else:
            texts.append(_block_text(place, block, reading))
    return "\n".join(texts), "\n".join(thoughts) or None


def _thought(block: object) -> str | None:
    """Return the reasoning in a block of Converse (`reasoningContent`) or Claude (`thinking`)."""
    if not isinstance(block, dict) or "text" in block:  # then it is a text, whatever else it has
        return None
    try:
        thought = block["reasoningContent"]["reasoningText"]["text"]
    except (KeyError, TypeError):
        thought = block.get("thinking")
    return thought if isinstance(thought, str) else None


def _block_text(path: str, block: object, reading: Reading) -> str:
    if isinstance(block, str):
        return block
    if isinstance(block, dict) and block.get("type") in _TEXT_BLOCKS:
        key = next((key for key in ("text", "value") if isinstance(block.get(key), str)), None)
        if key:
            reading.ignore(path, block, {"type", key})
            return str(block[key])
    kind = block.get("type") or next(iter(block), "nothing") if isinstance(block, dict) else block
    raise RecordInvalid(f"{path} has content other than text ({kind}), and {_TEXT_ONLY}")
