"""Paid answers on disk, one JSON object a line, so that none is paid for twice."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import IO, Generic, TypeVar

from pydantic import BaseModel

from lambdas.domain.errors import InputInvalid

Entry = TypeVar("Entry", bound=BaseModel)


@dataclass
class Journal(Generic[Entry]):
    """The answers paid for so far, oldest first; threads may append."""

    entries: list[Entry]
    _file: IO[bytes] = field(repr=False)
    _lock: Lock = field(default_factory=Lock, repr=False)

    def append(self, entry: Entry) -> None:
        """Write the entry; it is on the disk when this returns."""
        line = json.dumps(entry.model_dump(exclude_unset=True), ensure_ascii=False)
        with self._lock:
            self._file.write(line.encode(errors="backslashreplace") + b"\n")
            self._file.flush()
            os.fsync(self._file.fileno())
            self.entries.append(entry)


@contextmanager
def open_journal(path: Path, kind: type[Entry]) -> Iterator[Journal[Entry]]:
    """Open a journal of entries of one kind, locked against other processes.

    Raises
    ------
    InputInvalid
        It holds anything else, is in use, or cannot be written.
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
        folder = os.open(path.parent, os.O_RDONLY)  # so that a new file survives a power failure
        os.fsync(folder)
        os.close(folder)
        yield Journal([*_read(path, file, kind)], file)


def _read(path: Path, file: IO[bytes], kind: type[Entry]) -> Iterator[Entry]:
    """Yield the entries; of a last line without an end, cut it off if torn, else end it."""
    file.seek(0)
    *lines, rest = file.read().split(b"\n")
    end = file.tell() - len(rest)
    try:
        json.loads(rest)
        lines.append(rest)
    except ValueError:  # nothing, or what a crash left of a line
        rest = b""
    for number, line in enumerate(lines, start=1):
        try:
            yield kind.model_validate(json.loads(line))
        except ValueError:
            raise InputInvalid(
                f"{path}:{number} was not written by this command: delete the line, or move the "
                "file away"
            ) from None
    if rest:
        file.write(b"\n")
    else:
        file.truncate(end)
