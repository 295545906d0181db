"""What is wrong with a dataset, told slowly and plainly: the oracle that the validator is held to.

It reads whole files into memory, parses every line with `json` and applies one rule after the
other. It shares no reading code with the validator, only figures and names: limits and words,
which keys make a raw pair, how odd keys are written in a finding's field, and token estimates.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal, NamedTuple

from lambdas.domain.models.model import Model
from lambdas.validation.formats.pairs import pair_keys
from lambdas.validation.formats.tokens import estimate, family_of
from lambdas.validation.jsonl.display import quoted_key
from lambdas.validation.jsonl.lines import MAX_DEPTH, MAX_LINE_BYTES

Kind = Literal["training", "validation", "evaluation"]
MAX_DIGITS = 4300
MAX_EVALUATION_BYTES = 64 * 1024 * 1024
MAX_ID_CHARACTERS = 128
WIDE_STARTS = [
    "\ufeff".encode("utf-16-le"),
    "\ufeff".encode("utf-16-be"),
    "\ufeff".encode("utf-32-le"),
    "\ufeff".encode("utf-32-be"),
    "{".encode("utf-16-le"),
    "{".encode("utf-16-be"),
    "{".encode("utf-32-le"),
    "{".encode("utf-32-be"),
]


class Found(NamedTuple):
    """One finding without its wording; line 0 stands for the whole file."""

    file: Kind
    line: int
    field: str
    code: str
    severity: str = "error"


@dataclass
class Told:
    """All that the reference says of a dataset."""

    found: list[Found] = field(default_factory=list)
    lines: dict[Kind, int] = field(default_factory=dict)
    records: dict[Kind, int] = field(default_factory=dict)

    @property
    def all_read(self) -> bool:
        """Say whether neither training nor validation was given up before its first line."""
        given_up = {each.file for each in self.found if each.code in {"file-too-large", "utf-16"}}
        return given_up <= {"evaluation"}

    @property
    def valid(self) -> bool:
        return all(each.severity != "error" for each in self.found)


def judge(
    model: Model, files: Mapping[Kind, bytes], *, max_line_bytes: int = MAX_LINE_BYTES
) -> Told:
    """Apply every rule to the files, which come in the order training, validation, evaluation."""
    told = Told()
    for kind, content in files.items():
        told.found += _whole_file(model, kind, content, told, max_line_bytes)
    told.found += _totals(model, told)
    return told


def _whole_file(
    model: Model, kind: Kind, content: bytes, told: Told, max_line_bytes: int
) -> Iterator[Found]:
    told.lines[kind] = told.records[kind] = 0
    if len(content) > _most_bytes(model, kind):
        yield Found(kind, 0, "", "file-too-large")
        return
    if any(content.startswith(each) for each in WIDE_STARTS):
        yield Found(kind, 1, "", "utf-16")
        return
    crlf_line = 0
    ids: dict[str, int] = {}
    for number, whole_line in enumerate(lines_of(content), start=1):
        line = whole_line.removesuffix(b"\r")
        told.lines[kind] += 1
        if line != whole_line and line.strip() and len(line) <= max_line_bytes and not crlf_line:
            crlf_line = number
        problems = list(_line(model, kind, line, number, ids, max_line_bytes))
        told.records[kind] += all(code != "blank-line" for _, code, _ in problems)
        for path, code, severity in problems:
            yield Found(kind, number, path, code, severity)
    if crlf_line:
        yield Found(kind, crlf_line, "", "crlf", "warning")
    yield from _counts(model, kind, told.records[kind])


def lines_of(content: bytes) -> list[bytes]:
    """Only a line feed ends a line; one at the end of the file begins no further line."""
    parts = content.split(b"\n")
    return parts[:-1] if parts[-1] == b"" else parts


def _most_bytes(model: Model, kind: Kind) -> float:
    limit = {
        "training": model.limits.max_training_bytes,
        "validation": model.limits.max_validation_bytes,
        "evaluation": MAX_EVALUATION_BYTES,
    }[kind]
    return float("inf") if limit is None else limit


def _counts(model: Model, kind: Kind, records: int) -> Iterator[Found]:
    least = {
        "training": model.limits.min_training_records,
        "validation": model.limits.min_validation_records,
        "evaluation": 1,
    }[kind]
    most = {
        "training": model.limits.max_training_records,
        "validation": model.limits.max_validation_records,
        "evaluation": None,
    }[kind]
    if records < least and most != 0:
        yield Found(kind, 0, "", "too-few-records")
    if most == 0 or (most is not None and records > most):
        yield Found(kind, 0, "", "too-many-records")


def _totals(model: Model, told: Told) -> Iterator[Found]:
    total = told.records.get("training", 0) + told.records.get("validation", 0)
    least, most = model.limits.min_total_records, model.limits.max_total_records
    if most is not None and total > most:
        yield Found("training", 0, "", "too-many-records")
    if least is not None and total < least and told.all_read:
        yield Found("training", 0, "", "too-few-records")


Problem = tuple[str, str, str]  # field, code, severity


def _line(  # noqa: PLR0913, PLR0917  # what a line is judged by
    model: Model, kind: Kind, line: bytes, number: int, ids: dict[str, int], max_line_bytes: int
) -> Iterator[Problem]:
    if len(line) > max_line_bytes:
        yield "", "line-too-long", "error"
        return
    if number == 1 and line.startswith(b"\xef\xbb\xbf"):
        yield "", "byte-order-mark", "error"
        line = line[3:]
    try:
        text = line.decode("utf-8", errors="strict")
    except UnicodeDecodeError:
        yield "", "not-utf-8", "error"
        return
    if text.strip() == "":
        yield "", "blank-line", "error"
        return
    if "\r" in text:
        yield "", "carriage-return", "error"
    yield from _json(model, kind, text, number, ids)


def _json(
    model: Model, kind: Kind, text: str, number: int, ids: dict[str, int]
) -> Iterator[Problem]:
    try:
        tree = json.loads(
            text, object_pairs_hook=_Pairs, parse_int=_short_int, parse_constant=_no_json
        )
    except (ValueError, RecursionError):
        yield "", "not-json", "error"
        return
    if _depth(tree) > MAX_DEPTH:
        yield "", "not-json", "error"
        return
    for key in dict.fromkeys(_repeated_keys(tree)):
        yield quoted_key(key), "duplicate-key", "error"
    value = _plain(tree)
    if not isinstance(value, dict):
        yield "", "not-an-object", "error"
    elif kind == "evaluation":
        yield from _example(value, number, ids)
    else:
        yield from _record(model, value)


class _Pairs(list[tuple[str, Any]]):
    """A JSON object with all its keys, those included that stand twice."""


def _short_int(digits: str) -> int:
    if len(digits.lstrip("-")) > MAX_DIGITS:
        raise ValueError("too many digits")
    return 0  # no rule asks which number it is


def _no_json(constant: str) -> None:
    raise ValueError(constant)


def _children(tree: object) -> list[Any]:
    if isinstance(tree, _Pairs):
        return [value for _, value in tree]
    return tree if isinstance(tree, list) else []


def _depth(tree: object) -> int:
    depth = 0
    level = [tree]
    while level := [each for each in level if isinstance(each, list)]:
        depth += 1
        level = [child for each in level for child in _children(each)]
    return depth


def _repeated_keys(tree: object) -> list[str]:
    found = [key for each in _children(tree) for key in _repeated_keys(each)]
    if isinstance(tree, _Pairs):
        keys = [key for key, _ in tree]
        found += [key for key in keys if keys.count(key) > 1]
    return found


def _plain(tree: object) -> object:
    if isinstance(tree, _Pairs):
        return {key: _plain(value) for key, value in tree}
    return [_plain(each) for each in tree] if isinstance(tree, list) else tree


def _example(value: dict[str, Any], number: int, ids: dict[str, int]) -> Iterator[Problem]:
    if "messages" in value:
        yield "", "wrong-format", "error"
        return
    yield from _unknown_keys(value, "", {"id", "question", "reference_answer", "topic", "history"})
    needed = ("id", "question", "reference_answer")
    problems = [each for key in needed for each in _text(value.get(key), key)]
    yield from problems
    if value.get("topic") is not None:
        yield from _text(value["topic"], "topic")
    if problems:
        return
    yield from _history(value.get("history"))
    if ids.setdefault(value["id"], number) != number:
        yield "id", "duplicate-id", "error"
    if len(value["id"]) > MAX_ID_CHARACTERS:
        yield "id", "id-too-long", "error"


def _history(value: object) -> Iterator[Problem]:
    if value is None or value == []:
        return
    if not isinstance(value, list):
        yield "history", "not-a-list", "error"
        return
    yield from _turns("history", value, [], blocks=False)


def _record(model: Model, value: dict[str, Any]) -> Iterator[Problem]:
    if _is_other_format(model, value):
        yield "", "wrong-format", "error"
        return
    texts: list[tuple[str, str, str]] = []  # role, field, text of all that is readable
    yield from {
        "claude-messages": _claude,
        "converse": partial(_converse, thinks=model.trains_on_reasoning),
        "prompt-completion": _pair,
    }[model.record_format](value, texts)
    for role, path, text in texts:
        yield from _reserved(model, role, path, text)
    if any(role != "system" for role, _, _ in texts):
        tokens = estimate((text for _, _, text in texts), family_of(model))
        if tokens.least > model.limits.max_tokens_per_record:
            yield "", "too-many-tokens", "error"


def _is_other_format(model: Model, value: dict[str, Any]) -> bool:
    keys = set(value)
    is_pair = bool(keys & {"prompt", "completion"})
    if model.record_format == "prompt-completion":
        return not is_pair and ("messages" in keys or pair_keys(value) is not None)
    if "messages" not in keys:
        return pair_keys(value) is not None
    system, messages = value.get("system"), value["messages"]
    if model.record_format == "claude-messages":
        return "schemaVersion" in keys or isinstance(system, list)
    has_plain_content = isinstance(messages, list) and any(
        isinstance(each, dict) and isinstance(each.get("content"), str) for each in messages
    )
    return "schemaVersion" not in keys and (isinstance(system, str) or has_plain_content)


Texts = list[tuple[str, str, str]]


def _claude(value: dict[str, Any], texts: Texts) -> Iterator[Problem]:
    yield from _unknown_keys(value, "", {"system", "messages"})
    if "system" in value and not _is_blank(value["system"]):
        yield from _spoken("system", "system", value["system"], texts, blocks=False)
    yield from _messages(value, texts, blocks=False)


def _converse(value: dict[str, Any], texts: Texts, *, thinks: bool) -> Iterator[Problem]:
    yield from _unknown_keys(value, "", {"schemaVersion", "system", "messages"})
    version = value.get("schemaVersion")
    if not isinstance(version, str):
        yield "schemaVersion", "schema-version", "error"
    system = value.get("system")
    is_blank = isinstance(system, list) and all(
        isinstance(block, dict) and set(block) == {"text"} and _is_blank(block["text"])
        for block in system
    )
    if "system" in value and not is_blank:
        yield from _spoken("system", "system", value["system"], texts, blocks=True)
    yield from _messages(value, texts, blocks=True, thinks=thinks)


def _is_blank(value: object) -> bool:
    return isinstance(value, str) and all(map(is_invisible, value))


def _pair(value: dict[str, Any], texts: Texts) -> Iterator[Problem]:
    yield from _unknown_keys(value, "", {"prompt", "completion"})
    yield from _spoken("user", "prompt", value.get("prompt"), texts, blocks=False)
    yield from _spoken("assistant", "completion", value.get("completion"), texts, blocks=False)


def _messages(
    value: dict[str, Any], texts: Texts, *, blocks: bool, thinks: bool = False
) -> Iterator[Problem]:
    messages = value.get("messages")
    if not isinstance(messages, list):
        yield "messages", "messages", "error"
        return
    if len(messages) < 2:
        yield "messages", "too-few-messages", "error"
    yield from _turns("messages", messages, texts, blocks=blocks, thinks=thinks)


def _turns(
    key: str, messages: list[Any], texts: Texts, *, blocks: bool, thinks: bool = False
) -> Iterator[Problem]:
    roles = [each.get("role") if isinstance(each, dict) else None for each in messages]
    yield from _order(key, roles)
    for at, message in enumerate(messages):
        path = f"{key}[{at}]"
        if not isinstance(message, dict):
            yield path, "message", "error"
            continue
        yield from _unknown_keys(message, path, {"role", "content"})
        role = message.get("role")
        spoken: Texts = []
        if role != "user" and role != "assistant":  # noqa: PLR1714  # plain, for what is no text
            yield f"{path}.role", "role", "error"
        else:
            spoken = texts
        where, content = f"{path}.content", message.get("content")
        if thinks and role == "assistant" and _has_reasoning(content):
            yield from _thinking(where, content, spoken)
        else:
            yield from _spoken(str(role), where, content, spoken, blocks=blocks)


def _thinking(path: str, content: list[Any], texts: Texts) -> Iterator[Problem]:
    problems, answer = _without_reasoning(content, path)
    yield from problems
    is_whole = all(code == "unknown-key" for _, code, _ in problems)
    if answer:
        yield from _spoken("assistant", path, answer, texts if is_whole else [], blocks=True)


def _has_reasoning(content: object) -> bool:
    return isinstance(content, list) and any(map(_is_reasoning, content))


def _is_reasoning(block: object) -> bool:
    return isinstance(block, dict) and "reasoningContent" in block


def _without_reasoning(content: list[Any], path: str) -> tuple[list[Problem], list[Any]]:
    """Return what is wrong with the reasoning, and the answer with a text in its place."""
    if all(map(_is_reasoning, content)):
        return [(path, "empty", "error")], []
    problems: list[Problem] = []
    answer: list[Any] = []
    for at, block in enumerate(content):
        if not _is_reasoning(block):
            answer.append(block)
            continue
        found = [*_unknown_keys(block, f"{path}[{at}]", {"reasoningContent"})]
        where, inner = f"{path}[{at}].reasoningContent", block["reasoningContent"]
        for key in ("reasoningText", "text"):
            if not isinstance(inner, dict):
                found.append((where, "content-block", "error"))
                break
            found += _unknown_keys(inner, where, {key})
            where, inner = f"{where}.{key}", inner.get(key)
        else:
            found += _text(inner, where)
        problems += found
        answer.append({"text": "unreadable" if list(_text(inner, "")) else inner})
    return problems, answer


def _order(key: str, roles: list[object]) -> Iterator[Problem]:
    if roles and roles[0] == "assistant":
        yield f"{key}[0].role", "first-role", "error"
    if roles and roles[-1] == "user":
        yield f"{key}[{len(roles) - 1}].role", "last-role", "error"
    for at in range(1, len(roles)):
        if roles[at] == roles[at - 1] and roles[at] in ("user", "assistant"):
            yield f"{key}[{at}].role", "role-repeats", "error"


def _spoken(
    role: str, path: str, value: object, texts: Texts, *, blocks: bool
) -> Iterator[Problem]:
    problems = list(_blocks(value, path) if blocks else _text(value, path))
    yield from problems
    if any(code != "unknown-key" for _, code, _ in problems):
        return
    if isinstance(value, list) and not all("text" in each for each in value):
        return  # other content stands in place of a text
    text = "\n".join(each["text"] for each in value) if isinstance(value, list) else value
    texts.append((role, path, str(text)))


def _blocks(value: object, path: str) -> Iterator[Problem]:
    if not isinstance(value, list):
        yield path, "not-a-list", "error"
    elif not value:
        yield path, "empty", "error"
    else:
        for at, block in enumerate(value):
            yield from _block(block, f"{path}[{at}]")


def _block(block: object, path: str) -> Iterator[Problem]:
    if not isinstance(block, dict):
        yield path, "content-block", "error"
        return
    yield from _unknown_keys(block, path, {"text"})
    if "text" not in block and OTHER_CONTENT & set(block):
        return
    yield from _text(block.get("text"), f"{path}.text")


OTHER_CONTENT = {
    *("audio", "document", "image", "reasoningContent"),
    *("searchResult", "toolResult", "toolUse", "video"),
}


def _text(value: object, path: str) -> Iterator[Problem]:
    if not isinstance(value, str):
        yield path, "not-text", "error"
    elif all(is_invisible(character) for character in value):
        yield path, "empty", "error"
    elif any(unicodedata.category(character) == "Cs" for character in value):
        yield path, "lone-surrogate", "error"


# Letters and marks by category, yet blank: grapheme joiner, Hangul fillers, Khmer inherent vowels,
# Mongolian variation selectors, the empty braille cell; and all variation selectors.
BLANK_LETTERS = set(
    "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0"
) | set(map(chr, [*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)]))


def is_invisible(character: str) -> bool:
    """Say whether a character shows nothing: a blank, a control, a format, or blank by its use."""
    return (
        unicodedata.category(character) in {"Cc", "Cf", "Zs", "Zl", "Zp"}
        or character in BLANK_LETTERS
    )


def _unknown_keys(value: dict[str, Any], path: str, known: set[str]) -> Iterator[Problem]:
    for key in value:
        if key not in known:
            yield f"{path}.{quoted_key(key)}".removeprefix("."), "unknown-key", "error"


def _reserved(model: Model, role: str, path: str, text: str) -> Iterator[Problem]:
    words = {
        documented: {
            word
            for group in model.reserved
            if group.documented is documented and role in group.roles
            for word in group.words
            if (word in text if documented else word.lower() in text.lower())
        }
        for documented in (True, False)
    }
    for _ in words[True]:
        yield path, "reserved-word", "error"
    documented_words = {word.lower() for word in words[True]}
    for _ in {word.lower() for word in words[False]} - documented_words:
        yield path, "reserved-word", "warning"
