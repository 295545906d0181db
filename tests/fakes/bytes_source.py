"""A file of a dataset in memory."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class BytesSource:
    name: str
    content: bytes

    @property
    def size_bytes(self) -> int:
        return len(self.content)

    def read(self, start: int, stop: int) -> bytes:
        return self.content[start:stop]
