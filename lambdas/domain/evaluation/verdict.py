"""Whether tuning helped: paired scores of clean questions, with nothing left out in silence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from statistics import fmean
from typing import get_args

from lambdas.domain.evaluation.answers import NO_ANSWER
from lambdas.domain.evaluation.metrics import METRICS, Judged, Metric, figures_of
from lambdas.domain.evaluation.preferences import preferences_of
from lambdas.domain.evaluation.records import Record
from lambdas.domain.evaluation.results import SIDES, score_difference, topics_of
from lambdas.domain.evaluation.similarity.means import mean_similarity
from lambdas.domain.evaluation.statistics import (
    Interval,
    interval,
    least_difference,
    least_questions,
    questions_for,
    sign_test,
)
from lambdas.domain.models.lookup import find_judge, find_model
from lambdas.domain.run.contracts import Outcome, Preferences, Run, Verdict
from lambdas.validation.report import AsideReason

_MEANINGS: Mapping[Outcome, str] = {
    "better": "Tuning made the answers better",
    "worse": "Tuning made the answers worse",
    "no difference shown": "These questions show no difference between tuned and base model",
    "not decisive": "These questions cannot decide between tuned and base model",
}
_TOO_SMALL = (
    "These questions show a difference between tuned and base model, but too small a one to count"
)
NAMES = {"base": "the base model", "tuned": "the tuned model"}


@dataclass(frozen=True)
class Rules:
    """What a difference must be to count: `margin` in points of the score."""

    confidence: float
    margin: float

    @property
    def percent(self) -> str:
        return f"{self.confidence * 100:g} %"

    @property
    def least_questions(self) -> int:
        return least_questions(self.confidence)


@dataclass(frozen=True)
class Comparison:
    """(base, tuned) figures of the same questions; a win is a tuned one."""

    pairs: Sequence[tuple[float, float]]
    rules: Rules
    metric: type[Metric] = Judged
    scores: Sequence[tuple[float, float]] | None = None  # that win or lose, if not the pairs do

    @property
    def questions(self) -> int:
        return len(self.pairs)

    @cached_property
    def differences(self) -> list[float]:
        return _differences(self.pairs)

    @cached_property
    def _signs(self) -> list[float]:
        return self.differences if self.scores is None else _differences(self.scores)

    @property
    def wins(self) -> int:
        return sum(each > 0 for each in self._signs)

    @property
    def losses(self) -> int:
        return sum(each < 0 for each in self._signs)

    @property
    def difference(self) -> float:
        return fmean(self.differences)

    @cached_property
    def interval(self) -> Interval | None:
        reach = interval(self.differences, self.rules.confidence, self.metric.added_spread)
        return reach and reach.within(-self.metric.scale(), self.metric.scale())

    @cached_property
    def p(self) -> float:
        """Of the exact two-sided sign test, ties left out."""
        return sign_test(self.wins, self.losses)

    @cached_property
    def outcome(self) -> Outcome:
        """Interval and signs must agree, and the mean must reach the margin."""
        if self.questions < self.rules.least_questions:
            return "not decisive"
        if self._direction * self.difference < self.rules.margin:
            return "no difference shown"
        return "better" if self._direction > 0 else "worse"

    @property
    def is_too_small(self) -> bool:
        """Whether there is a difference, and the margin alone keeps it from counting."""
        return self.outcome == "no difference shown" and self._direction != 0

    @cached_property
    def _direction(self) -> int:
        """1 or -1 where interval and signs agree on one, else 0."""
        reach = self.interval
        if reach is None or self.p > 1 - self.rules.confidence:
            return 0
        if reach.low > 0 and self.wins > self.losses:
            return 1
        return -1 if reach.high < 0 and self.losses > self.wins else 0


def _differences(pairs: Iterable[tuple[float, float]]) -> list[float]:
    # Rounded: 0.3 - 0.2 is not 0.2 - 0.1, and a tie must be one.
    return [round(tuned - base, 9) for base, tuned in pairs]


def decide(  # noqa: PLR0913  # keyword-only from `metric` on
    run: Run,
    results: Sequence[Record],
    dataset_sha256: str,
    set_aside: Mapping[str, AsideReason],
    *,
    metric: Metric,
    others: Iterable[Metric],
    shards: int,
) -> tuple[Verdict, Record]:
    """Return the verdict over the questions that are not set aside, and what verdict.json holds.

    Of the results it needs no text, but what `with_metrics` adds: see `without_texts`.
    """
    rules = rules_of(run)
    clean = [each for each in results if each["id"] not in set_aside]
    counted, outcome, cautious = compare(metric, clean, rules)
    is_too_small = outcome == counted.outcome and counted.is_too_small
    reach, preferred = counted.interval, preferences_of(clean)
    verdict = Verdict(
        verdict=outcome,
        metric=metric.name,
        others=tuple(filter(None, (figures_of(each, clean) for each in others))),
        sentence=f"{_TOO_SMALL if is_too_small else _MEANINGS[outcome]}.",
        reason=" ".join(
            [*_reasons(counted, cautious, set_aside, total=len(results)), _by_order(preferred)]
        ).strip(),
        caveats=(*_caveats(run, clean, metric), *metric.notes(clean)),
        questions=counted.questions,
        set_aside=len(set_aside),
        missing=len(clean) - counted.questions,
        wins=counted.wins,
        ties=counted.questions - counted.wins - counted.losses,
        losses=counted.losses,
        preferences=preferred,
        similarity=mean_similarity(clean),
        base_mean=_mean(base for base, _ in counted.pairs),
        tuned_mean=_mean(tuned for _, tuned in counted.pairs),
        low=reach and reach.low,
        high=reach and reach.high,
        dataset_sha256=dataset_sha256,
        verdict_key=f"{run.prefix}/verdict.json",
        results_prefix=results_prefix(run),
        shards=shards,
    )
    return verdict, verdict.model_dump(mode="json") | {
        "rules": {"confidence": rules.confidence, "margin": rules.margin},
        "sign_test_p": counted.p,
        "outcome_with_the_missing_counted_against_their_side": cautious.outcome,
        "set_aside_questions": dict(set_aside),
        "topics": [asdict(each) for each in topics_of(clean)],
        "per_question": [_question(each) for each in results],
    }


def results_prefix(run: Run) -> str:
    return f"{run.prefix}/results/"


def rules_of(run: Run, metric: type[Metric] | None = None) -> Rules:
    """Return the rules for figures of a metric; None: that of the run."""
    scale = (metric or METRICS[run.settings.metric]).scale()
    return Rules(run.verdict_confidence, run.verdict_margin_percent / 100 * scale)


def compare(
    metric: Metric, results: Sequence[Record], rules: Rules, sides: tuple[str, str] = SIDES
) -> tuple[Comparison, Outcome, Comparison]:
    """Compare two sides; return that, the outcome, and the same with the missing counted.

    Where counting each missing score as the worst for its side changes the outcome, it is "not
    decisive".
    """
    counted, cautious = (
        Comparison(found.figures, rules, type(metric), found.scores)
        for found in (
            metric.measure(results, sides=sides),
            metric.measure(results, sides=sides, missing_is_lowest=True),
        )
    )
    agree = counted.outcome == cautious.outcome
    return counted, counted.outcome if agree else "not decisive", cautious


def _question(result: Record) -> Record:
    scores = {side: result[side].get("score") for side in SIDES}
    return {"id": result["id"], **scores, "difference": score_difference(result)}


def _mean(scores: Iterable[float]) -> float | None:
    return fmean(known) if (known := [*scores]) else None


def _reasons(
    counted: Comparison,
    cautious: Comparison,
    set_aside: Mapping[str, AsideReason],
    *,
    total: int,
) -> Iterable[str]:
    """Yield sentences with the figures that the outcome rests on."""
    yield f"{scores_of(counted)}."
    if counted.outcome != cautious.outcome:
        missing = cautious.questions - counted.questions
        yield (
            f"{missing:,} of {cautious.questions:,} questions lack an answer or a judgement; were "
            f"each the worst for its side, it would be {cautious.outcome!r} instead of "
            f"{counted.outcome!r}."
        )
    few = cautious.questions < counted.rules.least_questions
    if counted.outcome == "no difference shown" or few:
        yield _reach(counted)
    if set_aside:
        kinds = Counter(set_aside.values())
        named = [f"{kinds[each]:,} {each}" for each in get_args(AsideReason) if kinds[each]]
        yield f"{len(set_aside):,} of {total:,} questions were set aside: {', '.join(named)}."


def _by_order(preferred: Preferences) -> str:
    """Say what the judge prefers, and whether it leans to what it reads first."""
    if not preferred.questions:
        return ""
    leaning, chosen = "", preferred.first + preferred.second
    if chosen:
        share = 100 * preferred.first / chosen
        leaning = f"; where it prefers one, that is the one shown first in {share:.0f} %"
    return (
        f"Asked in both orders which answer is better, the judge prefers the tuned model's in "
        f"{preferred.tuned:,} of {preferred.questions:,} questions, the base model's in "
        f"{preferred.base:,} and neither in {preferred.neither:,}{leaning}."
    )


def scores_of(counted: Comparison, questions: str = "questions") -> str:
    """Say what both models score, without a full stop; `questions` is what they were asked."""
    if not counted.questions:
        return "No question is left to compare the models with"
    reach = counted.interval
    metric, change = counted.metric, counted.metric.change
    within = (
        f"{counted.rules.percent} interval {change(reach.low)} to {change(reach.high)}"
        if reach
        else "one question has no interval"
    )
    base, tuned = (metric.shown(fmean(side)) for side in zip(*counted.pairs, strict=True))
    ties = counted.questions - counted.wins - counted.losses
    both = (
        f"the tuned model scores {tuned} on average, the base model {base}"
        if metric is Judged
        else f"the tuned model's {metric.title} is {tuned}, the base model's {base}"
    )
    return (
        f"Over {counted.questions:,} {questions} {both}: {change(counted.difference)} ({within}; "
        f"{counted.wins:,} better, {ties:,} equal, {counted.losses:,} worse; "
        f"sign test {p_of(counted.p)})"
    )


def _reach(counted: Comparison) -> str:
    """Say what these questions could have shown, and how many would show the margin."""
    rules, spread = counted.rules, counted.differences
    least = least_difference(spread, rules.confidence, counted.metric.added_spread)
    needed = questions_for(rules.margin, spread, rules.confidence) or rules.least_questions
    margin = counted.metric.change(rules.margin).removeprefix("+")
    if counted.questions < rules.least_questions or least is None:
        return (
            f"So few cannot be decisive: ask at least {rules.least_questions}, and about "
            f"{needed:,} to show a difference as small as {margin}."
        )
    shown = counted.metric.change(least).removeprefix("+")
    counts = (
        f"to show one of {margin}, the least that counts, ask about {needed:,}"
        if needed > counted.questions
        else f"one of {margin} is the least that counts"
    )
    return f"So many mostly show a difference of {shown} or more; {counts}."


def _caveats(run: Run, clean: Sequence[Record], metric: Metric) -> Iterable[str]:
    """Yield what else a reader must know: answers that are none, cut ones, a partial judge."""
    for side, name in NAMES.items():
        outcomes = Counter(each[side].get("outcome") for each in clean)
        none = [f"{outcomes[kind]:,} {kind}" for kind in NO_ANSWER if outcomes[kind]]
        if none:
            yield (
                f"Of {len(clean):,} answers of {name} are {', '.join(none)}: no answer, which "
                f"scores {metric.lowest:g}."
            )
        if outcomes["cut off"]:
            yield (
                f"{outcomes['cut off']:,} of {len(clean):,} answers of {name} were cut off at "
                f"max_answer_tokens = {run.settings.max_answer_tokens}."
            )
    if not isinstance(metric, Judged):
        return
    model, judge = find_model(run.settings.model), find_judge(run.settings.judge_model)
    if judge.provider == model.provider:
        yield (
            f"The judge {judge.name} is {judge.provider}'s, as the tuned model is: it may prefer "
            "its own kind."
        )


def p_of(p: float) -> str:
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"  # noqa: PLR2004  # as p values are written
