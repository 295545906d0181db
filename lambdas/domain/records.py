"""One line of a dataset: from bytes to a conversation or an example, with all that is wrong.

Two formats train models. `claude-messages`: {"system": text, "messages": [{"role", "content":
text}]}. `converse`: {"schemaVersion", "system": [{"text"}], "messages": [{"role", "content":
[{"text"}]}]}. A third, of this project, holds evaluation examples: {"id", "question",
"reference_answer", "topic"}. Nothing here raises, whatever the bytes.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from lambdas.domain.catalogue import Model, RecordFormat, Reserved, nearest
from lambdas.domain.pairs import pair_keys

Severity = Literal["error", "warning"]
Role = Literal["user", "assistant"]
SCHEMA_VERSION = "bedrock-conversation-2024"
# A record of 32,000 tokens fits many times over, and no line can fill a function's memory.
MAX_LINE_BYTES = 4 * 1024**2
_MIN_MESSAGES = 2
_SHOWN_CHARACTERS = 60
_ROLES: tuple[Role, Role] = ("user", "assistant")
EXAMPLE_KEYS = ("id", "question", "reference_answer", "topic")


@dataclass(frozen=True)
class Problem:
    """Something wrong with one line; `field` is a path such as messages[0].role, or empty."""

    field: str
    code: str
    message: str
    fix: str
    severity: Severity = "error"


@dataclass
class Problems:
    """Collects what is wrong with one line."""

    found: list[Problem] = field(default_factory=list)

    def error(self, field_path: str, code: str, message: str, fix: str) -> None:
        self.found.append(Problem(field_path, code, message, fix))

    def warning(self, field_path: str, code: str, message: str, fix: str) -> None:
        self.found.append(Problem(field_path, code, message, fix, "warning"))


ReadText = Callable[[object, str, Problems], str | None]


@dataclass(frozen=True)
class Turn:
    role: Role
    text: str


@dataclass(frozen=True)
class Conversation:
    """A training record, whatever its format."""

    system: str | None
    turns: tuple[Turn, ...]

    @property
    def prompt(self) -> str:
        """All that was said before the last answer."""
        return "\n".join(turn.text for turn in self.turns[:-1])

    @property
    def texts(self) -> tuple[str, ...]:
        return (self.system or "", *(turn.text for turn in self.turns))


@dataclass(frozen=True)
class Example:
    """An evaluation record."""

    id: str
    question: str
    reference_answer: str
    topic: str | None = None


def make_record(
    record_format: RecordFormat, system: str | None, question: str, answer: str
) -> dict[str, Any]:
    """Write one question and its answer as a training record."""
    texts = zip(_ROLES, (question, answer), strict=True)
    if record_format == "claude-messages":
        head = {"system": system} if system else {}
        return {**head, "messages": [{"role": role, "content": text} for role, text in texts]}
    return {
        "schemaVersion": SCHEMA_VERSION,
        **({"system": [{"text": system}]} if system else {}),
        "messages": [{"role": role, "content": [{"text": text}]} for role, text in texts],
    }


def parse_line(line: bytes, number: int, problems: Problems) -> dict[str, Any] | None:
    """Parse the line numbered `number`, from 1; None where it holds no JSON object."""
    if len(line) > MAX_LINE_BYTES:
        problems.error(
            "",
            "line-too-long",
            f"the line is longer than {MAX_LINE_BYTES} bytes",
            "check that records stand one a line",
        )
        return None
    if number == 1 and line.startswith(codecs.BOM_UTF8):
        problems.error(
            "", "byte-order-mark", "the file starts with a byte order mark", "save it without one"
        )
        line = line.removeprefix(codecs.BOM_UTF8)
    text = _decoded(line, problems)
    return None if text is None else _json_object(text, problems)


def _decoded(line: bytes, problems: Problems) -> str | None:
    try:
        text = line.decode()
    except UnicodeDecodeError as error:
        problems.error(
            "",
            "not-utf-8",
            f"byte {error.start + 1} of the line, 0x{line[error.start]:02x}, is no UTF-8",
            "save the file as UTF-8",
        )
        return None
    if not text.strip():
        problems.error("", "blank-line", "the line is blank", "remove it")
        return None
    return text


def _json_object(text: str, problems: Problems) -> dict[str, Any] | None:
    repeated: list[str] = []

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        value = dict(pairs)
        if len(value) != len(pairs):
            repeated.extend(_repeated(pairs))
        return value

    try:
        value = json.loads(text, object_pairs_hook=unique, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        problems.error("", "not-json", _why_not_json(error), "write one JSON object a line")
        return None
    for key in dict.fromkeys(repeated):
        problems.error(shown_key(key), "duplicate-key", "the key occurs twice", "keep one of them")
    if not isinstance(value, dict):
        problems.error(
            "", "not-an-object", f"the line holds {kind_of(value)}", "write one JSON object a line"
        )
        return None
    return value


def _repeated(pairs: Sequence[tuple[str, Any]]) -> Iterator[str]:
    seen: set[str] = set()
    for key, _ in pairs:
        if key in seen:
            yield key
        seen.add(key)


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON")


def _why_not_json(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "the JSON is nested too deeply"
    if isinstance(error, json.JSONDecodeError):
        return f"the line is no JSON: {error.msg} at character {error.colno}"
    return f"the line is no JSON: {error}"


def read_conversation(
    record: Mapping[str, Any], model: Model, problems: Problems
) -> Conversation | None:
    """Read a training or validation record in the model's format; None if it is no conversation."""
    other = _other_format(record, model.record_format)
    if other:
        problems.error(
            "",
            "wrong-format",
            f"the record is {other}, not in the {model.record_format} format of {model.name}",
            f"convert the data: python -m dataset prepare --model {model.key} SOURCE OUT",
        )
        return None
    read = _read_converse if model.record_format == "converse" else _read_claude
    conversation = read(record, problems)
    _check_reserved(conversation, model, problems)
    return conversation if conversation.turns else None


def _other_format(record: Mapping[str, Any], wanted: RecordFormat) -> str | None:
    """Name the format that the record is evidently in, if it is another."""
    if "messages" not in record:
        return _pair_of(record)
    if wanted == "claude-messages":
        converse = "schemaVersion" in record or isinstance(record.get("system"), list)
        return "in the converse format" if converse else None
    claude = "schemaVersion" not in record and (
        isinstance(record.get("system"), str) or _has_text_content(record["messages"])
    )
    return "in the claude-messages format" if claude else None


def _pair_of(record: Mapping[str, Any]) -> str | None:
    keys = pair_keys(record)
    return f"a raw pair of {keys[0]} and {keys[1]}" if keys else None


def _has_text_content(messages: object) -> bool:
    return isinstance(messages, list) and any(
        isinstance(each, dict) and isinstance(each.get("content"), str) for each in messages
    )


def _read_claude(record: Mapping[str, Any], problems: Problems) -> Conversation:
    _check_keys(record, "", ("system", "messages"), problems)
    system = None
    if "system" in record:
        system = _text(record["system"], "system", problems)
    turns = _read_messages(record, _text, problems)
    return Conversation(system, turns)


def _read_converse(record: Mapping[str, Any], problems: Problems) -> Conversation:
    _check_keys(record, "", ("schemaVersion", "system", "messages"), problems)
    _check_version(record, problems)
    system = None
    if "system" in record:
        system = _text_blocks(record["system"], "system", problems)
    turns = _read_messages(record, _text_blocks, problems)
    return Conversation(system, turns)


def _check_version(record: Mapping[str, Any], problems: Problems) -> None:
    version = record.get("schemaVersion")
    if not isinstance(version, str):
        problems.error(
            "schemaVersion",
            "schema-version",
            "the schema version is missing" if version is None else f"it is {kind_of(version)}",
            f'write "schemaVersion": "{SCHEMA_VERSION}"',
        )
    elif version != SCHEMA_VERSION:
        problems.warning(
            "schemaVersion",
            "schema-version",
            f"the schema version is {shown(version)}",
            f"AWS documents {SCHEMA_VERSION} only: write that",
        )


def _read_messages(
    record: Mapping[str, Any], read_content: ReadText, problems: Problems
) -> tuple[Turn, ...]:
    messages = record.get("messages")
    if not isinstance(messages, list):
        problem = "it is missing" if "messages" not in record else f"it is {kind_of(messages)}"
        problems.error("messages", "messages", problem, "give a list of messages")
        return ()
    if len(messages) < _MIN_MESSAGES:
        problems.error(
            "messages",
            "too-few-messages",
            f"{len(messages)} of at least {_MIN_MESSAGES} messages",
            "give one of the user and one of the assistant",
        )
    _check_order([_role_of(each) for each in messages], problems)
    read = (_read_message(each, at, read_content, problems) for at, each in enumerate(messages))
    return tuple(turn for turn in read if turn)


def _role_of(message: object) -> object:
    return message.get("role") if isinstance(message, dict) else None


def _check_order(roles: Sequence[object], problems: Problems) -> None:
    if roles and roles[0] == "assistant":
        problems.error(
            "messages[0].role", "first-role", "the assistant speaks first", "begin with the user"
        )
    for at in range(1, len(roles)):
        if roles[at] == roles[at - 1] and roles[at] in _ROLES:
            problems.error(
                f"messages[{at}].role",
                "role-repeats",
                f"two messages of the {roles[at]} follow each other",
                "let user and assistant alternate: merge the two, or add what is missing",
            )
    if roles and roles[-1] == "user":
        problems.error(
            f"messages[{len(roles) - 1}].role",
            "last-role",
            "the user speaks last",
            "end with the assistant's answer",
        )


def _read_message(
    message: object, at: int, read_content: ReadText, problems: Problems
) -> Turn | None:
    path = f"messages[{at}]"
    if not isinstance(message, dict):
        problems.error(
            path, "message", f"it is {kind_of(message)}", 'give {"role": …, "content": …}'
        )
        return None
    _check_keys(message, path, ("role", "content"), problems)
    role = message.get("role")
    if role not in _ROLES:
        problem = "the role is missing" if "role" not in message else f"the role is {shown(role)}"
        problems.error(f"{path}.role", "role", problem, "write user or assistant")
    text = read_content(message.get("content"), f"{path}.content", problems)
    return Turn(role, text) if role in _ROLES and text is not None else None


def _text(value: object, path: str, problems: Problems) -> str | None:
    if not isinstance(value, str):
        problem = "it is missing or null" if value is None else f"it is {kind_of(value)}"
        problems.error(path, "not-text", problem, "give text")
        return None
    if not value.strip():
        problems.error(path, "empty", "the text is empty or blank", "fill it, or drop the record")
        return None
    if _has_lone_surrogate(value):
        problems.error(
            path,
            "lone-surrogate",
            "the text holds half a surrogate pair, which is no character",
            "repair or remove the escape \\ud8xx…\\udfxx",
        )
        return None
    return value


def _text_blocks(value: object, path: str, problems: Problems) -> str | None:
    if not isinstance(value, list):
        problem = "it is missing or null" if value is None else f"it is {kind_of(value)}"
        problems.error(path, "not-a-list", problem, 'give [{"text": …}]')
        return None
    if not value:
        problems.error(path, "empty", "the list is empty", 'give [{"text": …}]')
        return None
    texts = [_text_block(each, f"{path}[{at}]", problems) for at, each in enumerate(value)]
    whole = [text for text in texts if text is not None]
    return "\n".join(whole) if len(whole) == len(texts) else None


def _text_block(block: object, path: str, problems: Problems) -> str | None:
    if not isinstance(block, dict):
        problems.error(path, "content-block", f"it is {kind_of(block)}", 'give {"text": …}')
        return None
    _check_keys(block, path, ("text",), problems)
    return _text(block.get("text"), f"{path}.text", problems)


def _check_keys(
    value: Mapping[str, Any], path: str, known: Sequence[str], problems: Problems
) -> None:
    for key in value:
        if key not in known:
            guess = nearest(key, known)
            problems.error(
                f"{path}.{shown_key(key)}".removeprefix("."),
                "unknown-key",
                f"the format knows no such key, only {', '.join(known)}",
                f"rename it to {guess}, or remove it" if guess else "remove it",
            )


def _check_reserved(conversation: Conversation, model: Model, problems: Problems) -> None:
    if conversation.system:
        _check_words(conversation.system, "system", "system", model.reserved, problems)
    for at, turn in enumerate(conversation.turns):
        _check_words(turn.text, turn.role, f"messages[{at}].content", model.reserved, problems)


def _check_words(
    text: str, role: str, path: str, reserved: Sequence[Reserved], problems: Problems
) -> None:
    seen: set[str] = set()
    for group in reserved:
        words = [] if role not in group.roles else [each for each in group.words if each in text]
        for word in dict.fromkeys(words):
            if word not in seen:
                _add_reserved(word, path, group, problems)
        seen.update(words)


def _add_reserved(word: str, path: str, group: Reserved, problems: Problems) -> None:
    add = problems.error if group.documented else problems.warning
    reason = "a word of the model's own prompts" if group.documented else "refused by AWS's checker"
    add(path, "reserved-word", f"the text holds {shown(word)}, {reason}", "word it otherwise")


def read_example(record: Mapping[str, Any], problems: Problems) -> Example | None:
    """Read an evaluation record; None where a needed part is missing."""
    if "messages" in record:
        problems.error(
            "",
            "wrong-format",
            "the record is a training record, not an evaluation example",
            'give {"id": …, "question": …, "reference_answer": …}',
        )
        return None
    _check_keys(record, "", EXAMPLE_KEYS, problems)
    needed = [_text(record.get(key), key, problems) for key in EXAMPLE_KEYS[:3]]
    topic = None
    if record.get("topic") is not None:
        topic = _text(record["topic"], "topic", problems)
    identity, question, reference = needed
    if identity is None or question is None or reference is None:
        return None
    return Example(identity, question, reference, topic)


def _has_lone_surrogate(text: str) -> bool:
    # Only these cannot be encoded, and trying is the fastest test.
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def kind_of(value: object) -> str:
    """Name a JSON value's type as a person would."""
    names = {
        type(None): "null",
        bool: "true or false",
        int: "a number",
        float: "a number",
        str: "text",
        list: "a list",
        dict: "an object",
    }
    return names.get(type(value), type(value).__name__)


def shown(value: object) -> str:
    """Quote a value for a message: short, on one line, and free of what cannot be encoded."""
    if isinstance(value, dict | list):
        return kind_of(value)
    text = json.dumps(value, ensure_ascii=False, default=repr)
    if len(text) > _SHOWN_CHARACTERS:
        text = text[:_SHOWN_CHARACTERS] + "…"
    return text.encode(errors="backslashreplace").decode()


def shown_key(key: str) -> str:
    return key if key.isidentifier() and len(key) <= _SHOWN_CHARACTERS else shown(key)
