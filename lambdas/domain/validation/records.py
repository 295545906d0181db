"""One parsed object: is it a record of the model's format, and what is wrong with it.

Three formats train models. `claude-messages`: {"system": text, "messages": [{"role", "content":
text}]}. `converse`: {"schemaVersion", "system": [{"text"}], "messages": [{"role", "content":
[{"text"}]}]}. `prompt-completion`: {"prompt", "completion"}. A fourth, of this project, holds
evaluation examples: {"id", "question", "reference_answer", "topic"}. Nothing here raises.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from lambdas.domain.catalogue import Model, RecordFormat, Reserved, nearest
from lambdas.domain.pairs import pair_keys
from lambdas.domain.validation.conversation import (
    ROLES,
    SCHEMA_VERSION,
    Conversation,
    Example,
    Turn,
)
from lambdas.domain.validation.findings import Problems
from lambdas.domain.validation.reserved import searches
from lambdas.domain.validation.visible import shows
from lambdas.domain.validation.wording import kind_of, shown, shown_key

EXAMPLE_KEYS = ("id", "question", "reference_answer", "topic")
PAIR_KEYS = ("prompt", "completion")
_MIN_MESSAGES = 2
_GUESSED_CHARACTERS = 60  # of a key; the nearest known name of a longer one would be no help


class _Said(NamedTuple):
    """One readable text of a record."""

    path: str
    role: Literal["system", "user", "assistant"]
    text: str


ReadText = Callable[[object, str, Problems], str | None]


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
    said = list(_READERS[model.record_format](record, problems))
    _check_reserved(said, model, problems)
    system = next((each.text for each in said if each.role == "system"), None)
    turns = tuple(Turn(each.role, each.text) for each in said if each.role != "system")
    return Conversation(system, turns) if turns else None


def _other_format(record: Mapping[str, Any], wanted: RecordFormat) -> str | None:
    """Name the format that the record is evidently in, if it is another."""
    if "messages" not in record:
        return _pair_of(record, wanted)
    if wanted == "prompt-completion":
        return None if set(PAIR_KEYS) & set(record) else "a list of messages"
    if wanted == "claude-messages":
        converse = "schemaVersion" in record or isinstance(record.get("system"), list)
        return "in the converse format" if converse else None
    claude = "schemaVersion" not in record and (
        isinstance(record.get("system"), str) or _has_text_content(record["messages"])
    )
    return "in the claude-messages format" if claude else None


def _pair_of(record: Mapping[str, Any], wanted: RecordFormat) -> str | None:
    if wanted == "prompt-completion" and set(PAIR_KEYS) & set(record):
        return None
    keys = pair_keys(record)
    return f"a raw pair of {shown_key(keys[0])} and {shown_key(keys[1])}" if keys else None


def _has_text_content(messages: object) -> bool:
    return isinstance(messages, list) and any(
        isinstance(each, dict) and isinstance(each.get("content"), str) for each in messages
    )


def _read_claude(record: Mapping[str, Any], problems: Problems) -> Iterator[_Said]:
    _check_keys(record, "", ("system", "messages"), problems)
    yield from _read_system(record, _text, problems)
    yield from _read_messages(record, _text, problems)


def _read_converse(record: Mapping[str, Any], problems: Problems) -> Iterator[_Said]:
    _check_keys(record, "", ("schemaVersion", "system", "messages"), problems)
    _check_version(record, problems)
    yield from _read_system(record, _text_blocks, problems)
    yield from _read_messages(record, _text_blocks, problems)


def _read_pair(record: Mapping[str, Any], problems: Problems) -> Iterator[_Said]:
    _check_keys(record, "", PAIR_KEYS, problems)
    for role, key in zip(ROLES, PAIR_KEYS, strict=True):
        text = _text(record.get(key), key, problems)
        if text is not None:
            yield _Said(key, role, text)


_READERS: Mapping[RecordFormat, Callable[[Mapping[str, Any], Problems], Iterator[_Said]]] = {
    "claude-messages": _read_claude,
    "converse": _read_converse,
    "prompt-completion": _read_pair,
}


def _read_system(
    record: Mapping[str, Any], read_content: ReadText, problems: Problems
) -> Iterator[_Said]:
    if "system" in record:
        text = read_content(record["system"], "system", problems)
        if text is not None:
            yield _Said("system", "system", text)


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
) -> Iterator[_Said]:
    messages = record.get("messages")
    if not isinstance(messages, list):
        problem = "it is missing" if "messages" not in record else f"it is {kind_of(messages)}"
        problems.error("messages", "messages", problem, "give a list of messages")
        return
    if len(messages) < _MIN_MESSAGES:
        problems.error(
            "messages",
            "too-few-messages",
            f"{len(messages)} of at least {_MIN_MESSAGES} messages",
            "give one of the user and one of the assistant",
        )
    _check_order([_role_of(each) for each in messages], problems)
    for at, each in enumerate(messages):
        said = _read_message(each, at, read_content, problems)
        if said:
            yield said


def _role_of(message: object) -> object:
    return message.get("role") if isinstance(message, dict) else None


def _check_order(roles: Sequence[object], problems: Problems) -> None:
    if roles and roles[0] == "assistant":
        problems.error(
            "messages[0].role", "first-role", "the assistant speaks first", "begin with the user"
        )
    for at in range(1, len(roles)):
        if roles[at] == roles[at - 1] and roles[at] in ROLES:
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
) -> _Said | None:
    path = f"messages[{at}]"
    if not isinstance(message, dict):
        problems.error(
            path, "message", f"it is {kind_of(message)}", 'give {"role": …, "content": …}'
        )
        return None
    _check_keys(message, path, ("role", "content"), problems)
    role = message.get("role")
    if role not in ROLES:
        problem = "the role is missing" if "role" not in message else f"the role is {shown(role)}"
        problems.error(f"{path}.role", "role", problem, "write user or assistant")
    text = read_content(message.get("content"), f"{path}.content", problems)
    return _Said(f"{path}.content", role, text) if role in ROLES and text is not None else None


def _text(value: object, path: str, problems: Problems) -> str | None:
    if not isinstance(value, str):
        problem = "it is missing or null" if value is None else f"it is {kind_of(value)}"
        problems.error(path, "not-text", problem, "give text")
        return None
    if not shows(value):
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
        if key not in known and not problems.skip_full("unknown-key"):
            guess = nearest(key[:_GUESSED_CHARACTERS], known)
            problems.error(
                f"{path}.{shown_key(key)}".removeprefix("."),
                "unknown-key",
                f"the format knows no such key, only {', '.join(known)}",
                f"rename it to {guess}, or remove it" if guess else "remove it",
            )


def _check_reserved(said: Sequence[_Said], model: Model, problems: Problems) -> None:
    search = searches(model.reserved, warnings=True)
    for each in said:
        if each.role in search and search[each.role](each.text):
            _check_words(each.text, each.role, each.path, model.reserved, problems)


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
    if text.isascii():
        return False
    # Only these cannot be encoded, and trying is the fastest test.
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False
