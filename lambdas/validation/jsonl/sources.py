"""Where the bytes of a dataset come from: disk, or S3 (`lambdas.aws.artefacts`)."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


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

    def open(self, start: int, stop: int) -> io.BufferedIOBase:
        """Open the bytes from `start` up to `stop`, over a connection of its own."""


@dataclass(frozen=True)
class FileSource:
    """A file on disk; reading raises OSError."""

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
    """The next `left` bytes of a file, unbuffered."""

    def __init__(self, file: io.FileIO, left: int) -> None:
        self._file, self._left = file, left

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # no other is given
        # A bytearray, which reading all of it brings, would be copied by slicing.
        count = self._file.readinto(memoryview(buffer)[: self._left]) or 0
        self._left -= count
        return count

    def close(self) -> None:
        self._file.close()
        super().close()
