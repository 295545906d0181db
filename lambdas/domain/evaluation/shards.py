"""Evaluation questions by shards, so that no function has to hold, or to finish, all of them.

A shard is so many questions in the order of their file, fewer of long ones: those of every model's
answers, of the judgements and of the verdict are the same. A state works through them one after the
other, and one that is called again begins at the first that is not finished.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, Protocol

from lambdas.domain.evaluation.records import Record, RecordFile

SHARD_QUESTIONS = 250
# Of their lines. In memory a character has up to four bytes, and is there about ten times for
# each of the models: 20 MB a model of a function's 512.
SHARD_CHARACTERS = 2_000_000
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


def unfinished(
    lines: Iterable[Mapping[str, Any]], finished: int
) -> Iterator[tuple[int, list[Mapping[str, Any]]]]:
    """Yield the number and the lines of each shard that is not among the first, finished ones."""
    return islice(enumerate(_cut(lines)), finished, None)


def _cut(lines: Iterable[Mapping[str, Any]]) -> Iterator[list[Mapping[str, Any]]]:
    """Yield shards; where one ends follows from its own lines and the next, so from any beginning.

    A model that is asked no general questions has the same shards but the last.
    """
    shard: list[Mapping[str, Any]] = []
    characters = 0
    for line in lines:
        size = len(str(line))
        if shard and (len(shard) == SHARD_QUESTIONS or characters + size > SHARD_CHARACTERS):
            yield shard
            shard, characters = [], 0
        shard.append(line)
        characters += size
    if shard:
        yield shard


def tokens_of(records: Iterable[Record]) -> Tally:
    """Return the tokens and lost requests of records together."""
    kept = [*records]
    return Tally({name: sum(each.get(name, 0) for each in kept) for name in COUNTED})
