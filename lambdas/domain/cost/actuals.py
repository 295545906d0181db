"""What a run has cost, set beside what was quoted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from lambdas.domain.cost.price_book import PriceBook, PriceField
from lambdas.domain.cost.quote import REVIEW, Quote
from lambdas.domain.run.contracts import Answers, Judgements, Release, Run, WriteReportRequest


@dataclass(frozen=True)
class Spent:
    """One thing that was billed, in US dollars."""

    what: str
    quoted_usd: float  # expected
    usd: float
    how: str  # what was counted


@dataclass(frozen=True)
class Rates:
    """The prices of one run: its environment's book, in its region."""

    run: Run
    prices: PriceBook

    def usd(self, name: PriceField, model: str | None = None) -> float:
        return self.prices.price(model or self.run.settings.model, self.run.region, name).usd


def spent(request: WriteReportRequest, quote: Quote, prices: PriceBook) -> list[Spent]:
    """Return each item of the quote with what it came to.

    Minutes are from the throughput's creation to its deletion, tokens as the API counted them.
    Bedrock tells no token count of a training: the estimate stands, times the epochs that ran.
    """
    run, rates = request.run, Rates(request.run, prices)
    came_to = {
        REVIEW: _review(request),
        "Training": _training(request, rates),
        "Provisioned throughput": _hosting(request, rates),
        **_tokens("Answers of the base model", request.base_answers, run.settings.model, rates),
        **_tokens("Judgements", request.judgements, run.settings.judge_model, rates),
    }
    return [Spent(item.what, item.expected_usd, *came_to[item.what]) for item in quote.items]


def total(items: Iterable[Spent]) -> float:
    return round(sum(each.usd for each in items), 2)


def hosting_usd(run: Run, release: Release, prices: PriceBook) -> float:
    """Return what the throughput came to; 0 where none was bought."""
    per_hour = Rates(run, prices).usd("throughput_usd_per_unit_hour")
    return (release.billed_minutes or 0) / 60 * run.settings.model_units * per_hour


def _review(request: WriteReportRequest) -> tuple[float, str]:
    review = request.review
    if review is None:
        return 0.0, "not reviewed"
    return review.usd, f"{review.reviewed:,} records reviewed, {review.failed:,} failed"


def _training(request: WriteReportRequest, rates: Rates) -> tuple[float, str]:
    epochs, tokens = request.loss_curves.epochs, request.dataset.training_tokens
    usd = tokens * epochs / 1000 * rates.usd("training_usd_per_1k_tokens")
    return usd, f"{tokens:,} tokens, counted from above, in {epochs} epochs"


def _hosting(request: WriteReportRequest, rates: Rates) -> tuple[float, str]:
    minutes = request.release.billed_minutes
    usd = hosting_usd(request.run, request.release, rates.prices)
    return usd, "not measured" if minutes is None else f"{minutes:.1f} minutes"


def _tokens(
    what: str, counted: Answers | Judgements, model: str, rates: Rates
) -> dict[str, tuple[float, str]]:
    asked, said = counted.input_tokens, counted.output_tokens
    return {
        f"{what}, asking": (
            asked / 1000 * rates.usd("input_usd_per_1k_tokens", model),
            f"{asked:,} tokens",
        ),
        f"{what}, answering": (
            said / 1000 * rates.usd("output_usd_per_1k_tokens", model),
            f"{said:,} tokens",
        ),
    }
