"""How the tuned model stands beside each untuned one: scores, latency and length of the answers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from statistics import fmean, median

from lambdas.domain.evaluation.answers import NO_ANSWER
from lambdas.domain.evaluation.candidates import Candidate, candidates_of
from lambdas.domain.evaluation.metrics import Judged, Metric
from lambdas.domain.evaluation.records import Record
from lambdas.domain.evaluation.results import SIDES, said_by
from lambdas.domain.evaluation.statistics import Interval, interval
from lambdas.domain.evaluation.verdict import NAMES, Rules, compare, p_of, rules_of
from lambdas.domain.models.lookup import find_judge, find_model
from lambdas.domain.run.contracts import Contract, OtherAnswers, Outcome, Run


class Mean(Contract):
    """A mean with its interval, which one value does not have."""

    mean: float
    low: float | None
    high: float | None


class Standing(Contract):
    """What is known of one model's answers to the questions that decide.

    Means are None where there is nothing to make one of, a lead that of the tuned model itself.
    """

    key: str  # base, tuned, or of also_compare
    name: str  # within a sentence
    scored: int
    unanswered: int  # failed, empty, filtered or malformed
    not_judged: int
    score: Mean | None
    lead: Mean | None  # by how much the tuned model scores more, question by question
    tuned_is: Outcome | None  # beside it, by the rules of the verdict
    wins: int = 0  # questions for which the tuned model is better
    losses: int = 0
    sign_test_p: float | None = None
    latency_ms: float | None  # median, as Bedrock measured it
    characters: float | None  # median, which is a length in any script
    asked_tokens: float | None = None  # mean, of what an answer was asked with
    said_tokens: float | None = None  # mean, of an answer
    failure: str | None = None  # why it was given up


def standings(
    run: Run,
    results: Sequence[Record],
    others: OtherAnswers | None,
    set_aside: Iterable[str],
    metric: Metric,
) -> list[Standing]:
    """Return how every model stands, those of `also_compare` last.

    Of the results it needs no text, but what `with_metrics` adds: see `without_texts`.
    """
    aside = {*set_aside}
    clean = [each for each in results if each["id"] not in aside]
    stand = partial(_standing, metric=metric, clean=clean, rules=rules_of(run))
    return [
        *(stand(side, NAMES[side]) for side in SIDES),
        *(
            _given_up(each, failure)
            if others and (failure := others.failure_of(each.key))
            else stand(each.key, each.name)
            for each in candidates_of(run.settings)
        ),
    ]


def _standing(
    key: str, name: str, *, metric: Metric, clean: Sequence[Record], rules: Rules
) -> Standing:
    said = [said_by(key, each) for each in clean]
    answers = [each for each in said if each.get("outcome", "empty") not in NO_ANSWER]
    figures = [figure for figure, _ in metric.measure(clean, sides=(key, key)).figures]
    lead, tuned_is, _ = compare(metric, clean, rules, (key, "tuned"))
    is_other = key != "tuned"
    return Standing(
        key=key,
        name=name,
        scored=len(figures),
        unanswered=len(said) - len(answers),
        not_judged=sum(metric.score(each) is None for each in answers),
        score=_mean_score(figures, rules, metric) if figures else None,
        lead=_mean(lead.difference, lead.interval) if is_other and lead.pairs else None,
        tuned_is=tuned_is if is_other else None,
        wins=lead.wins if is_other else 0,
        losses=lead.losses if is_other else 0,
        sign_test_p=lead.p if is_other else None,
        latency_ms=_median(each.get("latency_ms") for each in answers),
        characters=_median(each.get("characters") for each in answers),
        asked_tokens=_average(each.get("asked_tokens") for each in said),
        said_tokens=_average(each.get("said_tokens") for each in said),
    )


def _given_up(candidate: Candidate, failure: str) -> Standing:
    return Standing(
        key=candidate.key,
        name=candidate.name,
        scored=0,
        unanswered=0,
        not_judged=0,
        score=None,
        lead=None,
        tuned_is=None,
        latency_ms=None,
        characters=None,
        failure=failure,
    )


def _mean_score(figures: Sequence[float], rules: Rules, metric: Metric) -> Mean:
    reach = interval(figures, rules.confidence, metric.added_spread)
    return _mean(fmean(figures), reach and reach.within(metric.lowest, metric.highest))


def _mean(mean: float, reach: Interval | None) -> Mean:
    return Mean(mean=mean, low=reach and reach.low, high=reach and reach.high)


def _median(values: Iterable[float | None]) -> float | None:
    known = [each for each in values if each is not None]
    return median(known) if known else None


def _average(values: Iterable[float | None]) -> float | None:
    known = [each for each in values if each is not None]
    return fmean(known) if known else None


def doubts(run: Run, found: Sequence[Standing], metric: Metric) -> Iterator[str]:
    """Yield a sentence on each untuned model, but the base itself, that tuning does not beat."""
    providers = {each.key: each.provider for each in candidates_of(run.settings)}
    judge, tuned = find_judge(run.settings.judge_model), find_model(run.settings.model)
    for each in found:
        if each.key in SIDES:
            continue
        if each.failure:
            yield f"{_capital(each.name)} could not be compared: {each.failure}"
        elif each.tuned_is != "better":
            yield _doubt(each, rules_of(run), metric)
            asked = isinstance(metric, Judged)
            if asked and providers[each.key] == judge.provider != tuned.provider:
                yield (
                    f"The judge {judge.name} is {judge.provider}'s, as {each.name} is: it may "
                    "prefer its own kind."
                )


def _doubt(each: Standing, rules: Rules, metric: Metric) -> str:
    name = _capital(each.name)
    if (
        each.lead is None
        or each.lead.low is None
        or each.lead.high is None
        or each.sign_test_p is None
    ):
        return f"{name} has too few scores beside the tuned model's to compare them."
    figures = (
        f"the tuned model's lead is {metric.change(each.lead.mean)}, {rules.percent} interval "
        f"{metric.change(each.lead.low)} to {metric.change(each.lead.high)}; {each.wins:,} better, "
        f"{each.losses:,} worse; sign test {p_of(each.sign_test_p)}"
    )
    if each.tuned_is == "worse":
        return f"{name} scores more than the tuned model ({figures}): tuning was not worth it."
    return (
        f"{name} is not shown to score less than the tuned model ({figures}): against it, tuning "
        "is not shown to be worth it."
    )


def _capital(name: str) -> str:
    return name[0].upper() + name[1:]


def as_json(found: Iterable[Standing]) -> Mapping[str, object]:
    """Return what verdict.json holds of them."""
    return {"standings": [each.model_dump(mode="json") for each in found]}
