"""Where a command asks Bedrock, and at which prices: a region, or that of an environment."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from pathlib import Path

import boto3

from lambdas.domain.cost.price_book import PriceBook
from lambdas.domain.errors import InputInvalid
from lambdas.domain.models.catalogue import unknown

ENVIRONMENTS = Path(__file__).parents[2] / "environments"


@dataclass(frozen=True)
class Place:
    region: str
    own_prices: dict[str, dict[str, float]] = field(default_factory=dict)

    @property
    def prices(self) -> PriceBook:
        return PriceBook.load(self.own_prices)


def place_of(region: str | None, environment: str | None) -> Place:
    """Return an environment's place, or the region given, or that of the AWS configuration.

    Raises
    ------
    InputInvalid
        There is no such environment, or no region at all.
    """
    if environment:
        return _environment(environment)
    found = region or boto3.Session().region_name
    if not found:
        raise InputInvalid("no region is configured: give --region or --env")
    return Place(found)


def _environment(name: str) -> Place:
    known = sorted(path.stem for path in ENVIRONMENTS.glob("*.toml"))
    if name not in known:
        raise InputInvalid(unknown("environment", name, known))
    try:
        values = tomllib.loads((ENVIRONMENTS / f"{name}.toml").read_text(encoding="utf-8"))
        return Place(str(values["region"]), values.get("prices", {}))
    except (ValueError, KeyError) as error:
        raise InputInvalid(f"environments/{name}.toml cannot be read: {error}") from None
