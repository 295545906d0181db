r"""From a line's bytes to its JSON value: one parse, which also tells whether a key stands twice.

Two parsers take turns, for each is far faster than the other on its lines. jiter sees repeated keys
itself, so that its value is all that the line says. orjson is three times as fast on texts that are
all escapes (\u3042), but keeps one of two equal keys and says nothing: `quotes` proves that there
are none. Either is right on any line, and refuses half surrogates.
"""

from __future__ import annotations

from collections.abc import Callable

import jiter
import orjson

# A line's value, or the ValueError that it has none, and whether it surely is all that the line
# says.
Parsed = tuple[object, bool]
Parse = Callable[[bytes], Parsed]

_SAMPLE_BYTES = 4096
_BYTES_PER_ESCAPE = 24  # where an escape stands more often, orjson is faster
_from_json = jiter.from_json


def parser_of(block: bytes | bytearray, start: int, stop: int) -> Parse:
    """Return what parses the lines of a block fast, judged by a sample from its middle."""
    middle = (start + stop) // 2
    sample = block[middle : min(middle + _SAMPLE_BYTES, stop)]
    return parse_escaped if sample.count(b"\\u") * _BYTES_PER_ESCAPE > len(sample) else parse


def parser_of_error(error: ValueError) -> Parse:
    return parse_escaped if isinstance(error, orjson.JSONDecodeError) else parse


def parse(line: bytes) -> Parsed:
    """Parse any line."""
    try:
        value = _from_json(line, allow_inf_nan=False, cache_mode="keys", catch_duplicate_keys=True)
    except ValueError as error:
        return error.with_traceback(None), False  # a traceback would hold the line
    return value, True


def parse_escaped(line: bytes) -> Parsed:
    try:
        return orjson.loads(line), False
    except ValueError as error:
        return error.with_traceback(None), False
