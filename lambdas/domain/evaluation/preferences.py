"""Which of both answers a judge prefers: asked in both orders, where disagreement is a tie."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import chain
from math import inf

from lambdas.domain.evaluation.answers import NO_ANSWER
from lambdas.domain.evaluation.attempts import Pass, Question, assess
from lambdas.domain.evaluation.records import Record, RecordFile
from lambdas.domain.evaluation.rubrics import MAX_TOKENS, CallTool, Choice, fenced
from lambdas.domain.run.contracts import Preferences

_ERROR = "preference_error"
_ORDERS = (("base", "tuned"), ("tuned", "base"))


@dataclass(frozen=True)
class ComparedAnswers:
    """Two answers in one order; the judge never learns which side each is of."""

    id: str
    first_side: str
    question: str
    reference_answer: str
    first_answer: str
    second_answer: str
    history: str = ""  # as in `JudgedAnswer`

    @property
    def message(self) -> str:
        """The judge's user message."""
        names = ("history", "question", "reference_answer", "first_answer", "second_answer")
        return fenced({name: text for name in names if (text := getattr(self, name))})


@dataclass(frozen=True)
class Preferred:
    """What came of the comparisons: their records, by the question's id and the first side."""

    records: dict[tuple[str, str], Record]
    moved: bool
    done: bool


def preferences_of(judgements: Iterable[Record]) -> Preferences:
    """Count by question: a side has to be preferred in both orders."""
    found = [each["preferences"] for each in judgements if "preferences" in each]
    both = [each for each in found if all("better" in (each[side] or {}) for side, _ in _ORDERS)]
    agreed: Counter[str] = Counter(map(_preferred_side, both))
    chosen = Counter(each[side]["better"] for each in both for side, _ in _ORDERS)
    return Preferences(
        questions=len(both),
        tuned=agreed["tuned"],
        base=agreed["base"],
        neither=agreed["neither"],
        first=chosen["first"],
        second=chosen["second"],
    )


def _preferred_side(by_first: Mapping[str, Record]) -> str:
    """Return the side that is preferred in both orders, or "neither"."""
    sides = {
        {"first": first, "second": second}.get(by_first[first]["better"], "neither")
        for first, second in _ORDERS
    }
    return sides.pop() if len(sides) == 1 else "neither"


def prefer(
    judged: Sequence[Record],
    *,
    file: RecordFile,
    tool: Choice,
    call: CallTool,
    may_begin: Callable[[], bool],
) -> Preferred:
    """Compare both answers of every question that has them, in both orders, as time allows.

    `call` uses `tool`. A judge that gives none is no failure: the scores decide. Of general
    questions the scores alone are of interest.
    """
    compared = [*chain.from_iterable(map(_both_orders, judged))]
    asking = Pass(file, may_begin, _ERROR, inf)
    questions = [_question(tool, call, each) for each in compared]
    entries = zip(compared, questions, asking.ask(questions), strict=True)
    records = {
        (each.id, each.first_side): entry.record(question)
        for each, question, entry in entries
        if entry.settled
    }
    return Preferred(records, asking.moved, done=len(records) == len(compared))


def _both_orders(judged: Record) -> Iterator[ComparedAnswers]:
    sides = [judged[side] for side in _ORDERS[0]]
    is_answered = all("answer" in side and side["outcome"] not in NO_ANSWER for side in sides)
    if judged.get("general") or not is_answered:
        return
    for first, second in _ORDERS:
        yield ComparedAnswers(
            judged["id"],
            first,
            judged["question"],
            judged["reference_answer"],
            judged[first]["answer"],
            judged[second]["answer"],
            judged.get("history", ""),
        )


def _question(tool: Choice, call: CallTool, compared: ComparedAnswers) -> Question:
    return Question(
        name=f"{compared.first_side}-first {compared.id}",  # a name that no side has
        about=asdict(compared) | {"prompt": tool.name},
        send=partial(assess, tool, call, compared.message, _ERROR),
        most_input_tokens=tool.most_input_tokens(compared.message),
        most_output_tokens=MAX_TOKENS,
    )
