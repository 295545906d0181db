"""Reads a parsed object as a record of the model's format and reports its findings.

Three formats train models. `claude-messages`: {"system": text, "messages": [{"role", "content":
text}]}. `converse`: {"schemaVersion", "system": [{"text"}], "messages": [{"role", "content":
[{"text"}]}]}, and before an answer's text, for models that train on it, its reasoning.
`prompt-completion`: {"prompt", "completion"}. A fourth, of this project, holds
evaluation examples: {"id", "question", "reference_answer", "topic", "history": [{"role",
"content"}]}. Nothing here raises.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import pairwise
from typing import Any, Literal

from lambdas.domain.models.lookup import nearest
from lambdas.domain.models.model import Model, RecordFormat, Reserved
from lambdas.validation.formats.conversation import (
    ASKED,
    MIN_MESSAGES,
    PAIR_KEYS,
    ROLES,
    Conversation,
    EvaluationExample,
    FileKind,
    Role,
    Turn,
)
from lambdas.validation.formats.pairs import pair_keys
from lambdas.validation.formats.visible import is_visible
from lambdas.validation.jsonl.codes import CODES
from lambdas.validation.jsonl.display import quoted, quoted_key, type_name
from lambdas.validation.jsonl.findings import Finding, Findings

_CLAUDE_KEYS = ("system", "messages")
_CONVERSE_KEYS = ("schemaVersion", "system", "messages")
_MESSAGE_KEYS = ("role", "content")
_BLOCK_KEYS = ("text",)
_REASONING = "reasoningContent"
_REASONING_KEYS = (_REASONING, "reasoningText", "text")
# Converse's other content blocks:
# https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ContentBlock.html,
# read 2026-11-28.
_OTHER_CONTENT = frozenset(
    {"audio", "document", "image", "searchResult", "toolResult", "toolUse", "video", _REASONING}
)
_SYSTEM_ROLES = ("system", "developer")
_EXAMPLE_KEYS = ("id", "question", "reference_answer", "topic", "history")
MAX_ID_CHARACTERS = 128
_GUESSED_CHARACTERS = 60  # of a key that are compared with known keys

# One readable text of a record: its field, who says it, text.
RoleText = tuple[str, Role | Literal["system"], str]
ReadText = Callable[[object, str, Findings], str | None]


def read_record(
    record: Mapping[str, Any], kind: FileKind, model: Model, findings: Findings
) -> Conversation | None:
    """Read a record of a file of any kind; None without a readable turn."""
    if kind not in ASKED:
        return read_conversation(record, model, findings)
    example = read_example(record, findings)
    return example.conversation if example else None


def read_conversation(
    record: Mapping[str, Any], model: Model, findings: Findings
) -> Conversation | None:
    """Read a training or validation record in the model's format; None without a readable turn."""
    other = _other_format(record, model.record_format)
    if other:
        message = f"the record is {other}, not in the {model.record_format} format of {model.name}"
        fix = f"convert the data: python -m dataset prepare --model {model.key} SOURCE OUT"
        findings.tell("wrong-format", "", message, fix)
        return None
    is_pair = model.record_format == "prompt-completion"
    texts = (_read_pair if is_pair else _read_chat)(record, model, findings)
    for path, role, text in texts:
        _check_words(text, role, path, model.reserved, findings)
    system = next((text for _, role, text in texts if role == "system"), None)
    turns = tuple(Turn(role, text) for _, role, text in texts if role != "system")
    return Conversation(system, turns, PAIR_KEYS if is_pair else ()) if turns else None


def _other_format(record: Mapping[str, Any], wanted: RecordFormat) -> str | None:
    """Name the format that the record is evidently in, if it is not the wanted one."""
    if wanted == "prompt-completion" and not record.keys().isdisjoint(PAIR_KEYS):
        return None
    if "messages" not in record:
        keys = pair_keys(record)
        return f"a raw pair of {quoted_key(keys[0])} and {quoted_key(keys[1])}" if keys else None
    if wanted == "prompt-completion":
        return "a list of messages"
    if wanted == "claude-messages":
        converse = "schemaVersion" in record or isinstance(record.get("system"), list)
        return "in the converse format" if converse else None
    if "schemaVersion" in record:
        return None
    messages = record["messages"] if isinstance(record["messages"], list) else []
    contents = [each.get("content") for each in messages if isinstance(each, dict)]
    is_claude = any(isinstance(each, str) for each in (record.get("system"), *contents))
    return "in the claude-messages format" if is_claude else None


def _read_pair(record: Mapping[str, Any], _: Model, findings: Findings) -> list[RoleText]:
    _check_keys(record, "", PAIR_KEYS, findings)
    texts = [_text(record.get(key), key, findings) for key in PAIR_KEYS]
    said = zip(PAIR_KEYS, ROLES, texts, strict=True)
    return [(key, role, text) for key, role, text in said if text is not None]


def _read_chat(record: Mapping[str, Any], model: Model, findings: Findings) -> list[RoleText]:
    """Read messages, and a system prompt: texts, or blocks of text and a version."""
    is_converse = model.record_format == "converse"
    _check_keys(record, "", _CONVERSE_KEYS if is_converse else _CLAUDE_KEYS, findings)
    version = record.get("schemaVersion")
    if is_converse and not isinstance(version, str):
        findings.tell("schema-version", "schemaVersion", _what_it_is(version))
    answer = partial(_text_blocks, may_reason=model.trains_on_reasoning)
    blocks: dict[Role, ReadText] = {"user": _text_blocks, "assistant": answer}
    reads = blocks if is_converse else _TEXTS
    return _read_system(record, reads["user"], findings) + _read_messages(record, reads, findings)


def _read_system(
    record: Mapping[str, Any], read_content: ReadText, findings: Findings
) -> list[RoleText]:
    if "system" not in record or _is_no_prompt(record["system"], read_content):
        return []
    text = read_content(record["system"], "system", findings)
    return [] if text is None else [("system", "system", text)]


def _is_no_prompt(system: object, read_content: ReadText) -> bool:
    """Return whether a system prompt of the format's type says nothing: there is none then."""
    blocks = [{"text": system}] if read_content is _text else system
    return isinstance(blocks, list) and all(
        isinstance(block, dict)
        and tuple(block) == _BLOCK_KEYS
        and isinstance(block["text"], str)
        and not is_visible(block["text"])
        for block in blocks
    )


def _read_messages(
    record: Mapping[str, Any], reads: Mapping[Role, ReadText], findings: Findings
) -> list[RoleText]:
    messages = record.get("messages")
    if not isinstance(messages, list):
        findings.tell("messages", "messages", _what_it_is(messages))
        return []
    if len(messages) < MIN_MESSAGES:
        message = f"{len(messages)} of at least {MIN_MESSAGES} messages"
        findings.tell("too-few-messages", "messages", message)
    return _read_turns("messages", messages, reads, findings)


def _read_turns(
    key: str, messages: Sequence[object], reads: Mapping[Role, ReadText], findings: Findings
) -> list[RoleText]:
    """Read messages that have to be of user and assistant by turns."""
    roles = [each.get("role") if isinstance(each, dict) else None for each in messages]
    if roles and roles[0] == "assistant":
        findings.tell("first-role", f"{key}[0].role")
    for at, (role, next_role) in enumerate(pairwise(roles), start=1):
        if role == next_role and role in ROLES:
            findings.tell("role-repeats", f"{key}[{at}].role")
    if roles and roles[-1] == "user":
        findings.tell("last-role", f"{key}[{len(roles) - 1}].role")
    texts = [_read_message(key, each, at, reads, findings) for at, each in enumerate(messages)]
    return [text for text in texts if text]


def _read_message(
    key: str, message: object, at: int, reads: Mapping[Role, ReadText], findings: Findings
) -> RoleText | None:
    path = f"{key}[{at}]"
    if not isinstance(message, dict):
        findings.tell("message", path, f"it is {type_name(message)}")
        return None
    _check_keys(message, path, _MESSAGE_KEYS, findings)
    role = message.get("role")
    if role not in ROLES:
        problem = f"the role is {quoted(role)}" if "role" in message else "the role is missing"
        moved = "python -m dataset prepare moves it to the key system"
        findings.tell("role", f"{path}.role", problem, moved if role in _SYSTEM_ROLES else "")
    read_content = reads[role if role in ROLES else "user"]
    content = f"{path}.content"
    text = read_content(message.get("content"), content, findings)
    return (content, role, text) if role in ROLES and text is not None else None


def _text(value: object, path: str, findings: Findings) -> str | None:
    if not isinstance(value, str):
        joined = "give text: python -m dataset prepare joins the texts of a list"
        fix = joined if isinstance(value, list) else ""
        findings.tell("not-text", path, _what_it_is(value), fix)
        return None
    if not is_visible(value):
        findings.tell("empty", path, "the text is empty or blank")
        return None
    try:
        value.encode()  # fails on nothing else
    except UnicodeEncodeError:
        findings.tell("lone-surrogate", path)
        return None
    return value


def _what_it_is(value: object) -> str:
    return "it is missing or null" if value is None else f"it is {type_name(value)}"


_TEXTS: Mapping[Role, ReadText] = dict.fromkeys(ROLES, _text)


def _text_blocks(
    value: object, path: str, findings: Findings, *, may_reason: bool = False
) -> str | None:
    """Read blocks of text and, of an answer, the reasoning that the model is trained on as well."""
    if not isinstance(value, list):
        findings.tell("not-a-list", path, _what_it_is(value))
        return None
    if not value:
        findings.tell("empty", path, "the list is empty", CODES["not-a-list"].fix)
        return None
    thoughts = [may_reason and isinstance(each, dict) and _REASONING in each for each in value]
    if all(thoughts):
        findings.tell("empty", path, "there is reasoning without an answer", 'add {"text": …}')
        return None
    texts = [
        _text_in(each, f"{path}[{at}]", _REASONING_KEYS if is_thought else _BLOCK_KEYS, findings)
        for at, (each, is_thought) in enumerate(zip(value, thoughts, strict=True))
    ]
    whole = [text for text in texts if text is not None]
    return "\n".join(whole) if len(whole) == len(texts) else None


def _text_in(block: object, path: str, keys: Sequence[str], findings: Findings) -> str | None:
    """Read the text that a block has under keys, each within the one before and alone there."""
    value = block
    for key in keys:
        if not isinstance(value, dict):
            findings.tell("content-block", path, f"it is {type_name(value)}")
            return None
        _check_keys(value, path, (key,), findings)
        if value is block and key not in value and not _OTHER_CONTENT.isdisjoint(value):
            return None  # said already
        value, path = value.get(key), f"{path}.{key}"
    return _text(value, path, findings)


def _check_keys(
    value: Mapping[str, Any], path: str, known: Sequence[str], findings: Findings
) -> None:
    for key in value:
        if known == _BLOCK_KEYS and key in _OTHER_CONTENT:
            problem, fix = "this project trains text only", "remove the block, or the record"
            if key == _REASONING:
                problem = "only the answers of a model that trains on reasoning have it"
                fix = "python -m dataset prepare --no-reasoning leaves it out"
            findings.tell("unknown-key", f"{path}.{key}", problem, fix)
        elif key not in known:
            # Guessing takes far longer than everything else about a key.
            is_guessed = not findings.has_enough("unknown-key")
            guess = nearest(key[:_GUESSED_CHARACTERS], known) if is_guessed else None
            findings.tell(
                "unknown-key",
                f"{path}.{quoted_key(key)}".removeprefix("."),
                f"the format does not have this key, only {', '.join(known)}",
                f"rename it to {guess}, or remove it" if guess else "",
            )


def _check_words(
    text: str, role: str, path: str, reserved: Sequence[Reserved], findings: Findings
) -> None:
    seen: set[str] = set()
    for group in reserved:
        is_rule = group.documented
        said = text if is_rule else text.lower()
        for word in group.words if role in group.roles else ():
            if (word if is_rule else word.lower()) not in said or word.lower() in seen:
                continue
            seen.add(word.lower())
            reason = "a word of the model's own prompts" if is_rule else "refused by AWS's checker"
            message = f"the text contains {quoted(word)}, {reason}"
            hit = Finding.of("reserved-word", path, message, file=findings.file, line=findings.line)
            findings.add(hit if is_rule else hit._replace(severity="warning"))


def read_example(record: Mapping[str, Any], findings: Findings) -> EvaluationExample | None:
    """Read an evaluation record; None if a required part is missing."""
    if "messages" in record:
        findings.tell("wrong-format", "", "it is a training record, not an evaluation example")
        return None
    _check_keys(record, "", _EXAMPLE_KEYS, findings)
    required = (_text(record.get(key), key, findings) for key in _EXAMPLE_KEYS[:3])
    identity, question, reference = required
    topic = record.get("topic")
    if topic is not None:
        topic = _text(topic, "topic", findings)
    if identity is None or question is None or reference is None:
        return None
    if len(identity) > MAX_ID_CHARACTERS:
        findings.tell("id-too-long", "id", f"{len(identity)} characters")
    return EvaluationExample(identity, question, reference, topic, _read_history(record, findings))


def _read_history(record: Mapping[str, Any], findings: Findings) -> tuple[Turn, ...]:
    """Read the turns before the question, in the form of a message each."""
    history = record.get("history")
    if not history and isinstance(history, list | None):
        return ()
    if not isinstance(history, list):
        problem, fix = f"it is {type_name(history)}", 'give a list of {"role": …, "content": …}'
        findings.tell("not-a-list", "history", problem, fix)
        return ()
    texts = _read_turns("history", history, _TEXTS, findings)
    return tuple(Turn(role, text) for _, role, text in texts if role != "system")
