"""Whether tuning helped: paired scores of clean questions, with nothing left out in silence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from statistics import fmean
from typing import get_args

from lambdas.domain.evaluation.answers import NO_ANSWER
from lambdas.domain.evaluation.preferences import preferences_of
from lambdas.domain.evaluation.records import Record
from lambdas.domain.evaluation.results import SIDES, score_difference, score_pairs, topics_of
from lambdas.domain.evaluation.rubrics import HIGHEST_SCORE, LOWEST_SCORE
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
from lambdas.validation.findings.report import AsideReason

_MEANINGS: Mapping[Outcome, str] = {
    "better": "Tuning made the answers better",
    "worse": "Tuning made the answers worse",
    "no difference shown": "These questions show no difference between tuned and base model",
    "not decisive": "These questions cannot decide between tuned and base model",
}
_NAMES = {"base": "the base model", "tuned": "the tuned model"}


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
    """(base, tuned) scores of the same questions; a win is a tuned one."""

    pairs: Sequence[tuple[float, float]]
    rules: Rules

    @property
    def questions(self) -> int:
        return len(self.pairs)

    @cached_property
    def differences(self) -> list[float]:
        # Rounded: 0.3 - 0.2 is not 0.2 - 0.1, and a tie must be one.
        return [round(tuned - base, 9) for base, tuned in self.pairs]

    @property
    def wins(self) -> int:
        return sum(each > 0 for each in self.differences)

    @property
    def losses(self) -> int:
        return sum(each < 0 for each in self.differences)

    @property
    def difference(self) -> float:
        return fmean(self.differences)

    @cached_property
    def interval(self) -> Interval | None:
        return interval(self.differences, self.rules.confidence)

    @cached_property
    def p(self) -> float:
        """Of the exact two-sided sign test, ties left out."""
        return sign_test(self.wins, self.losses)

    @cached_property
    def outcome(self) -> Outcome:
        """Interval and signs must agree, and the mean must reach the margin."""
        if self.questions < self.rules.least_questions:
            return "not decisive"
        reach = self.interval
        if reach is None or self.p > 1 - self.rules.confidence:
            return "no difference shown"
        if reach.low > 0 and self.wins > self.losses and self.difference >= self.rules.margin:
            return "better"
        if reach.high < 0 and self.losses > self.wins and self.difference <= -self.rules.margin:
            return "worse"
        return "no difference shown"


def decide(
    run: Run,
    results: Sequence[Record],
    dataset_sha256: str,
    set_aside: Mapping[str, AsideReason],
    *,
    shards: int,
) -> tuple[Verdict, Record]:
    """Return the verdict over the questions that are not set aside, and what verdict.json holds.

    Of the results it needs no text: see `without_texts`.
    """
    rules = rules_of(run)
    clean = [each for each in results if each["id"] not in set_aside]
    counted = Comparison([*score_pairs(clean)], rules)
    cautious = Comparison([*map(_against_the_missing, clean)], rules)
    agree = counted.outcome == cautious.outcome
    outcome: Outcome = counted.outcome if agree else "not decisive"
    reach, preferred = counted.interval, preferences_of(clean)
    verdict = Verdict(
        verdict=outcome,
        sentence=f"{_MEANINGS[outcome]}.",
        reason=" ".join(
            [*_reasons(counted, cautious, set_aside, total=len(results)), _by_order(preferred)]
        ).strip(),
        caveats=tuple(_caveats(run, clean)),
        questions=counted.questions,
        set_aside=len(set_aside),
        missing=len(clean) - counted.questions,
        wins=counted.wins,
        ties=counted.questions - counted.wins - counted.losses,
        losses=counted.losses,
        preferences=preferred,
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


def rules_of(run: Run) -> Rules:
    scale = HIGHEST_SCORE - LOWEST_SCORE
    return Rules(run.verdict_confidence, run.verdict_margin_percent / 100 * scale)


def _question(result: Record) -> Record:
    scores = {side: result[side].get("score") for side in SIDES}
    return {"id": result["id"], **scores, "difference": score_difference(result)}


def _against_the_missing(result: Record) -> tuple[float, float]:
    """Return (base, tuned), a score that is missing being the lowest."""
    base, tuned = (result[side].get("score", LOWEST_SCORE) for side in SIDES)
    return base, tuned


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
    yield f"{_scores(counted)}."
    if counted.outcome != cautious.outcome:
        missing = cautious.questions - counted.questions
        yield (
            f"{missing} of {cautious.questions} questions lack an answer or a judgement; were each "
            f"the worst for its side, it would be {cautious.outcome!r} instead of "
            f"{counted.outcome!r}."
        )
    if counted.outcome in {"not decisive", "no difference shown"}:
        yield _reach(counted)
    if set_aside:
        kinds = Counter(set_aside.values())
        named = ", ".join(f"{kinds[each]} {each}" for each in get_args(AsideReason) if kinds[each])
        yield f"{len(set_aside)} of {total} questions were set aside: {named}."


def _by_order(preferred: Preferences) -> str:
    """Say what the judge prefers, and whether it leans to what it reads first."""
    if not preferred.questions:
        return ""
    leaning = 100 * preferred.first / max(1, preferred.first + preferred.second)
    return (
        f"Asked in both orders which answer is better, the judge prefers the tuned model's "
        f"{preferred.tuned} times, the base model's {preferred.base} times and neither "
        f"{preferred.neither} times; where it prefers one, it is the first in {leaning:.0f} %."
    )


def _scores(counted: Comparison) -> str:
    if not counted.questions:
        return "No question is left to compare the models with"
    reach = counted.interval
    within = (
        f"{counted.rules.percent} interval {reach.low:+.2f} to {reach.high:+.2f}"
        if reach
        else "one question has no interval"
    )
    base, tuned = (fmean(side) for side in zip(*counted.pairs, strict=True))
    ties = counted.questions - counted.wins - counted.losses
    return (
        f"Over {counted.questions} questions the tuned model scores {tuned:.2f} on average, the "
        f"base model {base:.2f}: {counted.difference:+.2f} ({within}; {counted.wins} better, "
        f"{ties} equal, {counted.losses} worse; sign test {_p(counted.p)})"
    )


def _reach(counted: Comparison) -> str:
    """Say what these questions could have shown, and how many would show the margin."""
    rules, spread = counted.rules, counted.differences
    least = least_difference(spread, rules.confidence)
    needed = questions_for(rules.margin, spread, rules.confidence) or rules.least_questions
    if counted.questions < rules.least_questions or least is None:
        return (
            f"So few cannot be decisive: ask at least {rules.least_questions}, and about "
            f"{needed:,} to show a difference as small as {rules.margin:.2f}."
        )
    return (
        f"So many mostly show a difference of {least:.2f} or more; to show one of "
        f"{rules.margin:.2f}, the least that counts, ask about {needed:,}."
    )


def _caveats(run: Run, clean: Sequence[Record]) -> Iterable[str]:
    """Yield what else a reader must know: answers that are none, cut ones, a partial judge."""
    for side, name in _NAMES.items():
        outcomes = Counter(each[side].get("outcome") for each in clean)
        none = [f"{outcomes[kind]} {kind}" for kind in NO_ANSWER if outcomes[kind]]
        if none:
            yield (
                f"Of {len(clean)} answers of {name} are {', '.join(none)}: no answer, which scores "
                f"{LOWEST_SCORE}."
            )
        if outcomes["cut off"]:
            yield (
                f"{outcomes['cut off']} of {len(clean)} answers of {name} were cut off at "
                f"max_answer_tokens = {run.settings.max_answer_tokens}."
            )
    model, judge = find_model(run.settings.model), find_judge(run.settings.judge_model)
    if judge.provider == model.provider:
        yield (
            f"The judge {judge.name} is {judge.provider}'s, as the tuned model is: it may prefer "
            "its own kind."
        )


def _p(p: float) -> str:
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"  # noqa: PLR2004  # as p values are written
