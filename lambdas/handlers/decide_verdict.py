"""*Decide verdict*: whether the tuned model is better, and whether that could be chance."""

from __future__ import annotations

from lambdas.aws.artefacts import Artefacts
from lambdas.domain.evaluation.answers import Record
from lambdas.domain.evaluation.judge import score_pairs
from lambdas.domain.evaluation.verdict import SIGNIFICANT_P, Comparison, compare, reason
from lambdas.domain.run.contracts import DecideVerdictRequest, Verdict
from lambdas.runtime.step import step


def decide_verdict(request: DecideVerdictRequest) -> Verdict:
    run = request.run
    artefacts = Artefacts(run.bucket)
    judgements = list(artefacts.iter_records(request.judgements.judgements_key))
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
        verdict_key=f"{run.prefix}/verdict.json",
    )
    artefacts.put_json(verdict.verdict_key, _document(verdict, comparison, judgements))
    return verdict


def _document(verdict: Verdict, comparison: Comparison, judgements: list[Record]) -> Record:
    return verdict.model_dump(mode="json") | {
        "difference": comparison.difference,
        "sign_test_p": comparison.p,
        "significant_below_p": SIGNIFICANT_P,
        "per_question": [_question(each) for each in judgements],
    }


def _question(judgement: Record) -> Record:
    base, tuned = judgement["base"].get("score"), judgement["tuned"].get("score")
    both = base is not None and tuned is not None
    return {
        "id": judgement["id"],
        "base": base,
        "tuned": tuned,
        "difference": tuned - base if both else None,
    }


handler = step("Decide verdict", DecideVerdictRequest)(decide_verdict)
