"""What an environment owns on Bedrock, as its tags say, and what each of it costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from lambdas.domain.cost.price_book import PriceBook, PriceField
from lambdas.domain.errors import TuningError
from lambdas.domain.hosting.throughput import minutes_between
from lambdas.domain.models.catalogue import MODELS
from lambdas.domain.run.tags import EXECUTION, KEEP, RUN, release_by_of

Kind = Literal["throughput", "deployment", "custom-model", "job"]
HOURS_PER_MONTH = 730  # AWS's own figure for monthly prices


@dataclass(frozen=True)
class Owned:
    """One resource that carries the environment's tag; times are Bedrock's."""

    kind: Kind
    arn: str
    name: str
    status: str
    created_at: datetime
    tags: Mapping[str, str] = field(default_factory=dict)
    model_arn: str | None = None  # of the custom model that it serves
    foundation_model_arn: str | None = None
    model_units: int = 0
    commitment: str | None = None  # OneMonth | SixMonths; never bought by this project
    commitment_ends: datetime | None = None

    @property
    def run(self) -> str | None:
        return self.tags.get(RUN)

    @property
    def execution_arn(self) -> str | None:
        return self.tags.get(EXECUTION)

    @property
    def release_by(self) -> datetime | None:
        return release_by_of(self.tags)

    @property
    def kept(self) -> bool:
        """Whether a person has tagged it to be kept."""
        return KEEP in self.tags

    @property
    def is_changing(self) -> bool:
        return self.status in {"Creating", "Updating"}

    @property
    def is_hosting(self) -> bool:
        return self.kind in {"throughput", "deployment"}

    def age_minutes(self, now: datetime) -> float:
        return minutes_between(self.created_at, now)


@dataclass(frozen=True)
class Tariff:
    """The price book of one environment, in its region."""

    prices: PriceBook
    region: str

    def usd_per_hour(self, owned: Owned) -> float | None:
        """Return what it bills by the hour: 0 for what does not; None where no price is known."""
        if owned.kind != "throughput":
            return 0.0
        return self._price(owned, "throughput_usd_per_unit_hour", owned.model_units)

    def usd_per_month(self, owned: Owned) -> float | None:
        """Return what keeping it for a month costs; None where no price is known."""
        if owned.kind == "custom-model":
            return self._price(owned, "storage_usd_per_model_month", 1)
        hourly = self.usd_per_hour(owned)
        return None if hourly is None else hourly * HOURS_PER_MONTH

    def text(self, owned: Owned) -> str:
        """Say what it bills, for a mail or a cause."""
        hourly = self.usd_per_hour(owned)
        if hourly is None:
            return "at an hourly price that the price book does not hold"
        return f"at ${hourly:,.2f} an hour" if hourly else "by the token only"

    def _price(self, owned: Owned, what: PriceField, units: int) -> float | None:
        model_id = (owned.foundation_model_arn or "").rpartition("/")[2]
        keys = [
            key
            for key, model in MODELS.items()
            if model_id.startswith(model.base_inference.foundation_model_id)
        ]
        try:
            return self.prices.price(keys[0], self.region, what).usd * units if keys else None
        except TuningError:
            return None


def is_overdue(owned: Owned, now: datetime) -> bool:
    """Whether it is capacity that should have been released by now."""
    return owned.is_hosting and owned.release_by is not None and owned.release_by <= now


def bills(owned: Owned) -> bool:
    """Whether it costs something for being there; a deployment bills by the token only."""
    return owned.kind in {"throughput", "custom-model", "job"}
