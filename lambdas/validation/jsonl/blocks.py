"""Reads lines by byte ranges: a line belongs to the range in which it begins.

A range is read from the byte before it to the end of its last line, so any number of processes can
read ranges in any order, and together they read each line once.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import NamedTuple

from lambdas.validation.jsonl.lines import MAX_LINE_BYTES
from lambdas.validation.jsonl.sources import DatasetSource

RANGE_BYTES = 8 * 1024**2
BUFFER_BYTES = 512 * 1024  # fits the L2 cache
_TAIL_BYTES = 64 * 1024  # read beyond a range: its last line usually ends there
_NEWLINE = b"\n"


class ByteRange(NamedTuple):
    start: int
    stop: int


class Block(NamedTuple):
    """Whole lines in a buffer, up to `end`; `offset` is the buffer's place in the file.

    Every line ends in a line feed, including the last of the file.
    """

    buffer: bytearray
    end: int
    offset: int


def split_ranges(size_bytes: int) -> list[ByteRange]:
    """Split a file into ranges; the cuts, and so the results, depend only on its size."""
    starts = range(0, size_bytes, RANGE_BYTES)
    return [ByteRange(start, min(start + RANGE_BYTES, size_bytes)) for start in starts]


def open_range(source: DatasetSource, part: ByteRange) -> io.BufferedIOBase:
    """Open a range with the byte before it and `_TAIL_BYTES` after it."""
    stop = part.stop if part.stop >= source.size_bytes else part.stop + _TAIL_BYTES
    return source.open(max(part.start - 1, 0), min(stop, source.size_bytes))


class LineReader:
    """Reads the lines that begin in one range."""

    def __init__(self, source: DatasetSource, part: ByteRange, head: io.BufferedIOBase) -> None:
        self._source, self._part = source, part
        self._stream = head
        self._buffer = bytearray(BUFFER_BYTES)
        self._filled = 0
        self._offset = max(part.start - 1, 0)  # in the file, of the buffer's first byte
        self._next_bytes = _TAIL_BYTES

    def blocks(self) -> Iterator[Block | None]:
        """Yield blocks in order, each valid until the next; None is a line that is too long."""
        try:
            if self._part.start and not self._skip_line():
                return
            yield from self._own_lines()
        finally:
            self._stream.close()

    def _own_lines(self) -> Iterator[Block | None]:
        while self._offset < self._part.stop:
            more = self._fill()
            end = self._last_line_end(at_end=not more)
            if end:
                yield Block(self._buffer, end, self._offset)
                self._drop(end)
            elif not more:
                return
            elif self._filled > MAX_LINE_BYTES + 1:
                yield None
                if not self._skip_line():
                    return

    def _last_line_end(self, *, at_end: bool) -> int:
        """Return where the range's last whole line in the buffer ends; 0 if there is none yet."""
        left = self._part.stop - self._offset
        if self._filled >= left:
            # The line with the range's last byte is the last one of the range.
            end = self._buffer.find(_NEWLINE, left - 1, self._filled) + 1
            if end:
                return end
        end = self._buffer.rfind(_NEWLINE, 0, min(self._filled, left)) + 1
        if at_end and not end and self._filled:
            self._buffer[self._filled :] = _NEWLINE
            self._filled = end = self._filled + 1
        return end

    def _skip_line(self) -> bool:
        """Drop everything up to the next line; return whether it begins in this range."""
        while True:
            end = self._buffer.find(_NEWLINE, 0, self._filled) + 1
            self._drop(end or self._filled)
            if end or self._offset >= self._part.stop:
                return self._offset < self._part.stop
            if not self._fill():
                return False

    def _fill(self) -> bool:
        """Read more; return whether there was any."""
        if self._filled == len(self._buffer):
            self._buffer.extend(bytes(len(self._buffer)))
        with memoryview(self._buffer) as view:
            count = self._stream.readinto1(view[self._filled :])
            while not count and self._open_next():
                count = self._stream.readinto1(view[self._filled :])
        self._filled += count
        return bool(count)

    def _open_next(self) -> bool:
        """Open the next part, in growing steps; return whether there is more of the file."""
        at = self._offset + self._filled
        if at >= self._source.size_bytes:
            return False
        self._stream.close()
        stop = min(at + self._next_bytes, self._source.size_bytes)
        self._stream = self._source.open(at, stop)
        self._next_bytes = min(self._next_bytes * 4, MAX_LINE_BYTES)
        return True

    def _drop(self, count: int) -> None:
        rest = self._filled - count
        with memoryview(self._buffer) as view:
            view[:rest] = view[count : self._filled]
        self._filled = rest
        self._offset += count
