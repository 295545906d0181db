"""Evenly spaced records within a budget, for services that charge per record."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Generic, NamedTuple, TypeVar

from lambdas.domain.models.model import Model
from lambdas.validation.formats.conversation import Conversation
from lambdas.validation.formats.fields import FileKind
from lambdas.validation.formats.records import read_record
from lambdas.validation.jsonl.findings import Findings
from lambdas.validation.jsonl.lines import parse_line
from lambdas.validation.jsonl.ranges import read_lines, read_range, split_ranges
from lambdas.validation.jsonl.sources import DatasetSource

Sampled = TypeVar("Sampled")


class Sample(NamedTuple, Generic[Sampled]):
    """Records by line, how far apart they are, and what they cost together."""

    records: list[tuple[int, Sampled]]
    step: int  # 1: every line, 2: every second …
    cost: float


def sample_lines(
    lines: Iterable[tuple[int, bytes]],
    read: Callable[[bytes], Sampled | None],
    cost_of: Callable[[Sampled], float],
    budget: float,
) -> Sample[Sampled]:
    """Return the records that `budget` pays for: all, or those of every 2nd, 4th, 8th … line.

    The sample is the same each time, and no more is held than the budget pays for. A line without a
    record is skipped, and so is a record that costs nothing or alone exceeds the budget.
    """
    kept: list[tuple[int, Sampled, float]] = []
    step, spent = 1, 0.0
    for number, line in lines:
        record = None if number % step else read(line)
        cost = 0 if record is None else cost_of(record)
        if record is None or not 0 < cost <= budget:
            continue
        kept.append((number, record, cost))
        spent += cost
        while spent > budget:
            step *= 2
            kept = [each for each in kept if not each[0] % step]
            spent = sum(each[2] for each in kept)
    return Sample([(number, record) for number, record, _ in kept], step, spent)


def sample_records(
    source: DatasetSource,
    kind: FileKind,
    model: Model,
    cost_of: Callable[[Conversation], float],
    budget: float,
) -> Sample[Conversation]:
    """Sample the records of a file by `sample_lines`."""
    return sample_lines(_lines(source), partial(_conversation, kind, model), cost_of, budget)


def _lines(source: DatasetSource) -> Iterator[tuple[int, bytes]]:
    """Yield each line with its number."""
    ranges = split_ranges(source.size_bytes)
    lines = (line for part in ranges for line in read_lines(source, part, read_range(source, part)))
    return enumerate((line.content.removesuffix(b"\r") for line in lines), start=1)


def _conversation(kind: FileKind, model: Model, line: bytes) -> Conversation | None:
    findings = Findings()
    record = parse_line(line, findings)
    return read_record(record, kind, model, findings) if record else None
