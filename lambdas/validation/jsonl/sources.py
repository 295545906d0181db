"""Where the bytes of a dataset come from: disk, or S3 (`lambdas.aws.artefacts`)."""

from __future__ import annotations

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
