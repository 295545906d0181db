"""Lines by byte ranges: each belongs to the range in which it begins, whoever reads that range.

A range is read from the byte before it to the end of its last line, so that ranges can be read in
any order, by any number of processes, and together give each line once.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from lambdas.validation.jsonl.lines import MAX_LINE_BYTES
from lambdas.validation.jsonl.sources import Source

RANGE_BYTES = 8 * 1024**2
BUFFER_BYTES = 512 * 1024  # fits a processor's second cache
_TAIL_BYTES = 64 * 1024  # read with a range, as its last line mostly ends there
_NEWLINE = b"\n"


class Range(NamedTuple):
    start: int
    stop: int


class Block(NamedTuple):
    """Whole lines in a buffer, from `first` to `last`; `offset` is the file's, of the buffer.

    Each ends in a line feed, also the file's last.
    """

    buffer: bytearray
    first: int
    last: int
    offset: int


@dataclass(frozen=True)
class LongLine:
    """A line that no record can be as long as; it was passed over."""


def ranges_of(size_bytes: int) -> list[Range]:
    """Cut a file into ranges; the cuts depend on its size alone, and so does every result."""
    starts = range(0, size_bytes, RANGE_BYTES)
    return [Range(start, min(start + RANGE_BYTES, size_bytes)) for start in starts]


def head_of(source: Source, part: Range) -> io.BufferedIOBase:
    """Open a range with the byte before it, and with what its last line mostly needs beyond it."""
    stop = part.stop if part.stop >= source.size_bytes else part.stop + _TAIL_BYTES
    return source.open(max(part.start - 1, 0), min(stop, source.size_bytes))


class LineReader:
    """Reads the lines that begin in one range."""

    def __init__(self, source: Source, part: Range, head: io.BufferedIOBase) -> None:
        self._source, self._part = source, part
        self._stream = head
        self._buffer = bytearray(BUFFER_BYTES)
        self._filled = 0
        self._offset = max(part.start - 1, 0)  # in the file, of the buffer's first byte
        self._next_bytes = _TAIL_BYTES

    def blocks(self) -> Iterator[Block | LongLine]:
        """Yield the lines in order; a block is valid until the next is asked for."""
        try:
            if self._part.start and not self._skip_line():
                return
            yield from self._own_lines()
        finally:
            self._stream.close()

    def _own_lines(self) -> Iterator[Block | LongLine]:
        while self._offset < self._part.stop:
            more = self._fill()
            last = self._last_line_end(at_end=not more)
            if last:
                yield Block(self._buffer, 0, last, self._offset)
                self._drop(last)
            elif not more:
                return
            elif self._filled > MAX_LINE_BYTES + 1:
                yield LongLine()
                if not self._skip_line():
                    return

    def _last_line_end(self, *, at_end: bool) -> int:
        """Return where the range's last line in the buffer ends; 0: not one is whole yet."""
        left = self._part.stop - self._offset
        if self._filled >= left:
            # The line that the range's last byte is part of is the range's last.
            end = self._buffer.find(_NEWLINE, left - 1, self._filled) + 1
            if end:
                return end
        end = self._buffer.rfind(_NEWLINE, 0, min(self._filled, left)) + 1
        if at_end and not end and self._filled:
            self._buffer[self._filled :] = _NEWLINE
            self._filled = end = self._filled + 1
        return end

    def _skip_line(self) -> bool:
        """Drop everything up to the next line; say whether one begins in this range."""
        while True:
            end = self._buffer.find(_NEWLINE, 0, self._filled) + 1
            self._drop(end or self._filled)
            if end or self._offset >= self._part.stop:
                return self._offset < self._part.stop
            if not self._fill():
                return False

    def _fill(self) -> bool:
        """Read on; say whether there was anything."""
        if self._filled == len(self._buffer):
            self._buffer.extend(bytes(len(self._buffer)))
        with memoryview(self._buffer) as view:
            count = self._stream.readinto1(view[self._filled :])
            while not count and self._open_next():
                count = self._stream.readinto1(view[self._filled :])
        self._filled += count
        return bool(count)

    def _open_next(self) -> bool:
        """Open what follows, in growing steps; say whether there is more of the file."""
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
