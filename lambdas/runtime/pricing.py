"""Prices as this environment has them."""

from __future__ import annotations

from lambdas.domain.cost.calculator import Calculator
from lambdas.domain.cost.price_book import PriceBook
from lambdas.domain.run.variables import PriceVariables


def calculator(variables: PriceVariables, region: str) -> Calculator:
    """Return the published prices of a region, replaced by the environment's own."""
    return Calculator(PriceBook.load(variables.price_overrides), region)
