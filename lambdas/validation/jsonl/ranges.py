"""Reads the lines of files, on disk or in S3 (`lambdas.aws.artefacts`), by byte ranges."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import NamedTuple, Protocol

from lambdas.validation.jsonl.lines import MAX_LINE_BYTES

RANGE_BYTES = 1024**2  # a second of work with warnings


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


class Line(NamedTuple):
    """A line without its line feed."""

    content: bytes
    stop: int  # where the next line begins in the file


def read_lines(source: DatasetSource) -> Iterator[Line]:
    """Yield the lines of a file.

    Of a line that is longer than `MAX_LINE_BYTES` comes only what shows it, even without a carriage
    return at its end.
    """
    most, begun, position = MAX_LINE_BYTES + 2, b"", 0
    for content in _read_ranges(source):
        begin = 0
        while (end := content.find(b"\n", begin)) >= 0:
            line, begin = begun + content[begin:end], end + 1
            yield Line(line[:most], position + begin)
            begun = b""
        begun = (begun + content[begin:])[:most]
        position += len(content)
    if begun:
        yield Line(begun, position + 1)


def _read_ranges(source: DatasetSource) -> Iterator[bytes]:
    """Yield a file range by range, while the next are read over as many connections as it has."""
    connections, size = getattr(source, "connections", 1), source.size_bytes

    def read(start: int) -> bytes:
        stop = min(start + RANGE_BYTES, size)
        content = source.read(start, stop)
        if len(content) < stop - start:
            raise OSError(f"{source.name} has become shorter while it was read: check it again")
        return content

    with ThreadPoolExecutor(connections) as readers:
        reads = (readers.submit(read, start) for start in range(0, size, RANGE_BYTES))
        ahead = deque(islice(reads, connections))
        while ahead:
            content = ahead.popleft().result()
            ahead.extend(islice(reads, 1))
            yield content
