"""What a run has cost, set beside what was quoted: its bill.

What has begun and is not known is billed at the most that it can be, and marked. So there is one
figure for every run, however it ended, and it is never too low.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from math import ceil

from lambdas.domain.cost.calculator import Calculator, TokenPrices
from lambdas.domain.cost.quote import (
    BASE_ANSWERS,
    HOSTING,
    JUDGEMENTS,
    REVIEW,
    SCREENING,
    TRAINING,
    TUNED_ANSWERS,
    Quote,
    QuoteItem,
    answers_of,
    dollars,
)
from lambdas.domain.data_review.results import ReviewSummary
from lambdas.domain.evaluation.candidates import candidates_of, may_have_asked
from lambdas.domain.run.contracts import (
    Answers,
    Contract,
    Judgements,
    Release,
    WriteReportRequest,
)
from lambdas.domain.run.times import minutes_between, utc

Counted = tuple[float, str]  # US dollars, and what was counted


class Spent(Contract):
    """One thing that was billed, in US dollars."""

    what: str
    quoted_usd: float  # expected
    usd: float
    at_most: bool  # an upper bound: what was billed is not known
    how: str  # what was counted


class Bill(Contract):
    """A run's cost in US dollars, without tax, as it is kept under the run's prefix."""

    items: list[Spent]
    usd: float
    at_most: bool  # at least one item is an upper bound

    def __str__(self) -> str:
        return f"{'at most' if self.at_most else 'about'} {dollars(self.usd)}"


NOTHING_BOUGHT = Bill(items=[], usd=0, at_most=False)


@dataclass(frozen=True)
class Usage:
    """What is known of a run's use, by the items of its quote."""

    begun: Mapping[str, datetime]  # what may have been billed, and since when
    known: Mapping[str, Counted]
    until: datetime | None  # the throughput was gone then; None: it may be billed still
    lost: frozenset[str] = frozenset()  # kinds in which lost requests count at the most


def bill_of(quote: Quote, usage: Usage) -> Bill:
    """Return the bill of a run, at the prices of its quote."""
    items = [_spent(item, quote, usage) for item in quote.items]
    return Bill(items=items, usd=total(items), at_most=any(each.at_most for each in items))


def bill_at_most(high_usd: float) -> Bill:
    """Return the bill of a run of which only its quote's highest figure is known."""
    return Bill(items=[], usd=high_usd, at_most=True)


def total(items: Iterable[Spent]) -> float:
    return round(sum(item.usd for item in items), 2)


def _spent(item: QuoteItem, quote: Quote, usage: Usage) -> Spent:
    since = usage.begun.get(item.kind)
    counted = usage.known.get(item.what)
    if counted is None and since is not None:
        usd, how = _most(item, quote, since, usage.until)
        return _of(item, usd, how, at_most=True)
    usd, how = counted or (0.0, "not begun")
    if item.kind in usage.lost:
        return _of(item, usd, f"{how}, with requests whose answers were lost", at_most=True)
    # Bedrock reports no tokens of a training: those of the dataset are an upper estimate.
    return _of(item, usd, how, at_most=item.kind == TRAINING and usd > 0)


def _of(item: QuoteItem, usd: float, how: str, *, at_most: bool) -> Spent:
    quoted = item.expected_usd
    return Spent(what=item.what, quoted_usd=quoted, usd=usd, at_most=at_most, how=how)


def _most(item: QuoteItem, quote: Quote, since: datetime, until: datetime | None) -> Counted:
    if item.kind != HOSTING:
        return item.high_usd, "begun, and not counted: the quote's highest figure"
    if until is None:
        return item.high_usd, "not released: at the latest the last guard ends it"
    # As in the quote: AWS does not say how it bills a part of an hour.
    hours = ceil(minutes_between(since, until) / 60) or 1
    how = f"begun hours: {hours}, from {utc(since)} to {utc(until)}, when it was gone"
    return hours * quote.hosting_usd_per_hour, how


def _minutes(minutes: float) -> str:
    return f"{minutes:.1f} minutes, if AWS bills by the minute"


def finished(request: WriteReportRequest, calculator: Calculator) -> Usage:
    """Return the use of a run that has done all its work.

    Minutes are from the throughput's creation to its deletion, tokens as the API counted them:
    those of the tuned model bill where it was hosted on demand, and its deployment does not.
    Bedrock reports no token count of a training: the estimate stands, times the epochs that ran.
    """
    settings, release = request.run.settings, request.release
    known = {
        **_screening(request),
        **_review(request),
        **_training(request, calculator),
        **_answered(request, calculator),
        **_judgements(request, calculator),
    }
    others = {each: request.answers.get(each.key) for each in candidates_of(settings)}
    for each, answers in others.items():
        if answers:
            known |= _tokens(answers_of(each.name), answers, calculator.tokens(each.model))
    # Of the rest all is known, or was not asked for; of a model that was given up it is not.
    asked = may_have_asked(settings, request.other_answers) if request.other_answers else []
    since = {HOSTING: request.hosting.created_at} if request.hosting else {}
    uncounted = (TRAINING, *(answers_of(each.name) for each in asked))
    since |= dict.fromkeys(uncounted, request.run.started_at)
    lost = {
        REVIEW: request.review.lost_requests if request.review else 0,
        BASE_ANSWERS: request.base_answers.lost_requests,
        TUNED_ANSWERS: request.tuned_answers.lost_requests,
        JUDGEMENTS: request.judgements.lost_requests if request.judgements else 0,
        **{answers_of(each.name): found.lost_requests for each, found in others.items() if found},
    }
    kinds = frozenset(kind for kind, requests in lost.items() if requests)
    return Usage(begun=since, known=known, until=release.at if release else None, lost=kinds)


def unfinished(  # noqa: PLR0913  # keyword-only, each from another place
    quote: Quote,
    *,
    begun: Mapping[str, datetime],
    release: Release | None,
    epochs: int | None,
    screening_usd: float | None,
    review: ReviewSummary | None,
) -> Usage:
    """Return the use of a run that failed or was stopped, from what it left behind.

    Parameters
    ----------
    release
        None if its throughput could not be released.
    epochs
        Those that were trained; None if they are not known.
    """
    known: dict[str, Counted] = {}
    if epochs is not None:
        [most] = (item.high_usd for item in quote.items if item.kind == TRAINING)
        known[TRAINING] = most * min(epochs / quote.epochs, 1), f"{epochs} epochs"
    if screening_usd is not None:
        known[SCREENING] = screening_usd, "as Amazon Comprehend was asked"
    if review is not None:
        known[REVIEW] = review.usd, "as the judge counted"
    if release and release.billed_minutes is not None:
        usd = release.billed_minutes / 60 * quote.hosting_usd_per_hour
        known[HOSTING] = usd, _minutes(release.billed_minutes)
    lost = frozenset({REVIEW} if review and review.lost_requests else ())
    return Usage(begun=begun, known=known, until=release.at if release else None, lost=lost)


def _screening(request: WriteReportRequest) -> dict[str, Counted]:
    screening = request.screening
    if screening is None:
        return {}
    how = f"{screening.records:,} of {screening.of_records:,} records"
    return {SCREENING: (screening.usd, how)}


def _review(request: WriteReportRequest) -> dict[str, Counted]:
    review = request.review
    if review is None:
        return {}
    return {REVIEW: (review.usd, f"{review.reviewed:,} records reviewed, {review.failed:,} failed")}


def _training(request: WriteReportRequest, calculator: Calculator) -> dict[str, Counted]:
    curves, tokens = request.loss_curves, request.dataset.training_tokens
    if curves is None or curves.epochs is None:
        return {}
    epochs = curves.epochs
    usd = calculator.training_usd(request.run.settings.model, tokens, epochs)
    return {TRAINING: (usd, f"{tokens:,} tokens (an upper estimate) in {epochs} epochs")}


def _answered(request: WriteReportRequest, calculator: Calculator) -> dict[str, Counted]:
    if request.run.answers_of_run:  # which has paid for them
        return {}
    prices = calculator.tokens(request.run.settings.model)
    return {
        **_hosted(request, calculator),
        **_tokens(BASE_ANSWERS, request.base_answers, prices),
    }


def _hosted(request: WriteReportRequest, calculator: Calculator) -> dict[str, Counted]:
    settings = request.run.settings
    if request.quote.hosting == "on-demand":
        prices = calculator.custom_tokens(settings.model)
        return _tokens(TUNED_ANSWERS, request.tuned_answers, prices)
    minutes = request.release.billed_minutes if request.release else None
    if minutes is None:
        return {}
    usd = calculator.hosting_usd(settings.model, settings.model_units, minutes)
    return {HOSTING: (usd, _minutes(minutes))}


def _judgements(request: WriteReportRequest, calculator: Calculator) -> dict[str, Counted]:
    if request.judgements is None:
        return {}
    prices = calculator.tokens(request.run.settings.judge_model)
    return _tokens(JUDGEMENTS, request.judgements, prices)


def _tokens(what: str, counted: Answers | Judgements, prices: TokenPrices) -> dict[str, Counted]:
    asked, said = counted.input_tokens, counted.output_tokens
    return {
        f"{what}, input tokens": (prices.usd(asked, 0), f"{asked:,} tokens"),
        f"{what}, output tokens": (prices.usd(0, said), f"{said:,} tokens"),
    }
