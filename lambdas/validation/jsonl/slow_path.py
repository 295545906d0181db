"""Reads the lines that the fast path did not pass, with the value already parsed if it is complete.

A second parse, which finds duplicate keys and lone surrogates, costs more than everything else. It
is made only where the first may have dropped something, or to find where the JSON is invalid.
"""

from __future__ import annotations

from typing import Any

import orjson

from lambdas.validation.jsonl import lines
from lambdas.validation.jsonl.duplicate_keys import count_strings, has_unique_keys
from lambdas.validation.jsonl.parsers import Parser, fastest_parser
from lambdas.validation.jsonl.problems import Problems

# How the parsers' messages for invalid JSON begin.
_SYNTAX = (
    # orjson, which checks the encoding first
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


def read_object(
    line: bytes, value: object, parser: Parser, number: int, problems: Problems
) -> dict[str, Any] | None:
    """Do what `parse_line` does, given what `parser` has returned or raised for the line."""
    if isinstance(value, ValueError):
        if not _is_syntax(line, value):
            return lines.parse_line(line, number, problems)
        _add_return(line, problems)
        if not problems.skip_full("not-json"):
            lines.add_not_json(problems, _why(line, value))
        return None
    if not isinstance(value, dict) or not (
        parser.finds_duplicate_keys or has_unique_keys(line, value, count_strings(value))
    ):
        return lines.parse_line(line, number, problems)
    _add_return(line, problems)
    problems.encodable = True  # both parsers refuse lone surrogates; `parse_line` does not
    return value


def _is_syntax(line: bytes, error: ValueError) -> bool:
    """Return whether the error proves that the line is UTF-8 but not JSON."""
    if line[:1] != b"{" or not str(error).startswith(_SYNTAX):
        return False  # it may have a byte order mark, or be blank
    return isinstance(error, orjson.JSONDecodeError) or _is_utf_8(line)


def _why(line: bytes, error: ValueError) -> str:
    """Say where the JSON is invalid, in the same words whichever parser the block was read by."""
    own = fastest_parser(line, len(line))
    if own.finds_duplicate_keys == isinstance(error, orjson.JSONDecodeError):
        try:
            own.load(line)
        except ValueError as other:
            error = other
    what, _, place = str(error).partition(" line 1 column ")
    what = what.removesuffix(" at").removesuffix(":")
    return f"the line is not JSON: {what} at character {place.partition(' ')[0]}"


def _is_utf_8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


def _add_return(line: bytes, problems: Problems) -> None:
    if b"\r" in line:
        lines.add_carriage_return(problems)
