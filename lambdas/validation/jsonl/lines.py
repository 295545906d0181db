"""Parses one line into an object and reports all its findings; never raises."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from lambdas.validation.jsonl.display import quoted_key, type_name
from lambdas.validation.jsonl.findings import Findings

# Many times a record of 32,000 tokens, and far below a function's memory.
MAX_LINE_BYTES = 4 * 1024**2
MAX_DEPTH = 254  # levels of nesting; a record needs five
_MAX_DIGITS = 4300  # Python's default limit, whatever its settings
_BRACKETS = re.compile(r'"(?:[^"\\]|\\.)*(?:"|\Z)|[\[{]|[\]}]')


def parse_line(line: bytes, findings: Findings, *, is_first: bool = False) -> dict[str, Any] | None:
    """Parse a line without its line end; None if it is not a JSON object.

    Only the first line of a file may have a byte order mark, with an error.
    """
    if len(line) > MAX_LINE_BYTES:
        findings.tell("line-too-long", "", f"the line is longer than {MAX_LINE_BYTES} bytes")
        return None
    if is_first and line.startswith(codecs.BOM_UTF8):
        findings.tell("byte-order-mark")
        line = line.removeprefix(codecs.BOM_UTF8)
    try:
        text = line.decode()
    except UnicodeDecodeError as error:
        message = f"byte {error.start + 1} of the line, 0x{line[error.start]:02x}, is not UTF-8"
        findings.tell("not-utf-8", "", message)
        return None
    if not text.strip():
        findings.tell("blank-line")
        return None
    if "\r" in text:
        findings.tell("carriage-return")
    return _json_object(text, findings)


def _json_object(text: str, findings: Findings) -> dict[str, Any] | None:
    try:
        value, repeated = read_json(text)
    except ValueError as error:
        findings.tell("not-json", "", _why_not_json(error))
        return None
    for key in repeated:
        findings.tell("duplicate-key", quoted_key(key), "the key occurs twice")
    if isinstance(value, dict):
        return value
    findings.tell("not-an-object", "", f"the line is {type_name(value)}")
    return None


class TooDeep(ValueError):
    """The JSON is nested so deeply that a parser could fail at it."""


def read_json(text: str, most_levels: int = MAX_DEPTH) -> tuple[Any, list[str]]:
    """Parse JSON and nothing else; return the value, and the keys that an object has twice.

    Raises
    ------
    ValueError
        It is not JSON: json.JSONDecodeError where it tells the place; NaN and infinity are none.
    """
    if _too_deep(text, most_levels):
        raise TooDeep(f"the JSON is nested more than {most_levels} levels deep")
    repeated: list[str] = []

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        value = dict(pairs)
        if len(value) != len(pairs):
            repeated.extend(repeated_keys(pairs))
        return value

    value = json.loads(
        text, object_pairs_hook=unique, parse_int=_parse_int, parse_constant=_refuse_constant
    )
    return value, [*dict.fromkeys(repeated)]


def _too_deep(text: str, most_levels: int) -> bool:
    """Return whether a recursive parser could fail at the nesting, without recursion."""
    if text.count("[") + text.count("{") <= most_levels:
        return False
    depth = 0
    for token in _BRACKETS.finditer(text):
        first = token[0][0]
        depth += (first in "[{") - (first in "]}")
        if depth > most_levels:
            return True
    return False


def repeated_keys(pairs: Sequence[tuple[str, Any]]) -> Iterator[str]:
    seen: set[str] = set()
    for key, _ in pairs:
        if key in seen:
            yield key
        seen.add(key)


def _parse_int(digits: str) -> int:
    if len(digits) > _MAX_DIGITS:
        raise ValueError(f"a number has {len(digits)} digits")
    return int(digits)


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


def _why_not_json(error: ValueError) -> str:
    if isinstance(error, TooDeep):
        return str(error)
    if isinstance(error, json.JSONDecodeError):
        reason = error.msg.removesuffix(" at")
        return f"the line is not JSON: {reason} at character {error.colno}"
    return f"the line is not JSON: {error}"
