"""All price arithmetic: what a quantity costs at one region's prices, in US dollars."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from lambdas.domain.cost.price_book import Price, PriceBook, PriceField

HOURS_PER_MONTH = 730  # AWS's own figure for monthly prices


@dataclass(frozen=True)
class TokenPrices:
    """What a model's tokens cost on demand; the prices are of 1,000 tokens."""

    input: Price
    output: Price

    def usd(self, input_tokens: float, output_tokens: float) -> float:
        return (input_tokens * self.input.usd + output_tokens * self.output.usd) / 1000


@dataclass(frozen=True)
class Calculator:
    """The price book in one region; every method raises PriceMissing where it needs a price."""

    book: PriceBook
    region: str

    def price(self, model: str, field: PriceField) -> Price:
        return self.book.price(model, self.region, field)

    def tokens(self, model: str) -> TokenPrices:
        return TokenPrices(
            self.price(model, "input_usd_per_1k_tokens"),
            self.price(model, "output_usd_per_1k_tokens"),
        )

    def custom_tokens(self, model: str) -> TokenPrices:
        """Return what tokens of a custom model of this base cost, deployed on demand."""
        return TokenPrices(
            self.price(model, "custom_input_usd_per_1k_tokens"),
            self.price(model, "custom_output_usd_per_1k_tokens"),
        )

    def missing(self, model: str, fields: Iterable[PriceField]) -> list[PriceField]:
        return self.book.missing(model, self.region, fields)

    def training_usd(self, model: str, tokens: float, epochs: int) -> float:
        return tokens * epochs / 1000 * self.price(model, "training_usd_per_1k_tokens").usd

    def hosting_usd(self, model: str, units: int, minutes: float) -> float:
        return minutes / 60 * units * self.price(model, "throughput_usd_per_unit_hour").usd

    def storage_usd_per_month(self, model: str) -> float:
        return self.price(model, "storage_usd_per_model_month").usd
