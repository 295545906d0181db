"""Evenly spaced records within a budget, for services that charge per record."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from lambdas.domain.models.model import Model
from lambdas.validation.formats.conversation import Conversation
from lambdas.validation.formats.fields import FileKind
from lambdas.validation.formats.records import read_record
from lambdas.validation.jsonl.findings import Findings
from lambdas.validation.jsonl.lines import parse_line
from lambdas.validation.jsonl.ranges import read_lines, read_range, split_ranges
from lambdas.validation.jsonl.sources import DatasetSource


class Sample(NamedTuple):
    """Records by line, how far apart they are, and what they cost together."""

    records: list[tuple[int, Conversation]]
    step: int  # 1: every line, 2: every second …
    cost: float


def sample_records(
    source: DatasetSource,
    kind: FileKind,
    model: Model,
    cost_of: Callable[[Conversation], float],
    budget: float,
) -> Sample:
    """Return the records that `budget` pays for: all, or those of every 2nd, 4th, 8th … line.

    The sample is the same each time, and no more is held than the budget pays for. A line without a
    record is skipped, and so is a record that costs nothing or alone exceeds the budget.
    """
    kept: list[tuple[int, Conversation, float]] = []
    step, spent = 1, 0.0
    for number, line in enumerate(_lines(source), start=1):
        record = None if number % step else parse_line(line, Findings())
        conversation = read_record(record, kind, model, Findings()) if record else None
        cost = cost_of(conversation) if conversation else 0
        if conversation is None or not 0 < cost <= budget:
            continue
        kept.append((number, conversation, cost))
        spent += cost
        while spent > budget:
            step *= 2
            kept = [each for each in kept if not each[0] % step]
            spent = sum(each[2] for each in kept)
    return Sample([(number, record) for number, record, _ in kept], step, spent)


def _lines(source: DatasetSource) -> Iterator[bytes]:
    for part in split_ranges(source.size_bytes):
        for line in read_lines(source, part, read_range(source, part)):
            yield line.content.removesuffix(b"\r")
