"""Asks for pairs until there are enough, or no more can be had."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import InitVar, dataclass, field, replace
from operator import sub
from typing import Any, Literal

from pydantic import BaseModel

from dataset.generation.checks import KeptPair, KeptPairs, Refusal, read_pairs
from dataset.generation.journal import Journal
from dataset.generation.progress_bar import ProgressBar
from dataset.generation.request import (
    MAX_PAIRS_PER_CALL,
    GenerationTask,
    PairRequest,
    build,
    worst_case_input,
)
from dataset.generation.writer import UNFINISHED, Writer
from dataset.sources.sections import Section

Ending = Literal["complete", "ceiling", "exhausted"]


class PaidAnswer(BaseModel, frozen=True):
    """One paid answer of the model, as it is in the journal."""

    key: str  # of the task and the section: `GenerationTask.key`
    asked: int  # pairs
    stop: str  # Converse's stopReason, or what `writer` puts in its place
    tool_input: Any
    input_tokens: int
    output_tokens: int
    estimated_input_tokens: int

    @property
    def is_unfinished(self) -> bool:
        return self.stop in UNFINISHED


def paid_tokens(answers: Iterable[PaidAnswer]) -> int:
    return sum(answer.input_tokens + answer.output_tokens for answer in answers)


@dataclass(frozen=True)
class GenerationResult:
    kept: Sequence[KeptPair]
    refusals: Sequence[Refusal]
    ending: Ending


@dataclass
class _SectionProgress:
    """How far a section has been asked about."""

    section: Section
    answers: int = 0
    pairs_per_call: int = MAX_PAIRS_PER_CALL  # 0: no more is asked
    refusals: list[Refusal] = field(default_factory=list)


@dataclass
class Session:
    """Ends, because each answer brings a pair, makes the next request smaller or ends a section."""

    task: GenerationTask
    sections: InitVar[Sequence[Section]]
    pairs: int  # wanted
    max_tokens_total: int
    journal: Journal[PaidAnswer]
    writer: Writer
    progress: ProgressBar

    def __post_init__(self, sections: Sequence[Section]) -> None:
        self._sections = {self.task.key(each): _SectionProgress(each) for each in sections}
        self._pairs = KeptPairs(self.task.language)
        self._is_beyond_ceiling = False  # some section
        self._underestimated = 1.0  # the largest factor by which an estimate was exceeded

    def run(self) -> GenerationResult:
        """Use what is paid for already, then ask until there are enough pairs.

        What is asked next depends on the answers so far alone: a resumed command makes the requests
        that it would have made without the interruption.
        """
        for entry in self.journal.entries:
            self._use(entry)
        ending: Ending = "complete"
        while self._missing:
            state, pairs = self._next()
            if state is None:
                ending = "ceiling" if self._is_beyond_ceiling else "exhausted"
                break
            self._ask(state, pairs)
        refusals = [refusal for each in self._sections.values() for refusal in each.refusals]
        return GenerationResult(self._pairs.kept, refusals, ending)

    @property
    def _missing(self) -> int:
        return self.pairs - len(self._pairs.kept)

    def _next(self) -> tuple[_SectionProgress | None, int]:
        """Return the least asked section that lacks pairs of its share, and how many it lacks."""
        opened = [each for each in self._sections.values() if each.pairs_per_call]
        kept = [len(self._pairs.of(each.section)) for each in opened]
        wanted = shares(self._missing + sum(kept), [len(each.section.text) for each in opened])
        lacking = [each for each in zip(opened, map(sub, wanted, kept), strict=True) if each[1] > 0]
        return min(lacking, key=lambda each: each[0].answers, default=(None, 0))

    def _ask(self, state: _SectionProgress, pairs: int) -> None:
        """Ask for pairs, if need be for fewer; not again, if the ceiling allows no request."""
        left = self.max_tokens_total - paid_tokens(self.journal.entries)
        existing = [kept.pair.question for kept in self._pairs.of(state.section)]
        pairs = min(pairs, state.pairs_per_call)
        request = PairRequest(state.section, pairs, existing, [*map(str, state.refusals)])
        while request.pairs and self._estimated_input(request) + request.max_tokens > left:
            request = replace(request, pairs=request.pairs // 2)
        if not request.pairs:
            state.pairs_per_call, self._is_beyond_ceiling = 0, True
            return
        section = request.section
        asked = f"asking for {request.pairs}: {section.document}, {section.label}"
        self.progress.note(f"{self.pairs - self._missing} of {self.pairs} pairs; {asked}")
        answer = self.writer.ask(build(self.task, request), self._estimated_input(request))
        entry = PaidAnswer(
            key=self.task.key(section),
            asked=request.pairs,
            estimated_input_tokens=worst_case_input(self.task, request),
            stop=answer.stop_reason,
            tool_input=answer.tool_input,
            input_tokens=answer.input_tokens,
            output_tokens=answer.output_tokens,
        )
        self.journal.append(entry)
        self._use(entry)

    def _estimated_input(self, request: PairRequest) -> int:
        return math.ceil(self._underestimated * worst_case_input(self.task, request))

    def _use(self, entry: PaidAnswer) -> None:
        """Keep the pairs of an answer; if none can be kept, ask for fewer or no more."""
        state = self._sections.get(entry.key)
        if state is None:  # it is on another document, or of another model or prompt
            return
        state.answers += 1
        exceeded = entry.input_tokens / max(1, entry.estimated_input_tokens)
        self._underestimated = max(self._underestimated, exceeded)
        values = [] if entry.tool_input is None else read_pairs(entry.tool_input)
        before = self._missing
        for value in values[: entry.asked]:
            # A resumed command may want fewer than were paid for.
            result = self._pairs.take(state.section, value) if self._missing else None
            if isinstance(result, Refusal):
                state.refusals.append(result)
        if self._missing == before:
            state.pairs_per_call = state.pairs_per_call // 2 if entry.is_unfinished else 0
        self.progress.move(before - self._missing)


def shares(pairs: int, lengths: Sequence[int]) -> list[int]:
    """Divide pairs by length; if there are fewer than sections, spread them evenly."""
    total = sum(lengths) or 1
    ends = [round(pairs * end / total) for end in itertools.accumulate(lengths, initial=0)]
    return [end - start for start, end in itertools.pairwise(ends)]
