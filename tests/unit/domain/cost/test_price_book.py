"""The price book: every figure has a source, and what is missing is never 0."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from typing import get_args

import pytest

from lambdas.domain.cost.price_book import (
    FIELDS,
    Confidence,
    PriceBook,
    ServiceField,
    service_price,
)
from lambdas.domain.errors import InputInvalid, PriceMissing
from lambdas.domain.models.catalogue import JUDGES, MODELS
from lambdas.domain.models.model import Model
from stacks.environment import known_environments, load

BOOK = PriceBook.load()
DEFAULT_FIELDS = [field for field in FIELDS if not field.startswith("custom_")]


def test_every_price_names_a_model_and_has_a_source_and_a_day() -> None:
    for (model, _, name), price in BOOK.book.items():
        assert model in {*MODELS, *JUDGES}, model
        assert name in FIELDS
        assert price.usd > 0
        assert price.source.startswith("https://")
        assert price.confidence in get_args(Confidence)
        assert price.read_on is not None
        assert price.read_on <= datetime.now(tz=UTC).date()


def test_comprehends_price_is_that_of_a_unit() -> None:
    assert service_price("comprehend_usd_per_unit").amount == "$0.0001"


@pytest.mark.parametrize("field", get_args(ServiceField))
def test_a_services_price_has_a_source_and_a_day(field: ServiceField) -> None:
    price = service_price(field)
    assert price.usd > 0
    assert price.source.startswith("https://")
    assert price.confidence in get_args(Confidence)
    assert price.read_on is not None
    assert price.read_on <= datetime.now(tz=UTC).date()


@pytest.mark.parametrize("name", known_environments())
def test_an_environments_default_run_can_be_quoted(name: str) -> None:
    environment = load(name)
    prices = PriceBook.load(environment.prices)
    model, judge = environment.defaults.model, environment.defaults.judge_model
    for field in DEFAULT_FIELDS:
        assert prices.price(model, environment.region, field).usd > 0
    for field in ("input_usd_per_1k_tokens", "output_usd_per_1k_tokens"):
        assert prices.price(judge, environment.region, field).usd > 0


@pytest.mark.parametrize("model", MODELS.values(), ids=lambda model: model.key)
def test_every_model_can_be_asked_and_kept_at_a_known_price(model: Model) -> None:
    [region] = model.customization_regions
    for field in ("input_usd_per_1k_tokens", "output_usd_per_1k_tokens"):
        assert BOOK.price(model.key, region, field).usd > 0
    assert BOOK.price(model.key, region, "storage_usd_per_model_month").usd == 1.95


def test_nova_2_lite_is_priced_throughout_by_awss_price_list() -> None:
    prices = {field: BOOK.price("nova-2-lite", "us-east-1", field) for field in FIELDS}
    assert prices["training_usd_per_1k_tokens"].usd == 0.00378
    assert prices["throughput_usd_per_unit_hour"].usd == 60.5
    assert not any(each.is_stand_in for each in prices.values())


@pytest.mark.parametrize("model", MODELS.values(), ids=lambda model: model.key)
def test_a_deployments_tokens_cost_the_base_models_in_region_price(model: Model) -> None:
    if "on-demand" in model.hosting:
        [region] = model.customization_regions
        # The profile of Nova 2 Lite costs 10 % more than its region.
        share = 1.1 if model.key == "nova-2-lite" else 1
        for side in ("input", "output"):
            base = BOOK.price(model.key, region, f"{side}_usd_per_1k_tokens")
            custom = BOOK.price(model.key, region, f"custom_{side}_usd_per_1k_tokens")
            assert custom.usd * share == pytest.approx(base.usd)


def test_throughput_differs_between_the_novas() -> None:
    lite = BOOK.price("nova-lite", "us-east-1", "throughput_usd_per_unit_hour")
    assert lite.usd == 108.15
    assert not lite.is_stand_in
    # None of Nova Micro's own was found: a quote has to say so.
    assert BOOK.price("nova-micro", "us-east-1", "throughput_usd_per_unit_hour").is_stand_in


def test_a_price_tells_where_it_is_from_and_how_sure_it_is() -> None:
    price = str(BOOK.price("claude-3-haiku", "us-west-2", "throughput_usd_per_unit_hour"))
    assert price.startswith("$132 (field report: https://")
    assert price.endswith(", read 2026-11-23)")


def test_a_missing_price_is_refused_with_the_lines_to_add() -> None:
    with pytest.raises(PriceMissing) as missing:
        BOOK.price("claude-3-haiku", "us-west-2", "training_usd_per_1k_tokens")
    assert "claude-3-haiku in us-west-2" in str(missing.value)
    assert "[prices.claude-3-haiku]\ntraining_usd_per_1k_tokens = " in str(missing.value)


def test_a_price_of_another_region_is_not_taken() -> None:
    with pytest.raises(PriceMissing, match="eu-west-1"):
        BOOK.price("nova-micro", "eu-west-1", "throughput_usd_per_unit_hour")


def test_an_environments_price_stands_over_the_book() -> None:
    prices = PriceBook.load({"nova-micro": {"throughput_usd_per_unit_hour": 30}})
    price = prices.price("nova-micro", "us-east-1", "throughput_usd_per_unit_hour")
    assert price.usd == 30
    assert str(price) == "$30 (this environment's own figure)"
    assert not price.is_stand_in
    assert prices.price("nova-micro", "us-east-1", "storage_usd_per_model_month").usd == 1.95


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        ({"nova-mirco": {"storage_usd_per_model_month": 1}}, "nova-micro"),
        ({"nova-micro": {"storage_usd": 1}}, "storage_usd_per_model_month"),
        ({"nova-micro": {"storage_usd_per_model_month": -1}}, "0 or more"),
        ({"nova-micro": {"storage_usd_per_model_month": math.nan}}, "0 or more"),
        ({"nova-micro": {"storage_usd_per_model_month": math.inf}}, "0 or more"),
    ],
)
def test_a_wrong_override_is_refused(overrides: dict[str, dict[str, float]], says: str) -> None:
    with pytest.raises(InputInvalid, match=says):
        PriceBook.load(json.loads(json.dumps(overrides)))
