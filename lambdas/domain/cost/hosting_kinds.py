"""What each kind of hosting costs a run: all that is priced of a kind stands here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import ceil

from lambdas.domain.cost.calculator import Calculator
from lambdas.domain.cost.items import Amounts, answer_items, priced
from lambdas.domain.cost.price_book import PriceField
from lambdas.domain.cost.quote import HOSTING, TUNED_ANSWERS, QuoteItem
from lambdas.domain.hosting.answering import SECONDS, answering_minutes
from lambdas.domain.hosting.throughput import (
    EXPECTED_PROVISIONING_MINUTES,
    LONGEST_CREATION_MINUTES,
    RELEASE_MARGIN_MINUTES,
    most_minutes,
)
from lambdas.domain.models.model import HostingKind
from lambdas.domain.run.contracts import Dataset, Run

_SLOWER_PROVISIONING_MINUTES = 5  # AWS's Haiku notebook says 20 to 30
_MINUTES_PER_HOUR = 60


@dataclass(frozen=True)
class Pricing:
    """How a kind is quoted; its functions raise PriceMissing where they need a price."""

    name: str  # within a sentence
    prices: tuple[PriceField, ...]  # those that it needs
    items: Callable[[Run, Dataset, Calculator], list[QuoteItem]]
    usd_per_hour: Callable[[Run, Calculator], float]
    assumptions: Callable[[Run], list[str]]


def hosting_minutes(run: Run, dataset: Dataset) -> Amounts:
    """Return how long the throughput will be billed: provisioning, answering and hold.

    The high figure is the time at which the last of the guards has deleted it, whatever happened,
    in begun hours: AWS prices throughput by the hour, and does not say how it bills a part of one.
    """
    questions = dataset.evaluation_examples
    fast, slow, _ = (answering_minutes(questions, seconds) for seconds in SECONDS)
    most = ceil(most_minutes(run, questions) / _MINUTES_PER_HOUR) * _MINUTES_PER_HOUR
    quick = EXPECTED_PROVISIONING_MINUTES + fast + run.settings.hold_minutes
    usual = quick + _SLOWER_PROVISIONING_MINUTES + slow - fast
    return Amounts(min(quick, most), min(usual, most), most)


def _throughput(run: Run, dataset: Dataset, calculator: Calculator) -> list[QuoteItem]:
    model, units = run.settings.model, run.settings.model_units
    return [
        priced(
            HOSTING,
            hosting_minutes(run, dataset),
            calculator.price(model, "throughput_usd_per_unit_hour"),
            calculator.hosting_usd(model, units, minutes=1),
            f"minutes x {units} {'unit' if units == 1 else 'units'} x {{price}} an hour",
        )
    ]


def _throughput_usd_per_hour(run: Run, calculator: Calculator) -> float:
    settings = run.settings
    return calculator.hosting_usd(settings.model, settings.model_units, _MINUTES_PER_HOUR)


def _of_throughput(run: Run) -> list[str]:
    slow = EXPECTED_PROVISIONING_MINUTES + _SLOWER_PROVISIONING_MINUTES
    return [
        f"Provisioning takes {EXPECTED_PROVISIONING_MINUTES} minutes (low), {slow} (expected).",
        _high_hosting(run),
        "Tokens of the tuned model are free while its throughput is paid for.",
    ]


def _high_hosting(run: Run) -> str:
    provisioning = run.settings.provisioning_minutes("provisioned")
    return (
        f"High hosting ends when the last guard has ended it: {RELEASE_MARGIN_MINUTES} minutes "
        f"after max_provisioning_minutes = {provisioning:g} and "
        f"hold_minutes = {run.settings.hold_minutes}, or {LONGEST_CREATION_MINUTES} minutes after "
        "the purchase if that is later (AWS deletes none that it still creates, and that it "
        "creates none for longer is assumed), and then two passes of the reaper, every "
        f"{run.reap_every_minutes} minutes. Begun hours count in full: AWS prices by the hour."
    )


def _tuned_answers(run: Run, dataset: Dataset, calculator: Calculator) -> list[QuoteItem]:
    prices = calculator.custom_tokens(run.settings.model)
    return answer_items(TUNED_ANSWERS, run, dataset, prices)


def _nothing_per_hour(_run: Run, _calculator: Calculator) -> float:
    return 0


def _of_deployment(run: Run) -> list[str]:
    settings = run.settings
    given = {"hold_minutes": (settings.hold_minutes, 0), "model_units": (settings.model_units, 1)}
    paid = "A deployment costs nothing but tokens: each question pays its system prompt in full."
    stays = f"It stays for keep_hours = {settings.keep_hours}; what you ask it then is not in here."
    unused = (
        f"{name} = {value} changes nothing on demand: it is for provisioned throughput."
        for name, (value, least) in given.items()
        if value != least
    )
    return [paid, stays, *unused]


PRICINGS: Mapping[HostingKind, Pricing] = {
    "on-demand": Pricing(
        name="on demand",
        prices=("custom_input_usd_per_1k_tokens", "custom_output_usd_per_1k_tokens"),
        items=_tuned_answers,
        usd_per_hour=_nothing_per_hour,
        assumptions=_of_deployment,
    ),
    "provisioned": Pricing(
        name="provisioned throughput",
        prices=("throughput_usd_per_unit_hour",),
        items=_throughput,
        usd_per_hour=_throughput_usd_per_hour,
        assumptions=_of_throughput,
    ),
}
