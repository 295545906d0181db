r"""From a line's bytes to its JSON value: one parse, which also tells whether a key stands twice.

Two parsers take turns, for each is far faster than the other on its lines. jiter sees repeated keys
itself, so that its value is all that the line says. orjson is three times as fast on texts that are
all escapes (\u3042), but keeps one of two equal keys and says nothing: `quotes` proves that there
are none. Either is right on any line, and refuses half surrogates.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jiter
import orjson


class Parser(NamedTuple):
    """How lines are parsed."""

    load: Callable[[bytes], object]  # raises ValueError
    sees_all: bool  # whether what it takes is all that the line says


class Parsed(NamedTuple):
    value: object  # or the ValueError that the line has none
    is_all: bool  # whether it surely is all that the line says


PARSER = Parser(
    partial(jiter.from_json, allow_inf_nan=False, cache_mode="keys", catch_duplicate_keys=True),
    sees_all=True,
)
PARSER_OF_ESCAPES = Parser(orjson.loads, sees_all=False)

_SAMPLE_BYTES = 4096
_BYTES_PER_ESCAPE = 24  # where an escape stands more often, orjson is faster


def parser_of(block: bytes | bytearray, start: int, stop: int) -> Parser:
    """Return what parses the lines of a block fast, judged by a sample from its middle."""
    middle = (start + stop) // 2
    sample = block[middle : min(middle + _SAMPLE_BYTES, stop)]
    many = sample.count(b"\\u") * _BYTES_PER_ESCAPE > len(sample)
    return PARSER_OF_ESCAPES if many else PARSER


def parse(parser: Parser, line: bytes) -> Parsed:
    try:
        return Parsed(parser.load(line), parser.sees_all)
    except ValueError as error:
        return Parsed(error.with_traceback(None), is_all=False)  # a traceback would hold the line
