"""The paid answers of `python -m dataset generate`, on disk, so that none is paid for twice."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

from lambdas.domain.errors import InputInvalid


@dataclass(frozen=True)
class JournalEntry:
    """One paid answer of the model."""

    key: str  # of the task and the section: `GenerationTask.key`
    request: str  # hash of the whole request
    asked: int  # pairs
    stop: str  # Converse's stopReason, or what `writer` puts in its place
    tool_input: Any
    input_tokens: int
    output_tokens: int
    estimated_input_tokens: int

    @property
    def tokens(self) -> int:
        return self.input_tokens + self.output_tokens


@dataclass
class Journal:
    """The answers paid for so far, oldest first, each a line of JSON."""

    path: Path
    entries: list[JournalEntry] = field(default_factory=list)
    _file: IO[bytes] | None = field(default=None, repr=False)

    @property
    def tokens(self) -> int:
        return sum(entry.tokens for entry in self.entries)

    def append(self, entry: JournalEntry) -> None:
        """Write the entry to the disk; it is there when this returns."""
        assert self._file is not None  # noqa: S101  # `open_journal` sets it
        self._file.write(json.dumps(asdict(entry)).encode() + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())
        self.entries.append(entry)


def path_beside(out: Path) -> Path:
    return out.with_name(f"{out.name}.journal.jsonl")


@contextmanager
def open_journal(path: Path) -> Iterator[Journal]:
    """Open the journal, locked against other processes.

    Raises
    ------
    InputInvalid
        It is damaged, of another version, in use, or cannot be written.
    """
    try:
        file = path.open("a+b")
    except OSError as error:
        raise InputInvalid(f"{path} cannot be written: {error.strerror}") from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise InputInvalid(f"{path} is in use by another process: wait for it") from None
        _sync_folder(path.parent)
        yield Journal(path, [*_read(path, file)], file)


def _read(path: Path, file: IO[bytes]) -> Iterator[JournalEntry]:
    """Yield the entries; an incomplete last line, left by a crash, is cut off."""
    file.seek(0)
    content = file.read()
    whole = content.rfind(b"\n") + 1
    if whole < len(content):
        file.truncate(whole)
    for number, line in enumerate(content[:whole].splitlines(), start=1):
        try:
            yield JournalEntry(**json.loads(line))
        except (ValueError, TypeError):
            raise InputInvalid(
                f"{path}:{number} is not a journal entry: to resume without it, delete the line; "
                "to start over, delete the file"
            ) from None


def _sync_folder(folder: Path) -> None:
    """Make sure that a new file survives a power failure."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
