"""Reads a parsed object as a record of the model's format and reports its problems.

Three formats train models. `claude-messages`: {"system": text, "messages": [{"role", "content":
text}]}. `converse`: {"schemaVersion", "system": [{"text"}], "messages": [{"role", "content":
[{"text"}]}]}. `prompt-completion`: {"prompt", "completion"}. A fourth, of this project, holds
evaluation examples: {"id", "question", "reference_answer", "topic"}. Nothing here raises.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lambdas.domain.models.lookup import nearest
from lambdas.domain.models.model import Model, RecordFormat, Reserved
from lambdas.validation.formats.conversation import (
    MIN_MESSAGES,
    PAIR_KEYS,
    ROLES,
    SCHEMA_VERSION,
    Conversation,
    EvaluationExample,
    Role,
    Turn,
)
from lambdas.validation.formats.fields import field_of
from lambdas.validation.formats.pairs import pair_keys
from lambdas.validation.formats.reserved import NO_WORDS, searches
from lambdas.validation.formats.visible import is_visible
from lambdas.validation.jsonl.display import quoted, quoted_key, type_name
from lambdas.validation.jsonl.problems import Problems

_CLAUDE_KEYS = ("system", "messages")
_CONVERSE_KEYS = ("schemaVersion", "system", "messages")
_MESSAGE_KEYS = ("role", "content")
_BLOCK_KEYS = ("text",)
_EXAMPLE_KEYS = ("id", "question", "reference_answer", "topic")
_GUESSED_CHARACTERS = 60  # of a key that are compared with known keys

_ROLES: Mapping[str, Role] = {role: role for role in ROLES}

# One readable text of a record: position of its turn, role (system, user or assistant), text.
RoleText = tuple[int, str, str]
ReadText = Callable[[object, str, Problems], str | None]


def read_conversation(
    record: Mapping[str, Any], model: Model, problems: Problems
) -> Conversation | None:
    """Read a training or validation record in the model's format; None without a readable turn."""
    texts = RecordReader(model).read(record, problems)
    turns = turns_of(texts)
    return Conversation(texts[0][2] if len(turns) < len(texts) else None, turns) if turns else None


class RecordReader:
    """Reads records in one model's format and reports their problems."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._read = _READERS[model.record_format]
        self._search = searches(model.reserved, warnings=True)
        self._field_of = field_of("training", model.record_format)

    def read(self, record: Mapping[str, Any], problems: Problems) -> list[RoleText]:
        """Return the readable texts of a record, the system prompt first."""
        other = _other_format(record, self._model.record_format)
        if other:
            _add_other_format(other, self._model, problems)
            return []
        texts = self._read(record, problems)
        self._check_reserved(texts, problems)
        return texts

    def read_parts(
        self, system: str | None, roles: Sequence[str], texts: Sequence[str], problems: Problems
    ) -> list[RoleText]:
        """Do the same for a record in which only roles and reserved words can be wrong."""
        _check_order(roles, problems)
        readable: list[RoleText] = [] if system is None else [(0, "system", system)]
        for at, role in enumerate(roles):
            if role in ROLES:
                readable.append((at, role, texts[at]))
            elif not problems.skip_full("role"):
                _add_role({"role": role}, f"messages[{at}]", problems)
        self._check_reserved(readable, problems)
        return readable

    def _check_reserved(self, texts: Sequence[RoleText], problems: Problems) -> None:
        for at, role, text in texts:
            part, find = self._search.get(role, NO_WORDS)
            if part in text and find(text):
                path = role if role == "system" else self._field_of(at)
                _check_words(text, role, path, self._model.reserved, problems)


def turns_of(texts: Sequence[RoleText]) -> tuple[Turn, ...]:
    return tuple(Turn(_ROLES[role], text) for _, role, text in texts if role in _ROLES)


def _add_other_format(other: str, model: Model, problems: Problems) -> None:
    if not problems.skip_full("wrong-format"):
        problems.error(
            "",
            "wrong-format",
            f"the record is {other}, not in the {model.record_format} format of {model.name}",
            f"convert the data: python -m dataset prepare --model {model.key} SOURCE OUT",
        )


def _other_format(record: Mapping[str, Any], wanted: RecordFormat) -> str | None:
    """Name the format that the record is evidently in, if it is not the wanted one."""
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
    return f"a raw pair of {quoted_key(keys[0])} and {quoted_key(keys[1])}" if keys else None


def _has_text_content(messages: object) -> bool:
    return isinstance(messages, list) and any(
        isinstance(each, dict) and isinstance(each.get("content"), str) for each in messages
    )


def _read_claude(record: Mapping[str, Any], problems: Problems) -> list[RoleText]:
    _check_keys(record, "", _CLAUDE_KEYS, problems)
    return _read_system(record, _text, problems) + _read_messages(record, _text, problems)


def _read_converse(record: Mapping[str, Any], problems: Problems) -> list[RoleText]:
    _check_keys(record, "", _CONVERSE_KEYS, problems)
    _check_version(record, problems)
    system = _read_system(record, _text_blocks, problems)
    return system + _read_messages(record, _text_blocks, problems)


def _read_pair(record: Mapping[str, Any], problems: Problems) -> list[RoleText]:
    _check_keys(record, "", PAIR_KEYS, problems)
    texts = [_text(record.get(key), key, problems) for key in PAIR_KEYS]
    return [(at, ROLES[at], text) for at, text in enumerate(texts) if text is not None]


_READERS: Mapping[RecordFormat, Callable[[Mapping[str, Any], Problems], list[RoleText]]] = {
    "claude-messages": _read_claude,
    "converse": _read_converse,
    "prompt-completion": _read_pair,
}


def _read_system(
    record: Mapping[str, Any], read_content: ReadText, problems: Problems
) -> list[RoleText]:
    if "system" not in record:
        return []
    text = read_content(record["system"], "system", problems)
    return [] if text is None else [(0, "system", text)]


def _check_version(record: Mapping[str, Any], problems: Problems) -> None:
    version = record.get("schemaVersion")
    if not isinstance(version, str):
        problems.error(
            "schemaVersion",
            "schema-version",
            "the schema version is missing" if version is None else f"it is {type_name(version)}",
            f'write "schemaVersion": "{SCHEMA_VERSION}"',
        )
    elif version != SCHEMA_VERSION:
        problems.warning(
            "schemaVersion",
            "schema-version",
            f"the schema version is {quoted(version)}",
            f"AWS documents {SCHEMA_VERSION} only: write that",
        )


def _read_messages(
    record: Mapping[str, Any], read_content: ReadText, problems: Problems
) -> list[RoleText]:
    messages = record.get("messages")
    if not isinstance(messages, list):
        problem = "it is missing" if "messages" not in record else f"it is {type_name(messages)}"
        problems.error("messages", "messages", problem, "give a list of messages")
        return []
    if len(messages) < MIN_MESSAGES:
        problems.error(
            "messages",
            "too-few-messages",
            f"{len(messages)} of at least {MIN_MESSAGES} messages",
            "give one of the user and one of the assistant",
        )
    _check_order([_role_of(each) for each in messages], problems)
    texts = [_read_message(each, at, read_content, problems) for at, each in enumerate(messages)]
    return [text for text in texts if text]


def _role_of(message: object) -> object:
    return message.get("role") if isinstance(message, dict) else None


def _check_order(roles: Sequence[object], problems: Problems) -> None:
    if roles and roles[0] == "assistant" and not problems.skip_full("first-role"):
        problems.error(
            "messages[0].role", "first-role", "the assistant speaks first", "begin with the user"
        )
    for at in range(1, len(roles)):
        if roles[at] == roles[at - 1] and roles[at] in ROLES:
            _add_repeat(roles, at, problems)
    if roles and roles[-1] == "user" and not problems.skip_full("last-role"):
        problems.error(
            f"messages[{len(roles) - 1}].role",
            "last-role",
            "the user speaks last",
            "end with the assistant's answer",
        )


def _add_repeat(roles: Sequence[object], at: int, problems: Problems) -> None:
    if not problems.skip_full("role-repeats"):
        problems.error(
            f"messages[{at}].role",
            "role-repeats",
            f"two messages of the {roles[at]} follow each other",
            "make user and assistant alternate: merge the two, or add the missing one",
        )


def _read_message(
    message: object, at: int, read_content: ReadText, problems: Problems
) -> RoleText | None:
    path = f"messages[{at}]"
    if not isinstance(message, dict):
        if not problems.skip_full("message"):
            problems.error(
                path, "message", f"it is {type_name(message)}", 'give {"role": …, "content": …}'
            )
        return None
    _check_keys(message, path, _MESSAGE_KEYS, problems)
    role = message.get("role")
    if role not in ROLES and not problems.skip_full("role"):
        _add_role(message, path, problems)
    text = read_content(message.get("content"), f"{path}.content", problems)
    return (at, role, text) if role in ROLES and text is not None else None


def _add_role(message: Mapping[str, Any], path: str, problems: Problems) -> None:
    problem = (
        f"the role is {quoted(message['role'])}" if "role" in message else "the role is missing"
    )
    problems.error(f"{path}.role", "role", problem, "write user or assistant")


def _text(value: object, path: str, problems: Problems) -> str | None:
    if not isinstance(value, str):
        if not problems.skip_full("not-text"):
            problem = "it is missing or null" if value is None else f"it is {type_name(value)}"
            problems.error(path, "not-text", problem, "give text")
        return None
    if not is_visible(value):
        if not problems.skip_full("empty"):
            problems.error(
                path, "empty", "the text is empty or blank", "fill it, or drop the record"
            )
        return None
    if not problems.encodable and _has_lone_surrogate(value):
        problems.error(
            path,
            "lone-surrogate",
            "the text contains a lone surrogate, which is not a character",
            "repair or remove the escape \\ud8xx…\\udfxx",
        )
        return None
    return value


def _text_blocks(value: object, path: str, problems: Problems) -> str | None:
    if not isinstance(value, list):
        problem = "it is missing or null" if value is None else f"it is {type_name(value)}"
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
        problems.error(path, "content-block", f"it is {type_name(block)}", 'give {"text": …}')
        return None
    _check_keys(block, path, _BLOCK_KEYS, problems)
    return _text(block.get("text"), f"{path}.text", problems)


def _check_keys(
    value: Mapping[str, Any], path: str, known: Sequence[str], problems: Problems
) -> None:
    for key in value:
        if key not in known and not problems.skip_full("unknown-key"):
            guess = nearest(key[:_GUESSED_CHARACTERS], known)
            problems.error(
                f"{path}.{quoted_key(key)}".removeprefix("."),
                "unknown-key",
                f"the format does not have this key, only {', '.join(known)}",
                f"rename it to {guess}, or remove it" if guess else "remove it",
            )


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
    if group.documented and problems.skip_full("reserved-word"):
        return
    add = problems.error if group.documented else problems.warning
    reason = "a word of the model's own prompts" if group.documented else "refused by AWS's checker"
    add(path, "reserved-word", f"the text contains {quoted(word)}, {reason}", "rephrase it")


def read_example(record: Mapping[str, Any], problems: Problems) -> EvaluationExample | None:
    """Read an evaluation record; None if a required part is missing."""
    if "messages" in record:
        problems.error(
            "",
            "wrong-format",
            "the record is a training record, not an evaluation example",
            'give {"id": …, "question": …, "reference_answer": …}',
        )
        return None
    _check_keys(record, "", _EXAMPLE_KEYS, problems)
    required = (_text(record.get(key), key, problems) for key in _EXAMPLE_KEYS[:3])
    identity, question, reference = required
    topic = record.get("topic")
    if topic is not None:
        topic = _text(topic, "topic", problems)
    if identity is None or question is None or reference is None:
        return None
    return EvaluationExample(identity, question, reference, topic)


def _has_lone_surrogate(text: str) -> bool:
    if text.isascii():
        return False
    # Encoding fails on nothing else, and is the fastest test.
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False
