"""The work of one command: ask for what is missing until it is there, or cannot be had."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Literal, Protocol

from dataset.generation.checks import Collection, Kept, Refusal, read_pairs
from dataset.generation.journal import Entry, Journal
from dataset.generation.request import (
    MAX_PAIRS_PER_CALL,
    Ask,
    Task,
    build,
    digest,
    worst_case_input,
)
from dataset.generation.writer import UNFINISHED, Writer
from dataset.sources.documents import Section

Ending = Literal["complete", "ceiling", "exhausted"]


class Watcher(Protocol):
    """Is told of each step; `doing` says what comes next."""

    def show(self, kept: int, tokens: int, doing: str) -> None: ...


@dataclass(frozen=True)
class Outcome:
    """What came of it; tokens are all that the journal holds, `resumed_tokens` those of before."""

    kept: Sequence[Kept]
    refusals: Sequence[Refusal]
    ending: Ending
    input_tokens: int
    output_tokens: int
    resumed_tokens: int
    unfinished: int  # answers that were cut off or lost


@dataclass
class _Course:
    """How far the questions on one section are."""

    section: Section
    pairs_per_call: int = MAX_PAIRS_PER_CALL
    is_open: bool = True
    answers: int = 0
    kept: int = 0
    refusals: list[Refusal] = field(default_factory=list)

    def learn(self, accepted: int, *, finished: bool) -> None:
        """Ask for fewer at a time after an answer that was cut off; ask no more after nothing."""
        self.answers += 1
        self.kept += accepted
        if accepted:
            return
        if finished or self.pairs_per_call == 1:
            self.is_open = False
        else:
            self.pairs_per_call //= 2


class Session:
    """Each answer brings a pair, makes the next question smaller or ends a section: so it ends."""

    def __init__(  # noqa: PLR0913  # a task, its limits, and what it works with
        self,
        task: Task,
        sections: Sequence[Section],
        *,
        pairs: int,
        max_tokens_total: int,
        journal: Journal,
        writer: Writer,
        watcher: Watcher,
    ) -> None:
        self._task, self._wanted, self._ceiling = task, pairs, max_tokens_total
        self._journal, self._writer, self._watcher = journal, writer, watcher
        self._courses = {task.key(section): _Course(section) for section in sections}
        self._collection = Collection(task.language)
        self._refusals: list[Refusal] = []
        self._unfinished = 0
        self._underestimated = 1.0  # the most that an estimate was exceeded by, as a factor
        self._resumed_tokens = journal.tokens

    def run(self) -> Outcome:
        """Take what has been paid for already, then ask for the rest."""
        for entry in [*self._journal.entries]:
            self._take(entry)
        while self._missing:
            wanted = self._next_ask()
            if wanted is None:
                return self._outcome("exhausted")
            key, ask = wanted
            affordable = self._affordable(ask)
            if affordable is None:
                return self._outcome("ceiling")
            self._pay(key, affordable)
        return self._outcome("complete")

    @property
    def _missing(self) -> int:
        return self._wanted - len(self._collection.kept)

    def _next_ask(self) -> tuple[str, Ask] | None:
        """Return the open section that was asked least often and lacks most of its share.

        It follows from the answers so far alone: a resumed command asks what this one would have.
        """
        lacking = [
            (course.answers, -lack, at, key)
            for at, (key, course, lack) in enumerate(self._lacks())
            if lack > 0
        ]
        if not lacking:
            return None
        _, lack, _, key = min(lacking)
        course = self._courses[key]
        existing = [each.pair.question for each in self._collection.of(course.section)]
        refused = [str(each) for each in course.refusals]
        pairs = min(-lack, course.pairs_per_call, self._missing)
        return key, Ask(course.section, pairs, existing, refused)

    def _lacks(self) -> Iterator[tuple[str, _Course, int]]:
        """Yield each open section and how many pairs it lacks of its share by length."""
        opened = {key: course for key, course in self._courses.items() if course.is_open}
        elsewhere = sum(course.kept for course in self._courses.values() if not course.is_open)
        lengths = [len(course.section.text) for course in opened.values()]
        targets = shares(self._wanted - elsewhere, lengths)
        for (key, course), target in zip(opened.items(), targets, strict=True):
            yield key, course, target - course.kept

    def _affordable(self, ask: Ask) -> Ask | None:
        """Return the request, for fewer pairs if need be, if its worst case is paid for."""
        left = self._ceiling - self._journal.tokens
        while ask.pairs and self._estimated_input(ask) + ask.max_tokens > left:
            ask = replace(ask, pairs=ask.pairs // 2)
        return ask if ask.pairs else None

    def _estimated_input(self, ask: Ask) -> int:
        return math.ceil(self._underestimated * worst_case_input(self._task, ask))

    def _pay(self, key: str, ask: Ask) -> None:
        request, estimated = build(self._task, ask), self._estimated_input(ask)
        self._show(f"asking for {ask.pairs}: {ask.section.document}, {ask.section.label}")
        answer = self._writer.ask(request, estimated)
        entry = Entry(
            key=key,
            request=digest(request),
            asked=ask.pairs,
            estimated_input_tokens=worst_case_input(self._task, ask),
            **asdict(answer),
        )
        self._journal.append(entry)
        self._take(entry)

    def _take(self, entry: Entry) -> None:
        course = self._courses.get(entry.key)
        if course is None:  # of another prompt or document: paid for, but of no use here
            return
        finished = entry.stop not in UNFINISHED
        self._unfinished += not finished
        exceeded = entry.input_tokens / max(1, entry.estimated_input_tokens)
        self._underestimated = max(self._underestimated, exceeded)
        values = [] if entry.tool_input is None else read_pairs(entry.tool_input)
        taken = [self._keep(course, value) for value in values[: entry.asked]]
        course.learn(sum(taken), finished=finished)
        self._show("")

    def _keep(self, course: _Course, value: object) -> bool:
        if not self._missing:  # a resumed command may want fewer than were paid for
            return False
        result = self._collection.take(course.section, value)
        if isinstance(result, Refusal):
            course.refusals.append(result)
            self._refusals.append(result)
            return False
        return True

    def _show(self, doing: str) -> None:
        self._watcher.show(len(self._collection.kept), self._journal.tokens, doing)

    def _outcome(self, ending: Ending) -> Outcome:
        entries = self._journal.entries
        return Outcome(
            kept=self._collection.kept,
            refusals=self._refusals,
            ending=ending,
            input_tokens=sum(entry.input_tokens for entry in entries),
            output_tokens=sum(entry.output_tokens for entry in entries),
            resumed_tokens=self._resumed_tokens,
            unfinished=self._unfinished,
        )


def shares(pairs: int, lengths: Sequence[int]) -> list[int]:
    """Divide so many pairs by length; where there are fewer than sections, spread them evenly."""
    total = sum(lengths) or 1
    ends = [round(pairs * end / total) for end in itertools.accumulate(lengths, initial=0)]
    return [end - start for start, end in itertools.pairwise(ends)]
