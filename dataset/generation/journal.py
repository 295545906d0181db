"""Every paid answer, on disk before it is used: what a resumed command does not pay for again."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any


class JournalInvalid(Exception):
    """The journal cannot be used; says which line, and what to do."""


@dataclass(frozen=True)
class Entry:
    """One answer of the model, as it was paid for."""

    key: str  # of the task and the section: `Task.key`
    request: str  # hash of the whole request
    asked: int  # pairs
    stop: str  # Converse's stopReason, or what came in its place
    tool_input: Any
    input_tokens: int
    output_tokens: int
    estimated_input_tokens: int

    @property
    def tokens(self) -> int:
        return self.input_tokens + self.output_tokens


@dataclass
class Journal:
    """The answers paid for so far, oldest first; one line of JSON each."""

    path: Path
    entries: list[Entry] = field(default_factory=list)
    _file: IO[bytes] | None = field(default=None, repr=False)

    @property
    def tokens(self) -> int:
        return sum(entry.tokens for entry in self.entries)

    def append(self, entry: Entry) -> None:
        """Write the entry to the disk; it is there when this returns."""
        assert self._file is not None  # noqa: S101  # `opened` gives journals with a file
        self._file.write(json.dumps(asdict(entry)).encode() + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())
        self.entries.append(entry)


def path_beside(out: Path) -> Path:
    return out.with_name(f"{out.name}.journal.jsonl")


@contextmanager
def opened(path: Path) -> Iterator[Journal]:
    """Open the journal, and hold it against other processes meanwhile.

    Raises
    ------
    JournalInvalid
        It is damaged, of another version, in use, or cannot be written.
    """
    try:
        file = path.open("a+b")
    except OSError as error:
        raise JournalInvalid(f"{path} cannot be written: {error.strerror}") from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise JournalInvalid(f"{path} is in use by another process; wait for it") from None
        _sync_folder(path.parent)
        yield Journal(path, [*_read(path, file)], file)


def _read(path: Path, file: IO[bytes]) -> Iterator[Entry]:
    """Yield the entries; a last line without its end, from a crash, is cut off."""
    file.seek(0)
    content = file.read()
    whole = content.rfind(b"\n") + 1
    if whole < len(content):
        file.truncate(whole)
    for number, line in enumerate(content[:whole].splitlines(), start=1):
        try:
            yield Entry(**json.loads(line))
        except (ValueError, TypeError):
            raise JournalInvalid(
                f"{path}:{number} is no entry of a journal; to go on without what is in it, "
                "delete the line; to begin anew, delete the file"
            ) from None


def _sync_folder(folder: Path) -> None:
    """Make sure that a new file is found again after a power failure."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
