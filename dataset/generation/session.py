"""Asks for pairs until there are enough, or no more can be had."""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import InitVar, dataclass, field, replace
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
    saved: list[PaidAnswer]  # that are not used yet, oldest first
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
        saved: defaultdict[str, list[PaidAnswer]] = defaultdict(list)
        for entry in self.journal.entries:
            saved[entry.key].append(entry)
        keys = {self.task.key(section): section for section in sections}
        self._sections = [_SectionProgress(section, saved[key]) for key, section in keys.items()]
        self._pairs = KeptPairs(self.task.language)
        self._underestimated = 1.0  # the largest factor by which an estimate was exceeded

    def run(self) -> GenerationResult:
        """Ask about one section after the other, round by round.

        Where an answer is paid for already, it is used instead: a resumed command goes the same
        way again, and makes the same requests. Paid answers that are off this way, as it is not
        the same command or document, are used at its end.
        """
        ending: Ending = "complete"
        while self._missing and ending == "complete":
            opened = [each for each in self._sections if each.pairs_per_call]
            lengths = [len(each.section.text) for each in opened]
            targets = zip(opened, shares(self._missing, lengths), strict=True)
            answers = [self._answer(state, target) for state, target in targets]
            if not any(answers):
                ending = self._ending_without_requests(can_ask=bool(opened))
        refusals = [refusal for each in self._sections for refusal in each.refusals]
        return GenerationResult(self._pairs.kept, refusals, ending)

    @property
    def _missing(self) -> int:
        return self.pairs - len(self._pairs.kept)

    def _answer(self, state: _SectionProgress, target: int) -> bool:
        """Use the next answer on a section; False if there is to be none in this round."""
        pairs = min(target, state.pairs_per_call, self._missing)
        answer = None
        if pairs:
            answer = state.saved.pop(0) if state.saved else self._paid(state, pairs)
        if answer:
            self._use(state, answer)
        return answer is not None

    def _ending_without_requests(self, *, can_ask: bool) -> Ending:
        for state in self._sections:
            for answer in state.saved:
                self._use(state, answer)
        if not self._missing:
            return "complete"
        return "ceiling" if can_ask else "exhausted"

    def _paid(self, state: _SectionProgress, pairs: int) -> PaidAnswer | None:
        """Ask for pairs, if need be for fewer; None if the ceiling allows no request."""
        left = self.max_tokens_total - paid_tokens(self.journal.entries)
        if left <= 0:  # estimating a request takes milliseconds
            return None
        existing = [kept.pair.question for kept in self._pairs.of(state.section)]
        request = PairRequest(state.section, pairs, existing, [*map(str, state.refusals)])
        while request.pairs and self._estimated_input(request) + request.max_tokens > left:
            request = replace(request, pairs=request.pairs // 2)
        if not request.pairs:
            return None
        section = request.section
        self._show(f"asking for {request.pairs}: {section.document}, {section.label}")
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
        return entry

    def _estimated_input(self, request: PairRequest) -> int:
        return math.ceil(self._underestimated * worst_case_input(self.task, request))

    def _use(self, state: _SectionProgress, entry: PaidAnswer) -> None:
        """Keep the pairs of an answer; if none can be kept, ask for fewer or no more."""
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
        self._show("")

    def _show(self, doing: str) -> None:
        self.progress.show(len(self._pairs.kept), paid_tokens(self.journal.entries), doing)


def shares(pairs: int, lengths: Sequence[int]) -> list[int]:
    """Divide pairs by length; if there are fewer than sections, spread them evenly."""
    total = sum(lengths) or 1
    ends = [round(pairs * end / total) for end in itertools.accumulate(lengths, initial=0)]
    return [end - start for start, end in itertools.pairwise(ends)]
