r"""Proves by counting quotes that no object in a line has a duplicate key.

Parsers silently keep one of two equal keys. But a dropped key and its value are strings of the line
that the parsed value lacks, and every string has two quotes. Counting quotes is cheap; a second
parse would cost more than all other rules.

A quote after a backslash is taken as part of a text. It may instead end a text whose last character
is a backslash: then uniqueness is not proven, but nothing is wrongly proven either.
"""

from __future__ import annotations

import re

import orjson

from lambdas.validation.jsonl.lines import MAX_DEPTH

_QUOTE = b'"'
_LONG_BYTES, _FEW_QUOTES = 4096, 64  # where searching for each quote is faster
_UNESCAPED = re.compile(rb'"(?<!\\")')


def _has_quotes(line: bytes, count: int) -> bool:
    """Return whether the line has exactly `count` quotes.

    If these are two for each string of its value, no string contains a quote and none was dropped.
    """
    if len(line) < _LONG_BYTES or count > _FEW_QUOTES:
        return line.count(_QUOTE) == count
    at = -1
    for _ in range(count):
        at = line.find(_QUOTE, at + 1)
        if at < 0:
            return False
    return line.find(_QUOTE, at + 1) < 0


def has_unique_keys(line: bytes, value: object, strings: int | None) -> bool:
    """Return whether `value`, parsed from the line, is proven to hold all of the line.

    `strings` is the result of `count_strings(value)`.
    """
    if strings is None:
        return False
    if _has_quotes(line, 2 * strings):
        return True
    try:
        written = orjson.dumps(value)
    except orjson.JSONEncodeError:
        return False
    return len(_UNESCAPED.findall(line)) == len(_UNESCAPED.findall(written))


def count_strings(value: object) -> int | None:
    """Count keys and texts; None if the value may differ from its line or is nested too deeply.

    orjson reads integers beyond 64 bits as floats, and writes at most `MAX_DEPTH` levels.
    """
    count, level = 0, [value]
    for _ in range(MAX_DEPTH):
        below: list[object] = []
        for each in level:
            if isinstance(each, str):
                count += 1
            elif isinstance(each, dict):
                count += len(each)
                below += each.values()
            elif isinstance(each, list):
                below += each
            elif isinstance(each, float):
                return None  # may have been an integer beyond 64 bits
        if not below:
            return count
        level = below
    return None
