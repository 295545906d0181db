"""The prices that a run cannot be quoted without."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from lambdas.domain.cost.calculator import Calculator
from lambdas.domain.cost.hosting_kinds import PRICINGS
from lambdas.domain.cost.price_book import PriceField, to_be_added
from lambdas.domain.models.lookup import find_model

OF_A_JUDGE: tuple[PriceField, ...] = ("input_usd_per_1k_tokens", "output_usd_per_1k_tokens")
OF_A_MODEL: tuple[PriceField, ...] = (
    "training_usd_per_1k_tokens",
    "storage_usd_per_model_month",
    *OF_A_JUDGE,
)


def missing_prices(
    model: str, asked: Iterable[str], hosting: str, calculator: Calculator
) -> Iterator[str]:
    """Yield what to add where; of the kinds that `hosting` may be, one is enough.

    `asked` are the judge, and other models that are only asked.
    """
    region = calculator.region
    for key, fields in ((model, OF_A_MODEL), *((key, OF_A_JUDGE) for key in asked)):
        if missing := calculator.missing(key, fields):
            yield to_be_added(key, region, missing)
    kinds = [each for each in find_model(model).hosted_in(region) if hosting in {"cheapest", each}]
    unpriced = [calculator.missing(model, PRICINGS[kind].prices) for kind in kinds]
    if unpriced and all(unpriced):
        yield "\nor ".join(to_be_added(model, region, each) for each in unpriced)
