"""The paid reviews of `python -m dataset review`, on disk, so that none is paid for twice."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lambdas.domain.data_review.review import Rates, Task, fingerprint
from lambdas.domain.errors import InputInvalid
from lambdas.domain.run.contracts import ReviewRow

_HEAD = b'{"line": '


@dataclass
class ReviewLog:
    """A JSONL file of reviews, one a line, in the order in which they were received.

    {"line", "judge", "fingerprint", "prompt", "answer", "input_tokens", "output_tokens"} and either
    "score", "scores", "reason" or "error". A review is found by its fingerprint, so that lines of
    the training file may move. Failures are kept for their cost, and are retried.
    """

    path: Path
    judge: str
    _records: list[dict[str, Any]] = field(default_factory=list)
    _rows: dict[str, ReviewRow] = field(default_factory=dict)
    _torn: bool = False  # the last line is incomplete
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @classmethod
    def load(cls, path: Path, judge: str) -> ReviewLog:
        """Read what earlier commands wrote; raises InputInvalid if the file is another's."""
        log = cls(path, judge)
        log._torn = path.exists() and not path.read_bytes().endswith(b"\n")
        for record in _records(path):
            log._keep(record)
        return log

    def usd(self, rates: Rates) -> float:
        """Return the cost of this judge's reviews, failures and moved lines included."""
        own = [record for record in self._records if record["judge"] == self.judge]
        input_tokens = sum(record["input_tokens"] for record in own)
        return rates.usd(input_tokens, sum(record["output_tokens"] for record in own))

    def has(self, task: Task) -> bool:
        row = self._rows.get(fingerprint(self.judge, task))
        return row is not None and row.score is not None

    def add(self, task: Task, row: ReviewRow) -> None:
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

    def rows(self, tasks: Iterable[Task]) -> list[ReviewRow]:
        """Return the reviews of these records, each with the current line of its record."""
        found = ((task, self._rows.get(fingerprint(self.judge, task))) for task in tasks)
        return [row.model_copy(update={"line": task.line}) for task, row in found if row]

    def _keep(self, record: dict[str, Any]) -> None:
        self._rows[record["fingerprint"]] = _row(record)
        self._records.append(record)


def _row(record: dict[str, Any]) -> ReviewRow:
    return ReviewRow.model_validate(
        {name: record[name] for name in ReviewRow.model_fields if name in record}
    )


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
                f"{path}:{number} was not written by this command: choose another file with --out"
            ) from None
        yield record
