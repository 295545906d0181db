"""Every review that was paid for, on disk as soon as it came: what is not paid for again."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lambdas.domain.data_review.review import Rates, Task, fingerprint
from lambdas.domain.errors import InputInvalid
from lambdas.domain.run.contracts import ReviewRow as Row

_HEAD = b'{"line": '


@dataclass
class ReviewLog:
    """A JSONL file of reviews, one record a line, in the order in which they came.

    {"line", "judge", "fingerprint", "prompt", "answer", "input_tokens", "output_tokens"} and either
    "score", "scores", "reason" or "error". A record counts for what its fingerprint names, so that
    lines may move; failures stay for what they cost, and are asked again.
    """

    path: Path
    judge: str
    _records: list[dict[str, Any]] = field(default_factory=list)
    _rows: dict[str, Row] = field(default_factory=dict)
    _torn: bool = False  # the last line has no end
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @classmethod
    def load(cls, path: Path, judge: str) -> ReviewLog:
        """Read what an earlier command has left; raises InputInvalid if the file is another's."""
        log = cls(path, judge)
        log._torn = path.exists() and not path.read_bytes().endswith(b"\n")
        for record in _records(path):
            log._keep(record)
        return log

    def usd(self, rates: Rates) -> float:
        """Return what this judge's reviews have cost, failures and moved lines included."""
        mine = [each for each in self._records if each["judge"] == self.judge]
        return rates.usd(
            sum(each["input_tokens"] for each in mine), sum(each["output_tokens"] for each in mine)
        )

    def has(self, task: Task) -> bool:
        row = self._rows.get(fingerprint(self.judge, task))
        return row is not None and row.score is not None

    def add(self, task: Task, row: Row) -> None:
        """Write a review; it is on the disk when this returns."""
        record = {
            "line": task.line,
            "judge": self.judge,
            "fingerprint": fingerprint(self.judge, task),
            "prompt": task.prompt,
            "answer": task.answer,
            **row.model_dump(exclude_none=True),
        }
        line = json.dumps(record, ensure_ascii=False).encode(errors="backslashreplace")
        with self._lock, self.path.open("ab") as file:
            file.write(b"\n" * self._torn + line + b"\n")
            self._torn = False
            self._keep(record)

    def rows(self, tasks: Iterable[Task]) -> list[Row]:
        """Return the rows there are of these records, each with its line of today."""
        found = ((task, self._rows.get(fingerprint(self.judge, task))) for task in tasks)
        return [row.model_copy(update={"line": task.line}) for task, row in found if row]

    def _keep(self, record: dict[str, Any]) -> None:
        self._rows[record["fingerprint"]] = _row(record)
        self._records.append(record)


def _row(record: dict[str, Any]) -> Row:
    return Row.model_validate({name: record[name] for name in Row.model_fields if name in record})


def _records(path: Path) -> Iterator[dict[str, Any]]:
    lines = path.read_bytes().split(b"\n") if path.exists() else []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            record: dict[str, Any] = json.loads(line)
            _row(record), record["judge"], record["fingerprint"], record["input_tokens"]
        except (ValueError, TypeError, KeyError):
            if line.startswith(_HEAD) and not line.endswith(b"}"):
                continue  # the command was killed while it wrote
            raise InputInvalid(
                f"{path}:{number} is not of this command: name another file with --out"
            ) from None
        yield record
