"""Small good and bad datasets, each with all that the validator has to find in it.

A row of the tables in `corpus_*.py` is a name, what the file begins with, and the findings as
"line code field", where "-" stands for the whole file and a "?" before the code for a warning.
Good records are added to a file, unless its row says otherwise, so that it lacks none.

In what a file holds, <R> stands for a good record of the model's format, <R text> for one with that
question, <U> and <A> for a message of the user and of the assistant, <V> for Converse's version. In
findings, <Q> stands for the field of the question.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal, NamedTuple

from lambdas.domain.models.catalogue import MODELS
from lambdas.domain.models.model import Model, RecordFormat
from lambdas.validation import make_record
from tests.models import CLAUDE_3_HAIKU

Kind = Literal["training", "validation", "evaluation"]
Fill = Literal["after", "before", "none"]

NOVA, LLAMA = MODELS["nova-micro"], MODELS["llama-3-1-8b"]
ONE_OF_EACH = (CLAUDE_3_HAIKU, NOVA, LLAMA)
QUESTION_FIELD: Mapping[RecordFormat, str] = {
    "claude-messages": "messages[0].content",
    "converse": "messages[0].content[0].text",
    "prompt-completion": "prompt",
}


class Row(NamedTuple):
    """One line of a table; see the module's text."""

    name: str
    content: str | bytes
    found: tuple[str, ...]
    fill: Fill
    encoding: str
    key: str


def row(
    name: str,
    content: str | bytes,
    *found: str,
    fill: Fill = "after",
    encoding: str = "utf-8",
    key: str = "",
) -> Row:
    return Row(name, content, found, fill, encoding, key)


Table = Mapping[str, Sequence[Row]]


class Expected(NamedTuple):
    """A finding without its wording; line 0 stands for the whole file."""

    line: int
    code: str
    field: str
    severity: str

    @classmethod
    def read(cls, text: str, lines_before: int) -> Expected:
        place, code, *field = text.split(" ", 2)
        line = 0 if place == "-" else int(place) + lines_before
        severity = "warning" if code.startswith("?") else "error"
        return cls(line, code.removeprefix("?"), "".join(field), severity)


@dataclass(frozen=True)
class Case:
    """A dataset of which one file is under test; the others are good."""

    group: str
    name: str
    model: Model
    kind: Kind
    own: bytes  # what the row says, without the good records
    content: bytes
    found: tuple[Expected, ...]
    key: str = ""  # of the file in S3, if that is what is under test

    def __str__(self) -> str:
        return f"{self.model.key}, {self.kind}: {self.name}"

    @property
    def files(self) -> dict[Kind, bytes]:
        """All files, in the order in which they are checked."""
        good: dict[Kind, bytes] = {"training": good_lines(self.model, "training")}
        return good | {self.kind: self.content}

    @property
    def is_good(self) -> bool:
        return all(each.severity != "error" for each in self.found)


def cases_of(model: Model, kind: Kind, *tables: Table) -> Iterator[Case]:
    """Make the tables' cases for one model."""
    for table in tables:
        for group, rows in table.items():
            for each in rows:
                yield _case(group, each, model, kind)


def _case(group: str, each: Row, model: Model, kind: Kind) -> Case:
    own = written(each.content, model, kind, each.encoding)
    good = b"" if each.fill == "none" else good_lines(model, kind)
    content = good + own if each.fill == "before" else own + b"\n" + good if good else own
    lines_before = good.count(b"\n") if each.fill == "before" else 0
    asked = "question" if kind == "evaluation" else QUESTION_FIELD[model.record_format]
    found = tuple(Expected.read(text.replace("<Q>", asked), lines_before) for text in each.found)
    return Case(group, each.name, model, kind, own, content, found, each.key)


def written(content: str | bytes, model: Model, kind: Kind, encoding: str) -> bytes:
    """Put what the signs stand for in their place."""
    if isinstance(content, str):
        for sign, meaning in _signs(model).items():
            content = content.replace(sign, meaning)
        text = _RECORD.sub(lambda hit: _record(model, kind, hit.start(), hit[1] or "Q"), content)
        return text.encode(encoding, errors="surrogatepass")
    return _RECORD_BYTES.sub(
        lambda hit: _record(model, kind, hit.start(), "\n").encode().replace(b"\n", hit[1] or b"Q"),
        content,
    )


_RECORD, _RECORD_BYTES = re.compile("<R(?: ([^>]*))?>"), re.compile(rb"<R(?: ([^>]*))?>")


def _signs(model: Model) -> dict[str, str]:
    return {
        "<R >": _record(model, "training", 0, ""),
        "<U>": _message(model, "user", "Q"),
        "<A>": _message(model, "assistant", "A"),
        "<V>": '"schemaVersion": "bedrock-conversation-2024"',
    }


def _record(model: Model, kind: Kind, at: int, question: str) -> str:
    """Write a record as JSON, the question as it is; `at` makes ids differ."""
    if kind == "evaluation":
        return f'{{"id": "x{at}", "question": "{question}", "reference_answer": "A"}}'
    return _plain_record(model.record_format).replace('"Q"', f'"{question}"')


@cache
def _plain_record(record_format: RecordFormat) -> str:
    return json.dumps(make_record(record_format, None, "Q", "A"))


def _message(model: Model, role: str, text: str) -> str:
    content = [{"text": text}] if model.record_format == "converse" else text
    return json.dumps({"role": role, "content": content})


def good_lines(model: Model, kind: Kind) -> bytes:
    """Return as many good lines as the service wants at least."""
    if kind == "evaluation":
        return b'{"id": "good", "question": "Good?", "reference_answer": "Good."}\n'
    limits = model.limits
    count = max(limits.min_training_records, limits.min_total_records or 0)
    return b"".join(_good_line(model, f"{kind} {number}") for number in range(count))


def _good_line(model: Model, name: str) -> bytes:
    record = make_record(model.record_format, None, f"Good question of {name}?", f"Good {name}.")
    return json.dumps(record).encode() + b"\n"
