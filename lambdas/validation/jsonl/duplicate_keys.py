r"""Proof, from a line's quotes alone, that no object in it holds a key twice.

Parsers keep one of two equal keys and say nothing. But a key, and what it hides, are strings of
the line that the parsed value lacks, and strings are counted by their quotes. Finding a quote is
the fastest thing there is to do with bytes; a second parse would cost more than all other rules.

A quote that a backslash stands before is taken for a part of a text. It may be the end of one that
itself ends in a backslash: then nothing is proven, but nothing wrong either.
"""

from __future__ import annotations

import re

import orjson

from lambdas.validation.jsonl.lines import MAX_DEPTH

_QUOTE = b'"'
_LONG_BYTES, _FEW_QUOTES = 4096, 64  # where finding each quote beats a scan
_UNESCAPED = re.compile(rb'"(?<!\\")')


def _has_quotes(line: bytes, count: int) -> bool:
    """Say whether the line has exactly so many quotes.

    If they are two for each string of its value, no string has one in it, and none is hidden.
    """
    if len(line) < _LONG_BYTES or count > _FEW_QUOTES:
        return line.count(_QUOTE) == count
    at = -1
    for _ in range(count):
        at = line.find(_QUOTE, at + 1)
        if at < 0:
            return False
    return line.find(_QUOTE, at + 1) < 0


def is_whole(line: bytes, value: object, strings: int | None) -> bool:
    """Say whether `value`, parsed from the line, surely holds all of it.

    It has so many `strings`; None is what `strings_in` says of values that are not to be trusted.
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


def strings_in(value: object) -> int | None:
    """Count keys and texts; None where the value may be less exact than its line, or is too deep.

    orjson makes floats of whole numbers beyond 64 bits, and writes `MAX_DEPTH` levels.
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
                return None  # maybe a whole number that was too long for the parser
        if not below:
            return count
        level = below
    return None
