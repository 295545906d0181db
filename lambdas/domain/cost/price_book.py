"""The price book: what AWS charges, by model and region, with the source of each figure.

`prices.toml` beside this file is the book; an environment's own figures override it. A missing
price raises PriceMissing.
"""

from __future__ import annotations

import functools
import math
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, Self, get_args

from lambdas.domain.errors import InputInvalid, PriceMissing
from lambdas.domain.models.catalogue import JUDGES, MODELS
from lambdas.domain.models.lookup import unknown

PriceField = Literal[
    "training_usd_per_1k_tokens",
    "throughput_usd_per_unit_hour",
    "input_usd_per_1k_tokens",
    "output_usd_per_1k_tokens",
    "custom_input_usd_per_1k_tokens",
    "custom_output_usd_per_1k_tokens",
    "storage_usd_per_model_month",
]
Confidence = Literal[
    "AWS pricing page", "Anthropic", "inferred", "field report", "stand-in", "this environment"
]
ServiceField = Literal[
    "comprehend_usd_per_unit",
    "alarm_usd_per_metric_month",
    "custom_metric_usd_per_month",
    "dashboard_usd_per_month",
    "kms_key_usd_per_month",
    "scheduled_call_usd_per_thousand",
]
FIELDS: tuple[PriceField, ...] = get_args(PriceField)
_BOOK = Path(__file__).with_name("prices.toml")
_EVERYWHERE = "*"
_HEADING = {"models", "regions", "source", "confidence", "read_on"}


@dataclass(frozen=True)
class Price:
    """US dollars per unit of the field; `read_on` is None for an environment's own figure."""

    usd: float
    source: str
    confidence: Confidence
    read_on: date | None

    @property
    def is_stand_in(self) -> bool:
        """Whether it is another model's price, in place of its own."""
        return self.confidence == "stand-in"

    @property
    def is_inferred(self) -> bool:
        """Whether it is taken from the base model's, because no figure of its own was found."""
        return self.confidence == "inferred"

    @property
    def amount(self) -> str:
        """All its digits: a token's price is a small fraction of a cent."""
        return f"${Decimal(repr(self.usd)).normalize():f}"

    def __str__(self) -> str:
        if self.read_on is None:
            return f"{self.amount} ({self.source})"
        return f"{self.amount} ({self.confidence}: {self.source}, read {self.read_on})"


_Book = Mapping[tuple[str, str, str], Price]  # by model, region and field


@dataclass(frozen=True)
class PriceBook:
    """The book, overridden by an environment's figures."""

    book: _Book
    own: Mapping[tuple[str, str], float]  # by model and field: an environment has one region

    @classmethod
    def load(cls, overrides: Mapping[str, Mapping[str, float]] | None = None) -> Self:
        """Read the book.

        Raises
        ------
        InputInvalid
            An override is for an unknown model or field, or is not a price.
        """
        own = {}
        for model, figures in (overrides or {}).items():
            for name, usd in figures.items():
                own[model, name] = _checked(model, name, usd)
        return cls(_published(), own)

    def price(self, model: str, region: str, name: PriceField) -> Price:
        """Return a price.

        Raises
        ------
        PriceMissing
            Neither the book nor the environment has it; says what to add and where.
        """
        if (model, name) in self.own:
            own = self.own[model, name]
            return Price(own, "this environment's own figure", "this environment", None)
        for place in (region, _EVERYWHERE):
            if found := self.book.get((model, place, name)):
                return found
        raise PriceMissing(to_be_added(model, region, [name]))

    def missing(self, model: str, region: str, names: Iterable[PriceField]) -> list[PriceField]:
        """Return those of the prices that neither the book nor the environment has."""
        return [
            name
            for name in names
            if (model, name) not in self.own
            and not any((model, place, name) in self.book for place in (region, _EVERYWHERE))
        ]


def to_be_added(model: str, region: str, names: Sequence[PriceField]) -> str:
    """Say which prices are missing, and which lines to write where."""
    one = len(names) == 1
    lines = "".join(f"\n{name} = …" for name in names)
    return (
        f"the {'price' if one else 'prices'} {' and '.join(names)} of {model} in {region} "
        f"{'is' if one else 'are'} missing. Look {'it' if one else 'them'} up at "
        "https://aws.amazon.com/bedrock/pricing/ and add to environments/NAME.toml:\n"
        f"[prices.{model}]{lines}"
    )


def _checked(model: str, name: str, usd: float) -> float:
    if model not in MODELS and model not in JUDGES:
        raise InputInvalid(unknown("model", model, [*MODELS, *JUDGES]))
    if name not in FIELDS:
        raise InputInvalid(unknown(f"price of {model}", name, FIELDS))
    if not 0 <= usd < math.inf:  # refuses nan too, which TOML allows
        raise InputInvalid(f"{model} {name} is {usd:g}: give a price in US dollars, 0 or more")
    return float(usd)


def service_price(name: ServiceField) -> Price:
    """Return the published price of a service, the same in every region."""
    [entry] = (entry for entry in _file()["service"] if name in entry)
    return _price(entry, name)


@functools.cache
def _published() -> _Book:
    entries = _file()["price"]
    return {key: price for entry in entries for key, price in _prices_of(entry).items()}


def _file() -> dict[str, Any]:
    return tomllib.loads(_BOOK.read_text(encoding="utf-8"))


def _price(entry: Mapping[str, Any], name: str) -> Price:
    return Price(float(entry[name]), entry["source"], entry["confidence"], entry["read_on"])


def _prices_of(entry: Mapping[str, Any]) -> dict[tuple[str, str, str], Price]:
    return {
        (model, region, name): _price(entry, name)
        for name in entry
        if name not in _HEADING
        for model in entry["models"]
        for region in entry["regions"]
    }
