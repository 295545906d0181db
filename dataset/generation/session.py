"""Asks for pairs until there are enough, or no more can be had."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
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
    digest,
    worst_case_input,
)
from dataset.generation.writer import UNFINISHED, Writer
from dataset.sources.sections import Section

Ending = Literal["complete", "ceiling", "exhausted"]


class PaidAnswer(BaseModel, frozen=True, extra="forbid"):
    """One paid answer of the model, as it is in the journal."""

    key: str  # of the task and the section: `GenerationTask.key`
    request: str  # hash of the whole request
    asked: int  # pairs
    stop: str  # Converse's stopReason, or what `writer` puts in its place
    tool_input: Any
    input_tokens: int
    output_tokens: int
    estimated_input_tokens: int


def paid_tokens(journal: Journal[PaidAnswer]) -> int:
    return sum(answer.input_tokens + answer.output_tokens for answer in journal.entries)


@dataclass(frozen=True)
class GenerationResult:
    """The result; tokens are all in the journal, those of earlier commands too."""

    kept: Sequence[KeptPair]
    refusals: Sequence[Refusal]
    ending: Ending
    input_tokens: int
    output_tokens: int
    unfinished: int  # answers that were cut off or lost


@dataclass
class _SectionProgress:
    """How far a section has been asked about."""

    section: Section
    pairs_per_call: int = MAX_PAIRS_PER_CALL
    is_open: bool = True
    answers: int = 0
    kept: int = 0
    refusals: list[Refusal] = field(default_factory=list)

    def add_answer(self, accepted: int, *, finished: bool) -> None:
        """Count an answer; without a pair, ask for fewer if it was cut off, else ask no more."""
        self.answers += 1
        self.kept += accepted
        if accepted:
            return
        if finished or self.pairs_per_call == 1:
            self.is_open = False
        else:
            self.pairs_per_call //= 2


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
        self._sections = {self.task.key(section): _SectionProgress(section) for section in sections}
        self._pairs = KeptPairs(self.task.language)
        self._refusals: list[Refusal] = []
        self._unfinished = 0
        self._underestimated = 1.0  # the largest factor by which an estimate was exceeded

    def run(self) -> GenerationResult:
        """Use the answers that are paid for already, then ask for the rest."""
        for entry in [*self.journal.entries]:
            self._use(entry)
        while self._missing:
            wanted = self._next_request()
            if wanted is None:
                return self._outcome("exhausted")
            key, request = wanted
            affordable = self._affordable(request)
            if affordable is None:
                return self._outcome("ceiling")
            self._pay(key, affordable)
        return self._outcome("complete")

    @property
    def _missing(self) -> int:
        return self.pairs - len(self._pairs.kept)

    def _next_request(self) -> tuple[str, PairRequest] | None:
        """Ask about the open section with the fewest answers and, of these, the most missing pairs.

        It depends only on the answers so far, so that a resumed command makes the same requests.
        """
        lacking = [
            (self._sections[key].answers, -lack, at, key)
            for at, (key, lack) in enumerate(self._lacks())
            if lack > 0
        ]
        if not lacking:
            return None
        _, lack, _, key = min(lacking)
        state = self._sections[key]
        existing = [kept.pair.question for kept in self._pairs.of(state.section)]
        pairs = min(-lack, state.pairs_per_call, self._missing)
        return key, PairRequest(state.section, pairs, existing, [*map(str, state.refusals)])

    def _lacks(self) -> Iterator[tuple[str, int]]:
        """Yield the key of each open section and the pairs that it lacks of its share by length."""
        opened = {key: state for key, state in self._sections.items() if state.is_open}
        elsewhere = sum(state.kept for state in self._sections.values() if not state.is_open)
        lengths = [len(state.section.text) for state in opened.values()]
        targets = shares(self.pairs - elsewhere, lengths)
        for (key, state), target in zip(opened.items(), targets, strict=True):
            yield key, target - state.kept

    def _affordable(self, request: PairRequest) -> PairRequest | None:
        """Return the request, if need be for fewer pairs, if the ceiling allows its worst case."""
        left = self.max_tokens_total - paid_tokens(self.journal)
        while request.pairs and self._estimated_input(request) + request.max_tokens > left:
            request = replace(request, pairs=request.pairs // 2)
        return request if request.pairs else None

    def _estimated_input(self, request: PairRequest) -> int:
        return math.ceil(self._underestimated * worst_case_input(self.task, request))

    def _pay(self, key: str, request: PairRequest) -> None:
        arguments, estimated = build(self.task, request), self._estimated_input(request)
        section = request.section
        self._show(f"asking for {request.pairs}: {section.document}, {section.label}")
        answer = self.writer.ask(arguments, estimated)
        entry = PaidAnswer(
            key=key,
            request=digest(arguments),
            asked=request.pairs,
            estimated_input_tokens=worst_case_input(self.task, request),
            stop=answer.stop_reason,
            tool_input=answer.tool_input,
            input_tokens=answer.input_tokens,
            output_tokens=answer.output_tokens,
        )
        self.journal.append(entry)
        self._use(entry)

    def _use(self, entry: PaidAnswer) -> None:
        state = self._sections.get(entry.key)
        if state is None:  # of another prompt or document: paid for, but of no use here
            return
        finished = entry.stop not in UNFINISHED
        self._unfinished += not finished
        exceeded = entry.input_tokens / max(1, entry.estimated_input_tokens)
        self._underestimated = max(self._underestimated, exceeded)
        values = [] if entry.tool_input is None else read_pairs(entry.tool_input)
        accepted = sum(self._keep(state, value) for value in values[: entry.asked])
        state.add_answer(accepted, finished=finished)
        self._show("")

    def _keep(self, state: _SectionProgress, value: object) -> bool:
        if not self._missing:  # a resumed command may want fewer than were paid for
            return False
        result = self._pairs.take(state.section, value)
        if isinstance(result, Refusal):
            state.refusals.append(result)
            self._refusals.append(result)
            return False
        return True

    def _show(self, doing: str) -> None:
        self.progress.show(len(self._pairs.kept), paid_tokens(self.journal), doing)

    def _outcome(self, ending: Ending) -> GenerationResult:
        entries = self.journal.entries
        return GenerationResult(
            kept=self._pairs.kept,
            refusals=self._refusals,
            ending=ending,
            input_tokens=sum(entry.input_tokens for entry in entries),
            output_tokens=sum(entry.output_tokens for entry in entries),
            unfinished=self._unfinished,
        )


def shares(pairs: int, lengths: Sequence[int]) -> list[int]:
    """Divide pairs by length; if there are fewer than sections, spread them evenly."""
    total = sum(lengths) or 1
    ends = [round(pairs * end / total) for end in itertools.accumulate(lengths, initial=0)]
    return [end - start for start, end in itertools.pairwise(ends)]
