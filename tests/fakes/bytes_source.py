"""A file of a dataset in memory."""

from __future__ import annotations

import io
from dataclasses import dataclass


@dataclass(frozen=True)
class BytesSource:
    name: str
    content: bytes

    @property
    def size_bytes(self) -> int:
        return len(self.content)

    def open(self, start: int, stop: int) -> io.BufferedIOBase:
        return io.BytesIO(self.content[start:stop])
