"""However large a file or a line is, a check holds no more of it than its buffers."""

from __future__ import annotations

import json
import tracemalloc
from dataclasses import dataclass

import pytest

from lambdas.validation.check import Options, check
from lambdas.validation.formats.conversation import make_record
from tests.models import CLAUDE_3_HAIKU

pytestmark = pytest.mark.slow

MIB = 1024**2
RECORD = make_record(CLAUDE_3_HAIKU.record_format, None, "What is it? " * 80, "It is this. " * 800)
LINES = (json.dumps(RECORD) + "\n").encode() * 20


@dataclass(frozen=True)
class RepeatedSource:
    """A file that is never held: one block, again and again."""

    block: bytes
    size_bytes: int
    name: str = "training.jsonl"

    def read(self, start: int, stop: int) -> bytes:
        begin, size = start % len(self.block), stop - start
        return (self.block * (2 + size // len(self.block)))[begin : begin + size]


def peak_bytes(block: bytes, size_bytes: int) -> int:
    source = RepeatedSource(block, size_bytes // len(block) * len(block))
    tracemalloc.start()
    try:
        check(CLAUDE_3_HAIKU, source, options=Options(warnings=False))
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_the_file() -> None:
    small = peak_bytes(LINES, 16 * MIB)
    assert peak_bytes(LINES, 128 * MIB) < small + MIB


def test_a_line_without_end_is_not_held() -> None:
    small = peak_bytes(b"x" * MIB, 16 * MIB)
    assert peak_bytes(b"x" * MIB, 128 * MIB) < small + MIB
