"""Reads JSON, JSONL and CSV files value by value, each with the line that it starts in.

Texts are never changed: not trimmed, not normalised, and line breaks are kept.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

_BLANKS = re.compile(r"[ \t\r\n]*")
_DELIMITERS = ",;\t"
_MAX_CELL_CHARACTERS = 64 * 1024**2  # the csv module's own limit, 128 KiB, is below a long record


class SourceInvalid(Exception):
    """A source cannot be used; says which file, which line, why and what to do."""


def read_values(path: Path) -> Iterator[tuple[str, object]]:
    """Yield a file's values, each after its location: file:line, and the record of that line.

    Raises
    ------
    SourceInvalid
        It cannot be read, is not UTF-8, or does not match its suffix.
    """
    read = READERS.get(path.suffix.lower())
    if read is None:
        raise SourceInvalid(f"{path}: unsupported file type; expected {', '.join(READERS)}")
    text = _text(path)
    last_line = 0
    try:
        for number, (line, value) in enumerate(read(text), start=1):
            record = f", record {number}" if line == last_line else ""
            yield f"{path}:{line}{record}", value
            last_line = line
    except _BrokenAt as error:
        raise SourceInvalid(f"{path}:{error.line}: {error}") from None


class _BrokenAt(ValueError):
    """The file cannot be read beyond a line."""

    def __init__(self, line: int, why: str) -> None:
        super().__init__(why)
        self.line = line


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise SourceInvalid(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise SourceInvalid(
            f"{path}:{line}: byte 0x{error.object[error.start]:02x} is not UTF-8: save the file "
            "as UTF-8 (in Excel: CSV UTF-8)"
        ) from None


def _json(text: str) -> Iterator[tuple[int, object]]:
    """Yield the values of one list, or of one value after the other."""
    walk = _JsonWalk(text)
    if not walk.take("["):
        while not walk.ended():
            yield walk.value()
        return
    if not walk.take("]"):
        yield walk.value()
        while walk.take(","):
            yield walk.value()
        if not walk.take("]"):
            raise walk.broken("a comma or the end of the list is missing before this")
    if not walk.ended():
        raise walk.broken("there is text after the end of the list")


class _JsonWalk:
    """A position in a JSON text, with its line."""

    def __init__(self, text: str) -> None:
        self._text, self._at = text, 0
        self._counted, self._line = 0, 1
        self._decoder = json.JSONDecoder(object_pairs_hook=_unique)
        self._skip_blanks()

    def ended(self) -> bool:
        return self._at == len(self._text)

    def take(self, sign: str) -> bool:
        """Step over a sign, if it is next."""
        found = self._text.startswith(sign, self._at)
        if found:
            self._at += len(sign)
            self._skip_blanks()
        return found

    def value(self) -> tuple[int, object]:
        """Step over a value; return it and the line that it starts in."""
        line = self._line
        try:
            value, self._at = self._decoder.raw_decode(self._text, self._at)
        except json.JSONDecodeError as error:
            raise _BrokenAt(
                error.lineno, f"not JSON from column {error.colno} on: {error.msg}"
            ) from None
        except RecursionError:
            raise _BrokenAt(line, "the JSON is nested too deeply") from None
        except ValueError as error:  # a key that occurs twice, a number too long to convert
            raise _BrokenAt(line, str(error)) from None
        self._skip_blanks()
        return line, value

    def broken(self, why: str) -> _BrokenAt:
        return _BrokenAt(self._line, why)

    def _skip_blanks(self) -> None:
        blanks = _BLANKS.match(self._text, self._at)
        self._at = blanks.end() if blanks else self._at
        self._line += self._text.count("\n", self._counted, self._at)
        self._counted = self._at


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        seen = [key for key, _ in pairs]
        twice = next(key for key in seen if seen.count(key) > 1)
        raise ValueError(f"the key {twice!r} occurs twice in one object: keep one of them")
    return value


def _csv(text: str) -> Iterator[tuple[int, object]]:
    """Yield the rows below the header as objects, their keys taken from it."""
    rows = _rows(text)
    _, header = next(rows, (1, []))
    names = [name.strip() for name in header]
    repeated = {name for name in names if name and names.count(name) > 1}
    if repeated:
        raise _BrokenAt(1, f"two columns are called {min(repeated)!r}: rename one")
    for line, row in rows:
        if len(row) != len(names):
            raise _BrokenAt(
                line,
                f"the row has {len(row)} cells, the header {len(names)}: put quotes around cells "
                "that hold the separator or a line break",
            )
        yield line, dict(zip(names, row, strict=True))


def _rows(text: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows that are not blank, each with the line that it starts in."""
    # The limit can only be set for the whole process.
    csv.field_size_limit(_MAX_CELL_CHARACTERS)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text), strict=True)
    line = 1
    try:
        for row in reader:
            if row:
                yield line, row
            line = reader.line_num + 1
    except csv.Error as error:
        raise _BrokenAt(line, f"the row that starts here is not CSV: {error}") from None


def _delimiter(text: str) -> str:
    """Return the separator that gives the header the most columns; a comma if several do."""
    header = text.partition("\n")[0]
    return max(_DELIMITERS, key=lambda mark: len(next(csv.reader([header], delimiter=mark), [])))


READERS: Mapping[str, Callable[[str], Iterator[tuple[int, object]]]] = MappingProxyType(
    {".jsonl": _json, ".json": _json, ".csv": _csv}
)
