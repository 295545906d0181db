"""Which kind of hosting a run takes: the cheapest that it may, and never a dearer one instead."""

from __future__ import annotations

from dataclasses import dataclass

from lambdas.domain.cost.calculator import Calculator
from lambdas.domain.cost.hosting_kinds import PRICINGS
from lambdas.domain.cost.price_book import to_be_added
from lambdas.domain.cost.quote import Quote, QuotedHosting, QuoteItem, dollars
from lambdas.domain.errors import PreflightFailed, PriceMissing
from lambdas.domain.models.lookup import find_model
from lambdas.domain.models.model import HostingKind
from lambdas.domain.run.contracts import Dataset, Run

_CENT = 0.01


@dataclass(frozen=True)
class Choice:
    """The kind that the run takes, and the others that its model has in the region."""

    chosen: QuotedHosting | None  # None: nothing is hosted
    reason: str
    others: list[QuotedHosting]

    @property
    def items(self) -> list[QuoteItem]:
        return self.chosen.items if self.chosen else []


def choose_hosting(run: Run, dataset: Dataset, calculator: Calculator) -> Choice:
    """Choose the least expected cost among the kinds that the run may take.

    What the account cannot have is chosen all the same: `check_hosting` refuses it.

    Raises
    ------
    PriceMissing
        None of these kinds has a price; says what to add.
    """
    if run.answers_of_run:
        return Choice(None, f"not needed: the answers are run {run.answers_of_run}'s", [])
    model, asked = run.settings.model, run.settings.hosting
    allowed = [each.kind for each in run.hosting_options if asked in {"cheapest", each.kind}]
    kinds = dict.fromkeys([*allowed, *find_model(model).hosted_in(run.region)])
    quoted = {kind: _quoted(kind, run, dataset, calculator) for kind in kinds}
    if not (priced := [quoted[kind] for kind in allowed if quoted[kind].items]):
        lines = (to_be_added(model, run.region, quoted[kind].missing_prices) for kind in allowed)
        raise PriceMissing("\nor ".join(lines))
    chosen = min(priced, key=lambda each: (each.expected_usd, each.high_usd))
    others = [each for each in quoted.values() if each != chosen]
    return Choice(chosen, _reason(run, chosen, others), others)


def _quoted(kind: HostingKind, run: Run, dataset: Dataset, calculator: Calculator) -> QuotedHosting:
    pricing = PRICINGS[kind]
    missing = calculator.missing(run.settings.model, pricing.prices)
    problems = {each.kind: each.problem for each in run.hosting_options}
    return QuotedHosting(
        kind=kind,
        items=[] if missing else pricing.items(run, dataset, calculator),
        usd_per_hour=0 if missing else pricing.usd_per_hour(run, calculator),
        missing_prices=tuple(missing),
        problem=problems.get(kind),
    )


def _reason(run: Run, chosen: QuotedHosting, others: list[QuotedHosting]) -> str:
    asked = "" if run.settings.hosting == "cheapest" else ", as it is asked for"
    first = f"{PRICINGS[chosen.kind].name}{asked}: {_about(chosen.expected_usd)} for this run"
    if not others:
        return f"{first}; {find_model(run.settings.model).name} has no other in {run.region}"
    return "; ".join([first, *(_instead(each, run.settings.model) for each in others)])


def _instead(other: QuotedHosting, model: str) -> str:
    name = PRICINGS[other.kind].name
    if other.missing_prices:
        prices = " and ".join(other.missing_prices)
        return f"{name} is not priced, for [prices.{model}] of the environment lacks {prices}"
    cost = f"{name} would cost {_figures(other)}"
    return f"{cost}, and cannot be had: {other.problem.rstrip('. ')}" if other.problem else cost


def _figures(hosting: QuotedHosting) -> str:
    return f"{_about(hosting.expected_usd)}, at most {dollars(hosting.high_usd)}"


def _about(usd: float) -> str:
    return f"about {dollars(usd)}" if usd >= _CENT else "less than a cent"


def check_hosting(quote: Quote) -> None:
    """Refuse a run whose kind of hosting the account cannot have.

    Raises
    ------
    PreflightFailed
        Has the problem, and what the other kinds would cost, which nobody has asked for.
    """
    if quote.hosting is None or quote.hosting.problem is None:
        return
    instead = "".join(
        f', or give "hosting": "{other.kind}" if you want it for {_figures(other)}'
        for other in quote.other_hosting
        if other.items and not other.problem
    )
    problem = quote.hosting.problem.rstrip(". ")
    raise PreflightFailed(
        f"the hosting of this run cannot be had: {problem}. It was to be {quote.hosting_reason}. "
        "Nothing was bought, and no run changes to a dearer kind by itself: put that right and "
        f"start again{instead}"
    )
