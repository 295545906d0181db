"""Reads files of every kind value by value, each with the line that it starts in.

Texts are never changed: not trimmed, not normalised, and line breaks are kept.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import count
from types import MappingProxyType
from typing import Any

from python_calamine import CalamineError, CalamineWorkbook

from dataset.sources.files import SourceFile, SourceInvalid
from lambdas.validation.jsonl.display import shortened
from lambdas.validation.jsonl.lines import repeated_keys

MOST_SHOWN = 500  # characters of what is wrong, which may quote a key or a cell of any length
_BLANKS = re.compile(r"[ \t\r\n]*")
_OPENING = re.compile(r"[ \t\r\n]*(\[[ \t\r\n]*)?")  # of a list
_COMMA = re.compile(r"[ \t\r\n]*(,[ \t\r\n]*)?")
_DELIMITERS = ",;\t"
_EXCEL_DELIMITER = re.compile(r'"?sep=(.)"?\r?\n', re.IGNORECASE)
_MAX_CELL_CHARACTERS = 64 * 1024**2  # the csv module's own limit, 128 KiB, is below a long record
_HEADER_CHARACTERS = 64 * 1024  # looked at for the separator, below that limit of the module
_MOST_CELLS = 20_000_000  # of a sheet, blank ones included, which are held in memory
_ONE_COLUMN = (
    "the first row has one cell, but names the columns, question and answer: separate them by a "
    "comma, a semicolon or a tab, and delete what stands above their names"
)
_KINDS_BY_HEAD = ((b"PK\x03\x04", ".xlsx"), (b"PAR1", ".parquet"))

Value = tuple[int, object]  # after the line, or row, that it starts in
BLANK_ROW = object()  # not a record


def read_values(file: SourceFile) -> Iterator[tuple[str, object]]:
    """Yield the values of a file, each after its location: file:line, and the record of that line.

    What the file holds is told by its suffix, or by how it begins.

    Raises
    ------
    SourceInvalid
        It is not UTF-8, or does not match its suffix.
    """
    kind, last_line = _kind_of(file), 0
    try:
        for number, (line, value) in enumerate(READERS[kind](file), start=1):
            record = f", record {number}" if line == last_line else ""
            yield f"{file.place}:{line}{record}", value
            last_line = line
    except _BrokenAt as error:
        why = shortened(str(error), MOST_SHOWN)
        raise SourceInvalid(f"{file.place}:{error.line}: {why}") from None


def _kind_of(file: SourceFile) -> str:
    for head, kind in _KINDS_BY_HEAD:
        if file.content.startswith(head):
            return kind
    if file.suffix in READERS:
        return file.suffix
    if file.suffix:
        expected = ", ".join(READERS)
        raise SourceInvalid(
            f"{file.place}: unsupported file type; expected {expected}, or one of these with .gz"
        )
    return ".json" if file.content.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in b"[{" else ".csv"


class _BrokenAt(ValueError):
    """The file cannot be read beyond a line."""

    def __init__(self, line: int, why: str) -> None:
        super().__init__(why)
        self.line = line


def _json(file: SourceFile) -> Iterator[Value]:
    """Yield the values of one list, or of one value after the other."""
    text, line, before = file.text(), 1, 0
    at = _after(_OPENING, text, 0)
    is_list = "[" in text[:at]
    has_more = text[at : at + 1] != "]" if is_list else at < len(text)
    while has_more:
        line += text.count("\n", before, at)
        value, end = _json_value(text, at, line)
        yield line, value
        before, at = at, _after(_COMMA if is_list else _BLANKS, text, end)
        has_more = "," in text[end:at] if is_list else at < len(text)
    if is_list:
        line += text.count("\n", before, at)
        if text[at : at + 1] != "]":
            raise _BrokenAt(line, "a comma or the end of the list is missing before this")
        if _after(_BLANKS, text, at + 1) < len(text):
            raise _BrokenAt(line, "there is text after the end of the list")


def _after(pattern: re.Pattern[str], text: str, at: int) -> int:
    found = pattern.match(text, at)
    return found.end() if found else at


def _json_value(text: str, at: int, line: int) -> tuple[object, int]:
    """Return the value that begins at a place in a line, and where it ends."""
    try:
        return _DECODER.raw_decode(text, at)
    except json.JSONDecodeError as error:
        why = f"not JSON from column {error.colno} on: {error.msg}"
        raise _BrokenAt(error.lineno, why) from None
    except RecursionError:
        raise _BrokenAt(line, "the JSON is nested too deeply") from None
    except ValueError as error:  # a key that occurs twice, a number too long to convert
        raise _BrokenAt(line, str(error)) from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        twice = next(repeated_keys(pairs))
        raise ValueError(f"the key {twice!r} occurs twice in one object: keep one of them")
    return value


_DECODER = json.JSONDecoder(object_pairs_hook=_unique)
_Row = tuple[int, list[str]]  # after the line that it starts in


def _table(rows: Iterator[_Row]) -> Iterator[Value]:
    """Yield the rows below the header as objects, their keys taken from it."""
    header_line, header = next(_filled(rows), (1, []))
    if sum(_is_filled([cell]) for cell in header) == 1:
        raise _BrokenAt(header_line, _ONE_COLUMN)
    names = [name.strip() or f"column {at}" for at, name in enumerate(header, start=1)]
    repeated = [name for name, times in Counter(names).items() if times > 1]
    if repeated:
        raise _BrokenAt(header_line, f"two columns are called {min(repeated)!r}: rename one")
    for line, row in rows:
        cells, more = row[: len(names)], row[len(names) :]
        if _is_filled(more):
            raise _BrokenAt(
                line,
                f"the row has {len(row)} cells, the header {len(names)}: put quotes around cells "
                "that hold the separator or a line break",
            )
        if _is_filled(cells):
            # Excel leaves out empty cells at the end of a row.
            yield line, dict(zip(names, (*cells, *[""] * (len(names) - len(cells))), strict=True))
        else:
            yield line, BLANK_ROW


def _filled(rows: Iterable[_Row]) -> Iterator[_Row]:
    return ((line, row) for line, row in rows if _is_filled(row))


def _is_filled(cells: Iterable[str]) -> bool:
    return any(cell.strip() for cell in cells)


def _csv(file: SourceFile) -> Iterator[Value]:
    text = file.text()
    excel = _EXCEL_DELIMITER.match(text)
    if excel:
        return _table(_csv_rows(text[excel.end() :], excel[1], first_line=2))
    return _table(_csv_rows(text, _delimiter(text)))


def _csv_rows(text: str, delimiter: str, first_line: int = 1) -> Iterator[_Row]:
    """Yield the rows that have a cell, each with the line that it starts in."""
    # The limit can only be set for the whole process.
    csv.field_size_limit(_MAX_CELL_CHARACTERS)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    line = first_line
    try:
        for row in reader:
            if row:
                yield line, row
            line = reader.line_num + first_line
    except csv.Error as error:
        raise _BrokenAt(line, f"the row that starts here is not CSV: {error}") from None


def _delimiter(text: str) -> str:
    """Return the separator that gives the header the most columns; a comma if several do."""
    start = text.lstrip("\r\n")[:_HEADER_CHARACTERS]
    header = re.split(r"[\r\n]", start, maxsplit=1)[0]
    return max(_DELIMITERS, key=lambda mark: len(next(csv.reader([header], delimiter=mark), [])))


def _xlsx(file: SourceFile) -> Iterator[Value]:
    """Yield the rows of the one sheet that has any."""
    try:
        workbook = CalamineWorkbook.from_filelike(io.BytesIO(file.content))
        tables = {name: _sheet_rows(file, workbook, name) for name in workbook.sheet_names}
    except CalamineError as error:
        raise SourceInvalid(
            f"{file.place} cannot be read as a workbook ({error}): save it in Excel as .xlsx, "
            "without a password"
        ) from None
    filled = [name for name, rows in tables.items() if any(_filled(rows))]
    if len(filled) > 1:
        raise SourceInvalid(
            f"{file.place} has several sheets with data ({', '.join(filled)}): save the one to "
            "read as a file of its own"
        )
    return _table(row for name in filled for row in tables[name])


def _sheet_rows(file: SourceFile, workbook: CalamineWorkbook, name: str) -> list[_Row]:
    sheet = workbook.get_sheet_by_name(name)
    row, column = sheet.end or (0, 0)  # from 0
    if (row + 1) * (column + 1) > _MOST_CELLS:
        raise SourceInvalid(
            f"{file.place}: {name} reaches to row {row + 1:,} and column {column + 1:,}: delete "
            "the rows and columns beyond the data"
        )
    rows = enumerate(sheet.to_python(skip_empty_area=False), start=1)
    return [(line, [*map(_cell, row)]) for line, row in rows]


def _cell(value: object) -> str:
    """Return a cell as Excel's CSV has it, if the cell has no format of its own."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).upper() if isinstance(value, bool) else str(value)


def _parquet(file: SourceFile) -> Iterator[Value]:
    try:
        from pyarrow import parquet  # noqa: PLC0415  # large, and optional
    except ImportError:
        raise SourceInvalid(
            f"{file.place}: Parquet needs a package that is not installed; install it: "
            ".venv/bin/pip install -c constraints.txt -r requirements-parquet.txt"
        ) from None
    try:
        rows = parquet.read_table(io.BytesIO(file.content)).to_pylist()
    except Exception as error:  # noqa: BLE001  # pyarrow fails in any way on damage and odd times
        raise SourceInvalid(f"{file.place} cannot be read as Parquet: {error}") from None
    return zip(count(1), rows)


TABLES = (".csv", ".tsv", ".xlsx")
READERS: Mapping[str, Callable[[SourceFile], Iterator[Value]]] = MappingProxyType(
    {
        ".jsonl": _json,
        ".json": _json,
        ".csv": _csv,
        ".tsv": lambda file: _table(_csv_rows(file.text(), "\t")),
        ".xlsx": _xlsx,
        ".parquet": _parquet,
    }
)
