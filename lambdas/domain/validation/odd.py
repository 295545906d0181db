"""Lines that the short way did not pass: the parsed value is used again where it can be trusted.

A second parse, which sees keys that stand twice and half surrogates, costs more than everything
else. It is made only where the first could have hidden something.
"""

from __future__ import annotations

from typing import Any

import orjson

from lambdas.domain.validation import lines
from lambdas.domain.validation.findings import Problems
from lambdas.domain.validation.quotes import is_whole

# What orjson says of text that no JSON parser reads; the line's encoding is right then.
_SYNTAX = (
    "unexpected character",
    "unexpected content",
    "unexpected control character",
    "unexpected end of data",
    "invalid escaped sequence",
    "invalid literal",
    "trailing comma",
)


def parsed(line: memoryview) -> object:
    """Return the line's JSON value, or the error that says why it has none."""
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError as error:
        return error.with_traceback(None)  # it would hold the block it failed in


def read_odd(line: bytes, value: object, number: int, problems: Problems) -> dict[str, Any] | None:
    """Return the object of the line, whose `parsed` value is given, as `parse_line` does."""
    if isinstance(value, orjson.JSONDecodeError):
        if line[:1] != b"{" or not value.msg.startswith(_SYNTAX):
            return lines.parse_line(line, number, problems)
        _add_return(line, problems)
        lines.add_not_json(
            problems, f"the line is no JSON: {value.msg} at character {value.pos + 1}"
        )
        return None
    if not isinstance(value, dict) or not is_whole(line, value):
        return lines.parse_line(line, number, problems)
    _add_return(line, problems)
    return value


def _add_return(line: bytes, problems: Problems) -> None:
    if b"\r" in line:
        lines.add_carriage_return(problems)
