"""What an answer of each model costs, and from where on that of the tuned one is cheaper."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from lambdas.domain.cost.calculator import Calculator, TokenPrices
from lambdas.domain.cost.quote import dollars
from lambdas.domain.errors import PriceMissing
from lambdas.domain.evaluation.alternatives import Standing
from lambdas.domain.evaluation.candidates import candidates_of
from lambdas.domain.evaluation.metrics import Metric
from lambdas.domain.hosting.kinds import KINDS
from lambdas.domain.run.contracts import Contract, WriteReportRequest

_PER = 1_000  # answers


class Offer(Contract):
    """A model that could answer in future: how it stands, and what that costs, in US dollars."""

    standing: Standing
    usd: float | None  # of 1,000 answers such as these; None: it bills by the hour, or gave none
    usd_per_hour: float | None = None  # instead
    how: str = ""  # the arithmetic
    beside_tuned: str = ""  # what the tuned model costs beside it, with the arithmetic

    @property
    def cost(self) -> str:
        """What 1,000 answers cost, as a table shows it."""
        if self.usd_per_hour is not None:
            return f"{dollars(self.usd_per_hour)} an hour"
        return "not known" if self.usd is None else dollars(self.usd)


def offers(
    request: WriteReportRequest, standings: Iterable[Standing], calculator: Calculator
) -> list[Offer]:
    """Price every model by the tokens that its answers to the questions that decide had.

    All is paid for by then: a price that is missing is said, and fails nothing.
    """
    priced = [_offer(request, each, calculator) for each in standings]
    tuned = next(each for each in priced if each.standing.key == "tuned")
    return [_beside(each, tuned) for each in priced]


def line(found: Sequence[Offer], metric: type[Metric]) -> str:
    """Return scores and costs as one line of a mail."""
    told = "; ".join(f"{each.standing.name} {_told(each, metric)}" for each in found)
    return f"Mean score, and cost of {_PER:,} answers: {told}."


def _told(offer: Offer, metric: type[Metric]) -> str:
    score = offer.standing.score
    return f"{metric.shown(score.mean)}, {offer.cost}" if score else "has no score"


def _offer(request: WriteReportRequest, standing: Standing, calculator: Calculator) -> Offer:
    try:
        return _priced(request, standing, calculator)
    except PriceMissing as error:
        return Offer(standing=standing, usd=None, how=str(error))


def _priced(request: WriteReportRequest, standing: Standing, calculator: Calculator) -> Offer:
    key, settings, hosting = standing.key, request.run.settings, request.hosting
    if key == "tuned" and hosting and KINDS[hosting.kind].bills_by_the_hour:
        per_hour = request.quote.hosting_usd_per_hour
        return Offer(standing=standing, usd=None, usd_per_hour=per_hour)
    asked, said = standing.asked_tokens, standing.said_tokens
    is_hosted = key != "tuned" or hosting is not None
    if asked is None or said is None or not is_hosted:
        return Offer(standing=standing, usd=None)
    models = {each.key: each.model for each in candidates_of(settings)}
    prices = (
        calculator.custom_tokens(settings.model)
        if key == "tuned"
        else calculator.tokens(models.get(key, settings.model))
    )
    usd, how = _of_answers(asked, said, prices)
    return Offer(standing=standing, usd=usd, how=how)


def _of_answers(asked: float, said: float, prices: TokenPrices) -> tuple[float, str]:
    usd = prices.usd(asked, said) * _PER
    how = (
        f"{_PER:,} x ({asked:,.0f} tokens x {prices.input.amount} + {said:,.0f} tokens x "
        f"{prices.output.amount} per 1,000) = {dollars(usd)}"
    )
    return usd, how


def _beside(offer: Offer, tuned: Offer) -> Offer:
    if offer is tuned or not offer.usd:
        return offer
    if tuned.usd_per_hour:
        said = _break_even(offer.usd, tuned.usd_per_hour)
    elif tuned.usd is not None:
        said = f"the tuned model costs {tuned.usd / offer.usd:.2f} times as much"
    else:
        return offer
    return offer.model_copy(update={"beside_tuned": said})


def _break_even(usd: float, usd_per_hour: float) -> str:
    """Say from how many answers an hour on hosting by the hour costs less."""
    answers = usd_per_hour / usd * _PER
    return (
        f"the tuned model costs less from {answers:,.0f} answers an hour on: "
        f"{dollars(usd_per_hour)} an hour / ${usd:.4g} x {_PER:,}"
    )
