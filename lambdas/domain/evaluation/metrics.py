"""What an answer is measured by: a judge's score, or what a computer can tell by itself.

Each metric gives every question a score for each side; what is no answer has the lowest. One
metric decides; `run.execution_input` names them.
"""

from __future__ import annotations

import re
import unicodedata
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from statistics import fmean
from typing import ClassVar

from lambdas.domain.evaluation.answers import NO_ANSWER
from lambdas.domain.evaluation.records import Record
from lambdas.domain.evaluation.results import SIDES, said_by
from lambdas.domain.evaluation.rubrics import HIGHEST_SCORE, LOWEST_SCORE
from lambdas.domain.run.contracts import MetricFigures
from lambdas.domain.run.execution_input import MetricName
from lambdas.validation.formats.answer_schema import AnswerSchema
from lambdas.validation.formats.visible import without_invisible

Pair = tuple[float, float]  # of base and tuned
_LABEL, _WHY = "label", "not_valid"  # what is kept beside a score
_LEAST_A_LABEL = 2  # references, so that an F1 of it says something
_LABEL_CHARACTERS = 100  # longer ones are no labels, and would fill the memory
_NAMES = {"base": "the base model", "tuned": "the tuned model"}
_QUOTES = "\"'`´“”„‟‘’‚‛«»‹›「」『』〝〞〟"  # noqa: RUF001  # as people and models write them
_ENDS = ".!?…。｡"
# Characters of scripts that are written without blanks, between which a blank says nothing.
_DENSE = "[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]"
_BLANK_BETWEEN = re.compile(rf"(?<={_DENSE}) (?={_DENSE})")


@dataclass(frozen=True)
class Measured:
    """What a metric makes of questions that have a score of both sides.

    `figures` have the metric's own figure as their mean, and the spread that its interval needs;
    `scores` say for each question which side is the better. For all metrics but label F1 they are
    the same.
    """

    figures: tuple[Pair, ...]
    scores: tuple[Pair, ...]


class Metric(ABC):
    """Scores results, as `results_of` returns them, in two steps: only the first needs the texts.

    `keep` reads an answer and returns what is kept of it; all else goes by what was kept.
    """

    name: ClassVar[MetricName]
    title: ClassVar[str]  # within a sentence
    method: ClassVar[str]  # what an answer is scored by, as a sentence
    lowest: ClassVar[float] = 0
    highest: ClassVar[float] = 1
    added_spread: ClassVar[float] = 0.5  # see `statistics`: that of what is right or wrong

    @abstractmethod
    def keep(self, reference: str, answer: str) -> Record:
        """Return what is kept of an answer; of one that is none, `answer` is empty."""

    @abstractmethod
    def score(self, side: Record) -> float | None:
        """Return the score of a side; None where it has no record of an answer, or no score."""

    @classmethod
    def scale(cls) -> float:
        return cls.highest - cls.lowest

    @classmethod
    @abstractmethod
    def shown(cls, figure: float) -> str:
        """Write a figure for people."""

    @classmethod
    @abstractmethod
    def change(cls, difference: float) -> str:
        """Write a difference of figures for people, with its sign."""

    @classmethod
    @abstractmethod
    def mark(cls, score: float) -> str:
        """Write the score of one answer for people."""

    def measure(
        self,
        results: Iterable[Record],
        *,
        missing_is_lowest: bool = False,
        sides: tuple[str, str] = SIDES,
    ) -> Measured:
        """Measure the questions with both scores, or all, with the lowest in place of a missing."""
        scored = self._scored(results, sides, missing_is_lowest=missing_is_lowest)
        return self._measured([*scored], sides)

    def notes(self, results: Sequence[Record]) -> Iterator[str]:  # noqa: ARG002  # of most, none
        """Yield sentences on what the scores do not show."""
        yield from ()

    def _measured(
        self,
        scored: Sequence[tuple[Record, Pair]],
        sides: tuple[str, str],  # noqa: ARG002  # of most, the scores are the figures
    ) -> Measured:
        pairs = tuple(pair for _, pair in scored)
        return Measured(pairs, pairs)

    def _scored(
        self, results: Iterable[Record], sides: tuple[str, str], *, missing_is_lowest: bool
    ) -> Iterator[tuple[Record, Pair]]:
        for result in results:
            base, tuned = (self.score(said_by(side, result)) for side in sides)
            if missing_is_lowest:
                base, tuned = (self.lowest if each is None else each for each in (base, tuned))
            if base is not None and tuned is not None:
                yield result, (base, tuned)


class Judged(Metric):
    """The judge's score of correctness, from 1 to 10."""

    name = "judge"
    title = "correctness"
    method = (
        "scored each answer by itself on its correctness against the reference answer, from "
        f"{LOWEST_SCORE} to {HIGHEST_SCORE}, without being told which model gave it."
    )
    lowest, highest = LOWEST_SCORE, HIGHEST_SCORE
    added_spread = 2

    def keep(self, reference: str, answer: str) -> Record:  # noqa: ARG002  # the judge has read it
        return {}

    def score(self, side: Record) -> float | None:
        return side.get("score")

    @classmethod
    def shown(cls, figure: float) -> str:
        return f"{figure:.2f}"

    @classmethod
    def change(cls, difference: float) -> str:
        return f"{difference:+.2f}"

    @classmethod
    def mark(cls, score: float) -> str:
        return f"{score:g} of {cls.highest}"


class Share(Metric):
    """The share of answers that are right, each of which is 1 or 0."""

    def keep(self, reference: str, answer: str) -> Record:
        return {self.name: int(bool(answer) and self.is_right(reference, answer))}

    def is_right(self, reference: str, answer: str) -> bool:
        return plain(answer) == plain(reference)

    def score(self, side: Record) -> float | None:
        return side.get(self.name)

    @classmethod
    def shown(cls, figure: float) -> str:
        return f"{100 * figure:.1f} %"

    @classmethod
    def change(cls, difference: float) -> str:
        return f"{100 * difference:+.1f} points"

    @classmethod
    def mark(cls, score: float) -> str:
        return "right" if score else "wrong"


class ExactMatch(Share):
    """Whether the answer is the reference, as far as `plain` tells them apart."""

    name = "exact-match"
    title = "exact match"
    method = (
        "An answer is right if it is the reference answer, but for case, width, blanks, quotes "
        "around it and punctuation at its end."
    )


@dataclass(frozen=True)
class JsonSchema(Share):
    """Whether the answer is JSON that the dataset's schema allows; the reference does not count."""

    schema: AnswerSchema
    name = "json-schema"
    title = "valid JSON"
    method = (
        "An answer is valid if it is JSON that the dataset's answer.schema.json allows, by itself "
        "or as one fenced block; whether it says what the reference answer does is not asked."
    )

    @classmethod
    def mark(cls, score: float) -> str:
        return "valid" if score else "not valid"

    def keep(self, reference: str, answer: str) -> Record:  # noqa: ARG002  # valid by itself
        problem = self.schema.problem(answer)
        return {self.name: int(not problem), **({_WHY: problem} if problem and answer else {})}

    def notes(self, results: Sequence[Record]) -> Iterator[str]:
        """Yield the commonest reason for which the answers of a side are not valid."""
        for side, name in _NAMES.items():
            whys = Counter(each[side][_WHY] for each in results if _WHY in each[side])
            if whys:
                why, times = whys.most_common(1)[0]
                yield (
                    f"{whys.total()} of {len(results)} answers of {name} are not valid; the "
                    f"commonest reason, of {times}: {why}."
                )


class LabelF1(Share):
    """Macro-F1 over the labels that the references are; any other answer is a wrong one.

    The spread that the interval needs is by the infinitesimal jackknife: what a question adds to
    the figure, to first order (Efron 1982, The Jackknife, the Bootstrap and Other Resampling Plans,
    chapter 6). Its mean is the F1 itself, and unlike leaving questions out one by one it is defined
    where a label has one reference only.
    """

    name = "label-f1"
    title = "macro-F1 of the labels"
    method = (
        "An answer is right if it is the label that the reference answer is, but for case, width, "
        "blanks, quotes around it and punctuation at its end; F1 is the mean over all labels."
    )

    def keep(self, reference: str, answer: str) -> Record:
        return {**super().keep(reference, answer), _LABEL: label_of(answer)}

    def notes(self, results: Sequence[Record]) -> Iterator[str]:
        """Yield how many answers of a side are none of the labels, and whether these are labels."""
        labels = {each[_LABEL] for each in results}
        if self.are_none(results):
            yield (
                f"{len(results)} reference answers have {len(labels)} labels: label-f1 is for "
                "answers that are one of a few."
            )
        for side, name in _NAMES.items():
            said = [label for each in results if (label := each[side].get(_LABEL))]
            if others := sum(label not in labels for label in said):
                yield (
                    f"{others} of {len(said)} answers of {name} are none of the {len(labels)} "
                    "labels, and so are wrong."
                )

    @staticmethod
    def are_none(results: Sequence[Record]) -> bool:
        """Whether the references are texts of their own, and no labels."""
        return _LEAST_A_LABEL * len({each[_LABEL] for each in results}) > len(results)

    def _measured(self, scored: Sequence[tuple[Record, Pair]], sides: tuple[str, str]) -> Measured:
        labels = [result[_LABEL] for result, _ in scored]
        figures = [
            influences(labels, [said_by(side, result).get(_LABEL, "") for result, _ in scored])
            for side in sides
        ]
        return Measured(tuple(zip(*figures, strict=True)), tuple(pair for _, pair in scored))


def influences(references: Sequence[str], answers: Sequence[str]) -> list[float]:
    """Return the macro-F1, with what each question adds to it: a list whose mean is the F1.

    What they add is widened by as many degrees of freedom as there are labels, whose own figures
    are of the same questions: `benchmarks/verdicts.py` measures what the interval covers.
    """
    supports, given = Counter(references), Counter(answers)
    paired = [*zip(references, answers, strict=True)]
    hits = Counter(reference for reference, answer in paired if reference == answer)
    sums = {label: supports[label] + given[label] for label in supports}
    f1s = {label: 2 * hits[label] / sums[label] for label in supports}
    questions, labels = len(references), len(supports)
    widened = questions / max(1, questions - labels)

    def added_to(label: str, reference: str, answer: str) -> float:
        counted = (label == reference) + (label == answer)  # of the label's sum
        return (2 * (label == reference == answer) - f1s[label] * counted) / sums[label]

    macro = fmean(f1s.values()) if f1s else 0.0

    def added_by(pair: tuple[str, str]) -> float:
        return sum(added_to(label, *pair) for label in {*pair} if label in sums)

    return [macro + widened * questions / labels * added_by(pair) for pair in paired]


def figures_of(metric: Metric, results: Sequence[Record]) -> MetricFigures | None:
    """Return the figures of a metric that does not decide; None where it says nothing."""
    if isinstance(metric, LabelF1) and metric.are_none(results):
        return None
    pairs = metric.measure(results).figures
    if not pairs or (metric.lowest == 0 and not any(map(any, pairs))):
        return None
    base, tuned = (fmean(side) for side in zip(*pairs, strict=True))
    return MetricFigures(metric=metric.name, base=base, tuned=tuned)


def told(figures: MetricFigures) -> str:
    """Write figures as a sentence."""
    kind = METRICS[figures.metric]
    title = kind.title[0].upper() + kind.title[1:]
    return f"{title}: {kind.shown(figures.tuned)} tuned, {kind.shown(figures.base)} base."


@lru_cache(maxsize=8)  # of one question, whose texts several metrics compare
def plain(text: str) -> str:
    """Return a text without what does not make it another answer.

    That is case, width and form of characters (NFKC), invisible ones, blanks, of which one stays
    between words, quotes around it, and punctuation at its end.
    """
    folded = unicodedata.normalize("NFKC", text).casefold()
    known = without_invisible(unicodedata.normalize("NFKC", folded))
    words = _BLANK_BETWEEN.sub("", " ".join(known.split()))
    return _bare(words) or words


def _bare(text: str) -> str:
    before = ""
    while text != before:
        before, text = text, text.strip(_QUOTES + " ").rstrip(_ENDS)
    return text


def label_of(text: str) -> str:
    """Return a text as a label: plain, and a digest of one too long to be one."""
    label = plain(text)
    return label if len(label) <= _LABEL_CHARACTERS else sha256(label.encode()).hexdigest()


def with_metrics(result: Record, deciding: Metric, *others: Metric) -> Record:
    """Add what each metric keeps of a result, as `Metric` has it: then its texts may go.

    The score by the deciding metric is each side's "score", whichever it is.
    """
    reference, every = result["reference_answer"], [deciding, *others]
    if result.get("general") and not isinstance(deciding, Judged):
        deciding = ExactMatch()  # what a task's metric measures, general answers need not have

    def read(side: Record) -> Record:
        if "answer" not in side:
            return side
        answer = "" if side["outcome"] in NO_ANSWER else side["answer"]
        kept = side | dict(item for each in every for item in each.keep(reference, answer).items())
        if isinstance(deciding, Judged):
            return kept
        return {**kept, "score": deciding.score(kept), "reason": kept.get(_WHY, "")}

    sides = {side: read(result[side]) for side in SIDES}
    untuned = {name: read(said) for name, said in result.get("others", {}).items()}
    read_others = {"others": untuned} if untuned else {}
    return {**result, _LABEL: label_of(reference), **sides, **read_others}


METRICS: Mapping[MetricName, type[Metric]] = {
    each.name: each for each in (Judged, ExactMatch, LabelF1, JsonSchema)
}


def needs_judge(metric: MetricName) -> bool:
    """Whether a judge has to be asked so that the metric can decide."""
    return metric == Judged.name


def metrics_of(
    name: MetricName, schema: AnswerSchema | None, *, judged: bool
) -> tuple[Metric, list[Metric]]:
    """Return the metric that decides, and the others that these answers can be measured by.

    Raises
    ------
    KeyError
        It is json-schema, and the dataset has none; *Validate dataset* refuses that before.
    """
    known: dict[MetricName, Metric] = {"exact-match": ExactMatch(), "label-f1": LabelF1()}
    if judged:
        known[Judged.name] = Judged()
    if schema:
        known["json-schema"] = JsonSchema(schema)
    return known.pop(name), [*known.values()]
