"""Requests that cost money: each on record before it is sent, each outcome as soon as it is here.

Whoever goes on with the record, because an answer was lost or a function ended, asks about nothing
that has its outcome, and about nothing more than `ATTEMPTS` times.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace

from lambdas.domain.errors import AnswerLost, OutOfTime
from lambdas.domain.evaluation.records import (
    RECORDED_ERRORS,
    Kept,
    Record,
    error_text,
)
from lambdas.domain.evaluation.rubrics import ATTEMPTS, CallTool, OutOfSchema, Tool, again
from lambdas.domain.parallel import in_parallel

_NOT_SEEN = f"{AnswerLost.__name__}: the function ended before the answer was here"


@dataclass(frozen=True)
class Answered:
    """What came of one request; one that is not `final` is repeated while there are attempts."""

    outcome: Record
    input_tokens: int
    output_tokens: int
    final: bool = True


@dataclass(frozen=True)
class Question:
    """Something to ask about; `send` sends one request about it."""

    name: str
    about: Record
    send: Callable[[Record | None], Answered]  # given the last outcome, None the first time
    most_input_tokens: int  # of a request
    most_output_tokens: int


def assess(
    tool: Tool, call: CallTool, message: str, error_key: str, last: Record | None
) -> Answered:
    """Ask a judge once; one that leaves the schema may be asked again, and is told why."""
    said = call(again(message, refused) if (refused := _refused(last, error_key)) else message)
    try:
        outcome = tool.parse(said.tool_input)
    except OutOfSchema as error:
        failure = {error_key: error_text(error)}
        return Answered(failure, said.input_tokens, said.output_tokens, final=False)
    return Answered(outcome, said.input_tokens, said.output_tokens)


def _refused(last: Record | None, error_key: str) -> str:
    """Return why the last answer left the schema; "" where there was none, or it was lost."""
    kind, _, reason = (last or {}).get(error_key, "").partition(": ")
    return reason if kind == OutOfSchema.__name__ else ""


@dataclass(frozen=True)
class Entry:
    """How far the asking about one thing has come."""

    name: str
    about: Record
    sent: int = 0  # requests that may be paid for
    seen: int = 0  # of these, whose answers arrived
    input_tokens: int = 0  # of those that arrived
    output_tokens: int = 0
    last: Record | None = None  # what the last request brought
    settled: bool = False  # nothing more is asked

    @property
    def lost(self) -> int:
        return self.sent - self.seen

    def record(self, question: Question) -> Record:
        """Return the outcome with its tokens: of a request that was lost, the most it can have."""
        tokens = {
            "input_tokens": self.input_tokens + self.lost * question.most_input_tokens,
            "output_tokens": self.output_tokens + self.lost * question.most_output_tokens,
        }
        return {
            **(self.last or {}),
            **(tokens if self.sent else {}),
            **({"lost_requests": self.lost} if self.lost else {}),
        }


@dataclass
class Pass:
    """What one function does of the asking: it begins nothing whose end it may not see."""

    file: Kept
    may_begin: Callable[[], bool]
    error_key: str  # of an outcome that is a failure
    most_failures: float  # beyond it all is lost: the rest would only cost time and tokens
    failures: int = 0
    moved: bool = False  # something was asked, or settled
    because: str = "no time was left to begin"  # why the last one was not asked
    _known: dict[str, Entry] = field(default_factory=dict)

    def ask(self, questions: Sequence[Question]) -> list[Entry]:
        """Ask about all, as far as time allows; those for which it was short are not settled."""
        self._known = {each["name"]: Entry(**each) for each in self.file.read()}
        return in_parallel(self.settle, questions)

    def settle(self, question: Question) -> Entry:
        """Ask about one thing until it is settled, as far as time allows."""
        entry = self._earlier(question)
        while not entry.settled and self.failures <= self.most_failures and self.may_begin():
            before, entry = entry, self._ask_once(question, entry)
            if entry == before:  # there was no time for another try
                break
        if self.error_key in (entry.last or {}) and entry.settled:
            self.failures += 1
        return entry

    def _earlier(self, question: Question) -> Entry:
        entry = self._known.get(question.name)
        if entry is None or entry.about != question.about:
            return Entry(question.name, question.about)
        # The function that has sent the last one may have ended before it saw the answer.
        return replace(entry, settled=entry.settled or entry.sent >= ATTEMPTS)

    def _ask_once(self, question: Question, entry: Entry) -> Entry:
        begun = replace(entry, sent=entry.sent + 1, last={self.error_key: _NOT_SEEN})
        self._keep(begun)
        after = self._sent(question, entry, begun)
        self._keep(after)
        self.moved = self.moved or after != entry
        return after

    def _sent(self, question: Question, entry: Entry, begun: Entry) -> Entry:
        try:
            answered = question.send(entry.last)
        except OutOfTime as error:
            self.because = str(error)
            return entry
        except AnswerLost as error:
            failure = {self.error_key: error_text(error)}
            return replace(begun, last=failure, settled=begun.sent >= ATTEMPTS)
        except RECORDED_ERRORS as error:
            return replace(entry, last={self.error_key: error_text(error)}, settled=True)
        return replace(
            begun,
            seen=begun.seen + 1,
            input_tokens=begun.input_tokens + answered.input_tokens,
            output_tokens=begun.output_tokens + answered.output_tokens,
            last=answered.outcome,
            settled=answered.final or begun.sent >= ATTEMPTS,
        )

    def _keep(self, entry: Entry) -> None:
        self.file.keep(entry.name, asdict(entry))
