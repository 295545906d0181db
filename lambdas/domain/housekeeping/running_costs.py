"""What a tagged resource costs for being there."""

from __future__ import annotations

from lambdas.domain.cost.calculator import HOURS_PER_MONTH, Calculator
from lambdas.domain.errors import PriceMissing
from lambdas.domain.housekeeping.tagged_resources import TaggedResource
from lambdas.domain.models.catalogue import MODELS


def usd_per_hour(resource: TaggedResource, calculator: Calculator) -> float | None:
    """Return its hourly price: 0 if it does not bill by the hour; None if no price is known."""
    if resource.kind != "throughput":
        return 0.0
    model = _model_key(resource)
    try:
        return calculator.hosting_usd(model, resource.model_units, 60) if model else None
    except PriceMissing:
        return None


def usd_per_month(resource: TaggedResource, calculator: Calculator) -> float | None:
    """Return what keeping it for a month costs; None if no price is known."""
    if resource.kind != "custom-model":
        hourly = usd_per_hour(resource, calculator)
        return None if hourly is None else hourly * HOURS_PER_MONTH
    model = _model_key(resource)
    try:
        return calculator.storage_usd_per_month(model) if model else None
    except PriceMissing:
        return None


def hourly_price(resource: TaggedResource, calculator: Calculator) -> str:
    """Return its hourly price as text, for a mail."""
    usd = usd_per_hour(resource, calculator)
    if usd is None:
        return "at an hourly price that is not in the price book"
    return f"at ${usd:,.2f} an hour" if usd else "by the token only"


def bills(resource: TaggedResource) -> bool:
    """Whether it costs something for being there; a deployment bills by the token only."""
    return resource.kind in {"throughput", "custom-model", "job"}


def _model_key(resource: TaggedResource) -> str | None:
    model_id = (resource.foundation_model_arn or "").rpartition("/")[2]
    keys = (
        key
        for key, model in MODELS.items()
        if model_id.startswith(model.base_inference.foundation_model_id)
    )
    return next(keys, None)
