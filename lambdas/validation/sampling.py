"""Evenly spaced records of a file, as many as a budget reaches for: for what is asked by record."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from lambdas.domain.models.catalogue import Model
from lambdas.validation.formats.conversation import Conversation
from lambdas.validation.formats.fields import Kind
from lambdas.validation.formats.records import read_conversation, read_example
from lambdas.validation.jsonl.blocks import LineReader, LongLine, Range, head_of
from lambdas.validation.jsonl.lines import parse_line
from lambdas.validation.jsonl.problems import Problems
from lambdas.validation.jsonl.sources import Source

Cost = Callable[[Conversation], int]  # 0: the record is passed over


class Picked(NamedTuple):
    """Records by line, and how far apart they are."""

    records: list[tuple[int, Conversation]]
    step: int  # 1: every record, 2: every second …


def pick(source: Source, kind: Kind, model: Model, cost: Cost, budget: int) -> Picked:
    """Return the records of a file that `budget` reaches for: all, or every 2nd, 4th, 8th.

    They are the same each time. Only as much of the file is kept as the budget pays for; a record
    that alone costs more is passed over.
    """
    kept: list[tuple[int, Conversation, int]] = []
    spent, step = 0, 1
    for line, content in _lines(source):
        if line % step:
            continue
        said = _conversation(content, kind, model)
        price = cost(said) if said else 0
        if not said or not 0 < price <= budget:
            continue
        kept.append((line, said, price))
        spent += price
        while spent > budget:
            step *= 2
            kept = [each for each in kept if not each[0] % step]
            spent = sum(each[2] for each in kept)
    return Picked([(line, said) for line, said, _ in kept], step)


def _lines(source: Source) -> Iterator[tuple[int, bytes]]:
    """Yield each line but the overlong ones, with its number."""
    whole = Range(0, source.size_bytes)
    number = 0
    for block in LineReader(source, whole, head_of(source, whole)).blocks():
        if isinstance(block, LongLine):
            number += 1
            continue
        content = bytes(block.buffer[block.first : block.last]).removesuffix(b"\n")
        for line in content.split(b"\n"):
            number += 1
            yield number, line.removesuffix(b"\r")


def _conversation(line: bytes, kind: Kind, model: Model) -> Conversation | None:
    problems = Problems()
    record = parse_line(line, 0, problems)
    if record is None:
        return None
    if kind == "evaluation":
        example = read_example(record, problems)
        return example.conversation if example else None
    return read_conversation(record, model, problems)
