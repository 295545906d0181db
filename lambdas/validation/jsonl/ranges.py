"""Reads lines by byte ranges: a line belongs to the range in which it begins.

A range is read from the byte before it to the end of its last line, so any number of processes can
read ranges in any order, and together they read each line once.
"""

from __future__ import annotations

import io
from collections.abc import Generator, Iterator
from contextlib import closing
from typing import NamedTuple

from lambdas.validation.jsonl.lines import MAX_LINE_BYTES
from lambdas.validation.jsonl.sources import DatasetSource

RANGE_BYTES = 1024**2  # a second of work with warnings: processes share small files too
BUFFER_BYTES = 512 * 1024
_TAIL_BYTES = 64 * 1024  # read beyond a range: its last line usually ends there


class ByteRange(NamedTuple):
    start: int
    stop: int


class Line(NamedTuple):
    """A line without its line feed; `start` is its place in the file."""

    start: int
    content: bytes


def split_ranges(size_bytes: int) -> list[ByteRange]:
    """Split a file into ranges; the cuts, and so the results, depend only on its size."""
    starts = range(0, size_bytes, RANGE_BYTES)
    return [ByteRange(start, min(start + RANGE_BYTES, size_bytes)) for start in starts]


def open_range(source: DatasetSource, part: ByteRange) -> io.BufferedIOBase:
    """Open a range with the byte before it and `_TAIL_BYTES` after it."""
    stop = part.stop if part.stop >= source.size_bytes else part.stop + _TAIL_BYTES
    return source.open(max(part.start - 1, 0), min(stop, source.size_bytes))


def read_lines(source: DatasetSource, part: ByteRange, head: io.BufferedIOBase) -> Iterator[Line]:
    """Yield the lines that begin in the range; `head` is its stream from `open_range`.

    A line of more than `MAX_LINE_BYTES` is cut, but stays longer than that even without a carriage
    return at its end.
    """
    most = MAX_LINE_BYTES + 2
    start = max(part.start - 1, 0)  # of the line whose beginning is `rest`
    rest, dropped = b"", 0
    with closing(_chunks(source, part, head)) as chunks:
        for chunk in chunks:
            *contents, rest = (rest + chunk).split(b"\n")
            for content in contents:
                if start >= part.start:
                    yield Line(start, content)
                start += dropped + len(content) + 1
                dropped = 0
                if start >= part.stop:
                    return
            dropped += max(0, len(rest) - most)
            rest = rest[:most]
            is_needed = start >= part.start and len(rest) < most
            if not is_needed and start + dropped + len(rest) >= part.stop:
                break
    if rest and start >= part.start:
        yield Line(start, rest)


def _chunks(
    source: DatasetSource, part: ByteRange, head: io.BufferedIOBase
) -> Generator[bytes, None, None]:
    """Yield the bytes of the range and all that follow, opened in growing steps."""
    stream, at, step = head, max(part.start - 1, 0), _TAIL_BYTES
    while True:
        with stream:
            while chunk := stream.read1(BUFFER_BYTES):
                at += len(chunk)
                yield chunk
        if at >= source.size_bytes:
            return
        stream = source.open(at, min(at + step, source.size_bytes))
        step = min(step * 4, MAX_LINE_BYTES)
