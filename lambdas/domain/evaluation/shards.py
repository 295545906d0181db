"""Evaluation questions by shards, so that no function has to hold, or to finish, all of them.

A shard is so many questions in the order of their file: those of every model's answers, of the
judgements and of the verdict are the same. A state works through them one after the other, and one
that is called again begins at the first that is not finished.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Protocol, TypeVar

from lambdas.domain.evaluation.records import Record, RecordFile

SHARD_QUESTIONS = 250
LineT = TypeVar("LineT")
Tally = Counter[str]  # what a shard comes to: answers, failures, tokens
COUNTED = ("input_tokens", "output_tokens", "lost_requests")  # of each record


class Shards(Protocol):
    """Files of records, one a shard, and the tallies of those that are finished."""

    @property
    def prefix(self) -> str: ...

    @property
    def uri(self) -> str: ...

    def tallies(self) -> list[Tally]:
        """Return those of the finished shards, which are the first."""

    def file(self, shard: int) -> RecordFile: ...

    def finish(self, shard: int, tally: Tally) -> None:
        """Mark a shard whose file is written as finished."""


def unfinished(lines: Iterable[LineT], finished: int) -> Iterator[tuple[int, list[LineT]]]:
    """Yield the number and the lines of each shard that is not among the first, finished ones."""
    left = islice(lines, finished * SHARD_QUESTIONS, None)
    shard = finished
    while found := list(islice(left, SHARD_QUESTIONS)):
        yield shard, found
        shard += 1


def tokens_of(records: Iterable[Record]) -> Tally:
    """Return the tokens and lost requests of records together."""
    kept = [*records]
    return Tally({name: sum(each.get(name, 0) for each in kept) for name in COUNTED})
