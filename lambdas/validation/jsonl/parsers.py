r"""Parses lines with jiter or orjson, whichever is faster on the lines of a block.

jiter detects duplicate keys itself. orjson is three times as fast on texts made of escapes
(\u3042), but silently keeps one of two equal keys: `duplicate_keys` proves that there are none.
Both are correct on any line, and refuse lone surrogates.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jiter
import orjson


class Parser(NamedTuple):
    """A JSON parser."""

    load: Callable[[bytes], object]  # raises ValueError
    finds_duplicate_keys: bool


JITER = Parser(
    partial(jiter.from_json, allow_inf_nan=False, cache_mode="keys", catch_duplicate_keys=True),
    finds_duplicate_keys=True,
)
ORJSON = Parser(orjson.loads, finds_duplicate_keys=False)

_SAMPLE_BYTES = 4096
_BYTES_PER_ESCAPE = 24  # with more escapes than this, orjson is faster


def fastest_parser(block: bytes | bytearray, stop: int) -> Parser:
    """Return the faster parser for the lines up to `stop`, judged by a sample from the middle."""
    middle = stop // 2
    sample = block[middle : min(middle + _SAMPLE_BYTES, stop)]
    many = sample.count(b"\\u") * _BYTES_PER_ESCAPE > len(sample)
    return ORJSON if many else JITER
