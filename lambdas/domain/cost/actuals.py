"""What a run has cost, set beside what was quoted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from lambdas.domain.cost.calculator import Calculator
from lambdas.domain.cost.quote import REVIEW, Quote
from lambdas.domain.models.lookup import find_model
from lambdas.domain.run.contracts import Answers, Judgements, Release, Run, WriteReportRequest


@dataclass(frozen=True)
class Spent:
    """One thing that was billed, in US dollars."""

    what: str
    quoted_usd: float  # expected
    usd: float
    how: str  # what was counted


def spent(request: WriteReportRequest, quote: Quote, calculator: Calculator) -> list[Spent]:
    """Return each item of the quote with its actual cost.

    Minutes are from the throughput's creation to its deletion, tokens as the API counted them.
    Bedrock reports no token count of a training: the estimate stands, times the epochs that ran.
    """
    settings = request.run.settings
    actual = {
        REVIEW: _review(request),
        "Training": _training(request, calculator),
        "Provisioned throughput": _hosting(request, calculator),
        **_tokens("Answers of the base model", request.base_answers, settings.model, calculator),
        **_tokens("Judgements", request.judgements, settings.judge_model, calculator),
    }
    return [Spent(item.what, item.expected_usd, *actual[item.what]) for item in quote.items]


def total(items: Iterable[Spent]) -> float:
    return round(sum(item.usd for item in items), 2)


def hosting_usd(run: Run, release: Release, calculator: Calculator) -> float:
    """Return the throughput's cost; 0 where none was bought."""
    settings, minutes = run.settings, release.billed_minutes or 0
    return calculator.hosting_usd(settings.model, settings.model_units, minutes)


def _review(request: WriteReportRequest) -> tuple[float, str]:
    review = request.review
    if review is None:
        return 0.0, "not reviewed"
    return review.usd, f"{review.reviewed:,} records reviewed, {review.failed:,} failed"


def _training(request: WriteReportRequest, calculator: Calculator) -> tuple[float, str]:
    run, tokens = request.run, request.dataset.training_tokens
    epochs = request.loss_curves.epochs
    if epochs is None:  # at most those that were planned
        default = find_model(run.settings.model).hyperparameters["epochCount"].default
        epochs = int(run.hyperparameters.get("epochCount", default))
    usd = calculator.training_usd(run.settings.model, tokens, epochs)
    return usd, f"{tokens:,} tokens (an upper estimate) in {epochs} epochs"


def _hosting(request: WriteReportRequest, calculator: Calculator) -> tuple[float, str]:
    minutes = request.release.billed_minutes
    usd = hosting_usd(request.run, request.release, calculator)
    return usd, "not measured" if minutes is None else f"{minutes:.1f} minutes"


def _tokens(
    what: str, counted: Answers | Judgements, model: str, calculator: Calculator
) -> dict[str, tuple[float, str]]:
    prices = calculator.tokens(model)
    asked, said = counted.input_tokens, counted.output_tokens
    return {
        f"{what}, input tokens": (prices.usd(asked, 0), f"{asked:,} tokens"),
        f"{what}, output tokens": (prices.usd(0, said), f"{said:,} tokens"),
    }
