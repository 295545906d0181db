"""Reads the lines of files, on disk or in S3 (`lambdas.aws.artefacts`), by byte ranges.

A line belongs to the range in which it begins. A range is read from the byte before it to the end
of its last line, so any number of processes can read ranges in any order, and together they read
each line once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

from lambdas.validation.jsonl.lines import MAX_LINE_BYTES

RANGE_BYTES = 1024**2  # a second of work with warnings: processes share small files too
_TAIL_BYTES = 64 * 1024  # read beyond a range: its last line usually ends there


class DatasetSource(Protocol):
    """A file that can be read in parts.

    A source that is faster over several connections, because each has a speed limit, gives their
    number in an attribute `connections`.
    """

    @property
    def name(self) -> str:
        """The name of the file in findings."""

    @property
    def size_bytes(self) -> int: ...

    def read(self, start: int, stop: int) -> bytes:
        """Read the bytes from `start` to before `stop`, over a connection of its own."""


@dataclass(frozen=True)
class FileSource:
    """A file on disk; reading raises OSError."""

    path: Path
    name: str

    @property
    def size_bytes(self) -> int:
        return self.path.stat().st_size

    def read(self, start: int, stop: int) -> bytes:
        with self.path.open("rb") as file:
            file.seek(start)
            return file.read(stop - start)


class ByteRange(NamedTuple):
    start: int
    stop: int


class Line(NamedTuple):
    """A line without its line feed; `start` is its place in the file."""

    start: int
    content: bytes


def split_ranges(size_bytes: int, range_bytes: int | None = None) -> list[ByteRange]:
    """Split a file into ranges; the cuts, and so the results, depend only on its size."""
    step = range_bytes or RANGE_BYTES
    return [ByteRange(start, min(start + step, size_bytes)) for start in range(0, size_bytes, step)]


def read_range(source: DatasetSource, part: ByteRange) -> bytes:
    """Read a range with the byte before it and `_TAIL_BYTES` after it."""
    stop = part.stop if part.stop >= source.size_bytes else part.stop + _TAIL_BYTES
    return source.read(max(part.start - 1, 0), min(stop, source.size_bytes))


def read_lines(source: DatasetSource, part: ByteRange, content: bytes) -> Iterator[Line]:
    """Yield the lines that begin in the range; `content` is what `read_range` read.

    The last line is read on only until it is known to be longer than `MAX_LINE_BYTES`, even without
    a carriage return at its end.
    """
    before = max(part.start - 1, 0)  # where the content begins
    line_feeds = (0, part.stop - before - 1)  # after which lines of this range begin
    begin = content.find(b"\n", *line_feeds) + 1 if part.start else 0
    if part.start and not begin:
        return
    last = content.rfind(b"\n", *line_feeds) + 1
    end, step = content.find(b"\n", last), _TAIL_BYTES
    most = min(before + last + MAX_LINE_BYTES + 2, source.size_bytes)
    while end < 0 and (at := before + len(content)) < most:
        if not (more := source.read(at, min(at + step, most))):
            break  # the file has become shorter meanwhile
        content += more
        end, step = content.find(b"\n", at - before), min(step * 4, MAX_LINE_BYTES)
    while begin <= last:
        end = content.find(b"\n", begin)
        line = content[begin : end if end >= 0 else None]
        yield Line(before + begin, line)
        begin += len(line) + 1
