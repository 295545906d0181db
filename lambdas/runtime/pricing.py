"""The price book as this environment has it."""

from __future__ import annotations

import json

from lambdas.aws.clients import client
from lambdas.domain.cost.price_book import PriceBook
from lambdas.domain.housekeeping.tagged_resources import Tariff
from lambdas.runtime.step import setting


def price_book() -> PriceBook:
    """Return the published prices with the environment's own in their place."""
    return PriceBook.load(json.loads(setting("PRICE_OVERRIDES")))


def tariff() -> Tariff:
    """Return the price book in the region of this function."""
    return Tariff(price_book(), client("bedrock").meta.region_name)
