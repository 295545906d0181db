"""Where the bytes of a file come from: memory, a disk, or, in `lambdas.aws.artefacts`, S3."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


class Source(Protocol):
    """A file that can be read in parts.

    A source of which several parts are better read at once, as each comes over a connection with
    a speed limit of its own, says how many in an attribute `connections`.
    """

    @property
    def name(self) -> str:
        """What findings call the file."""

    @property
    def size_bytes(self) -> int: ...

    def open(self, start: int, stop: int) -> io.BufferedIOBase:
        """Open the bytes from `start` to before `stop`, over a connection of its own."""


@dataclass(frozen=True)
class BytesSource:
    """A file in memory."""

    name: str
    content: bytes

    @property
    def size_bytes(self) -> int:
        return len(self.content)

    def open(self, start: int, stop: int) -> io.BufferedIOBase:
        return io.BytesIO(self.content[start:stop])


@dataclass(frozen=True)
class FileSource:
    """A file on a disk; reading raises OSError."""

    path: Path
    name: str

    @property
    def size_bytes(self) -> int:
        return self.path.stat().st_size

    def open(self, start: int, stop: int) -> io.BufferedIOBase:
        file = self.path.open("rb", buffering=0)
        file.seek(start)
        return io.BufferedReader(_Part(file, stop - start), buffer_size=1)


class _Part(io.RawIOBase):
    """The next `left` bytes of a file, without a buffer between."""

    def __init__(self, file: io.FileIO, left: int) -> None:
        self._file, self._left = file, left

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # no other is given
        count = self._file.readinto(buffer[: self._left]) or 0
        self._left -= count
        return count

    def close(self) -> None:
        self._file.close()
        super().close()
