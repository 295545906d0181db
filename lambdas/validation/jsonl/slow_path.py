"""Lines that the short way did not pass: the parsed value is used again where it can be trusted.

A second parse, which sees keys that stand twice and half surrogates, costs more than everything
else. It is made only where the first could have hidden something, or to say where JSON breaks off.
"""

from __future__ import annotations

from typing import Any

import orjson

from lambdas.validation.jsonl import lines
from lambdas.validation.jsonl.duplicate_keys import is_whole, strings_in
from lambdas.validation.jsonl.problems import Problems
from lambdas.validation.jsonl.values import Parsed, parse, parser_of

# What the parsers say of text that no JSON parser reads.
_SYNTAX = (
    # orjson, which looks at the line's encoding first
    "unexpected character",
    "unexpected content",
    "unexpected control character",
    "unexpected end of data",
    "invalid escaped sequence",
    "invalid literal",
    "trailing comma",
    # jiter
    "EOF while parsing",
    "control character",
    "expected",
    "invalid escape ",
    "invalid number",
    "key must be a string",
    "trailing characters",
)


def read_odd(line: bytes, parsed: Parsed, number: int, problems: Problems) -> dict[str, Any] | None:
    """Return the object of the line, which is given parsed, as `parse_line` does."""
    value, is_all = parsed
    if isinstance(value, ValueError):
        if not _is_syntax(line, value):
            return lines.parse_line(line, number, problems)
        _add_return(line, problems)
        if not problems.skip_full("not-json"):
            lines.add_not_json(problems, _why(line, value))
        return None
    if not isinstance(value, dict) or not (is_all or is_whole(line, value, strings_in(value))):
        return lines.parse_line(line, number, problems)
    _add_return(line, problems)
    problems.encodable = True  # both parsers refuse what is not; `parse_line` takes it
    return value


def _is_syntax(line: bytes, error: ValueError) -> bool:
    """Say whether the error surely means that the line, of right encoding, is no JSON."""
    if line[:1] != b"{" or not str(error).startswith(_SYNTAX):
        return False  # it may begin with a byte order mark, or be blank
    return isinstance(error, orjson.JSONDecodeError) or _is_utf_8(line)


def _why(line: bytes, error: ValueError) -> str:
    """Say where JSON breaks off, in the same words whatever lines stood around this one."""
    own = parser_of(line, 0, len(line))
    if own.sees_all == isinstance(error, orjson.JSONDecodeError):
        other, _ = parse(own, line)
        error = other if isinstance(other, ValueError) else error
    what, _, place = str(error).partition(" line 1 column ")
    what = what.removesuffix(" at").removesuffix(":")
    return f"the line is no JSON: {what} at character {place.partition(' ')[0]}"


def _is_utf_8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


def _add_return(line: bytes, problems: Problems) -> None:
    if b"\r" in line:
        lines.add_carriage_return(problems)
