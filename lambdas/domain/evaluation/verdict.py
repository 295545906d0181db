"""Better or not: paired scores, and whether chance alone could have made the difference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Literal

from lambdas.domain.evaluation.judge import SIDES, score_pairs
from lambdas.domain.evaluation.records import Record
from lambdas.domain.run.contracts import Run, Verdict

SIGNIFICANT_P = 0.05

Outcome = Literal["better", "not better", "not decisive"]


@dataclass(frozen=True)
class Comparison:
    """Base against tuned over the questions that both were scored on; a win is a tuned one."""

    questions: int
    base_mean: float
    tuned_mean: float
    wins: int
    ties: int
    losses: int
    p: float  # exact two-sided sign test, ties left out

    @property
    def difference(self) -> float:
        return self.tuned_mean - self.base_mean

    @property
    def outcome(self) -> Outcome:
        if self.wins + self.losses == 0 or self.difference <= 0:
            return "not better"
        better = self.p < SIGNIFICANT_P and self.wins > self.losses
        return "better" if better else "not decisive"


def decide(run: Run, judgements: Sequence[Record], dataset_sha256: str) -> tuple[Verdict, Record]:
    """Return the verdict over the questions that have both scores, and what verdict.json holds."""
    comparison = compare(list(score_pairs(judgements)))
    verdict = Verdict(
        verdict=comparison.outcome,
        reason=reason(comparison),
        questions=comparison.questions,
        wins=comparison.wins,
        ties=comparison.ties,
        losses=comparison.losses,
        base_correctness=comparison.base_mean,
        tuned_correctness=comparison.tuned_mean,
        dataset_sha256=dataset_sha256,
        verdict_key=f"{run.prefix}/verdict.json",
    )
    return verdict, verdict.model_dump(mode="json") | {
        "difference": comparison.difference,
        "sign_test_p": comparison.p,
        "significant_below_p": SIGNIFICANT_P,
        "per_question": [_question(judgement) for judgement in judgements],
    }


def _question(judgement: Record) -> Record:
    scores = {side: judgement[side].get("score") for side in SIDES}
    return {"id": judgement["id"], **scores, "difference": score_difference(judgement)}


def score_difference(judgement: Record) -> int | None:
    """Return by how much the tuned answer scores more; None where one has no score."""
    return next((tuned - base for base, tuned in score_pairs([judgement])), None)


def compare(pairs: Sequence[tuple[float, float]]) -> Comparison:
    """Compare (base, tuned) scores; there must be at least one pair."""
    wins = sum(tuned > base for base, tuned in pairs)
    losses = sum(tuned < base for base, tuned in pairs)
    return Comparison(
        questions=len(pairs),
        base_mean=fmean(base for base, _ in pairs),
        tuned_mean=fmean(tuned for _, tuned in pairs),
        wins=wins,
        ties=len(pairs) - wins - losses,
        losses=losses,
        p=sign_test(wins, losses),
    )


def sign_test(wins: int, losses: int) -> float:
    """Return the exact two-sided p of so uneven a split if both sides were equally likely."""
    flips = wins + losses
    ways = tail = 1  # of the binomial coefficients up to the rarer outcome's count
    for count in range(min(wins, losses)):
        ways = ways * (flips - count) // (count + 1)
        tail += ways
    return min(1.0, 2 * tail / (1 << flips))


def reason(comparison: Comparison) -> str:
    """Say in one sentence, with the figures, what the outcome rests on."""
    scores = (
        f"over {comparison.questions} questions the tuned model's mean correctness is "
        f"{comparison.tuned_mean:.2f} against {comparison.base_mean:.2f} of the base model "
        f"({comparison.wins} better, {comparison.ties} equal, {comparison.losses} worse; "
        f"sign test {_p(comparison.p)})"
    )
    return f"{scores[0].upper()}{scores[1:]}: {_meaning(comparison)}."


def _meaning(comparison: Comparison) -> str:
    if comparison.outcome == "better":
        return "more than chance explains"
    if comparison.outcome == "not better":
        return "tuning did not raise it"
    if comparison.p < SIGNIFICANT_P:
        return "the mean rose although most questions got worse, so read the answers"
    return "chance alone could explain it, so ask more questions before relying on it"


def _p(p: float) -> str:
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"  # noqa: PLR2004  # as p values are written
