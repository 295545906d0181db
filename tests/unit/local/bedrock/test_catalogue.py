"""The offline catalogue: against the product's, which is written apart, and as the API shows it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

from lambdas.domain.models import catalogue
from local.bedrock import Scenario
from local.bedrock.catalogue import MODELS, ModelSpec, by_customization_id, invocable
from tests.fakes.offline_bedrock import HAIKU, NOVA, START, Account

LLAMA = "meta.llama3-3-70b-instruct-v1:0:128k"
every_model = pytest.mark.parametrize("model", catalogue.MODELS.values(), ids=lambda one: one.key)
every_judge = pytest.mark.parametrize("judge", catalogue.JUDGES.values(), ids=lambda one: one.key)


def spec(model: catalogue.Model) -> ModelSpec:
    found = by_customization_id(model.customization_model_id)
    assert found
    return found


def details(account: Account, model_id: str) -> dict[str, Any]:
    found: dict[str, Any] = account.control.get_foundation_model(modelIdentifier=model_id)[
        "modelDetails"
    ]
    return found


def asked(account: Account, model_id: str) -> str:
    message = {"role": "user", "content": [{"text": "Hello"}]}
    answer = account.runtime.converse(modelId=model_id, messages=[message])
    stop: str = answer["stopReason"]
    return stop


def test_it_has_the_products_models_and_judges_and_nothing_else() -> None:
    assert {model.key for model in MODELS} == {*catalogue.MODELS, *catalogue.JUDGES}


@every_model
def test_a_model_is_there_with_its_limits(model: catalogue.Model) -> None:
    found, limits = spec(model), model.limits
    assert found.key == model.key
    assert invocable(model.base_inference.model_id) is found
    assert found.record_format == model.record_format
    assert found.trains_on_reasoning == model.trains_on_reasoning
    assert found.regions == model.customization_regions
    assert found.ranges == {
        name: (r.default, r.minimum, r.maximum) for name, r in model.hyperparameters.items()
    }
    assert (found.min_records, found.max_records) == (
        limits.min_training_records,
        limits.max_training_records,
    )
    assert found.min_validation_records == limits.min_validation_records
    assert found.min_total_records == (limits.min_total_records or 0)
    assert found.max_total_records == limits.max_total_records
    if limits.max_validation_records is not None:
        assert found.max_validation_records == limits.max_validation_records
    reserved = {word for each in model.reserved if each.documented for word in each.words}
    assert {*found.refused_words} == reserved


@every_model
def test_a_model_is_served_as_the_product_expects(model: catalogue.Model) -> None:
    found = spec(model)
    kinds = {"provisioned": found.has_throughput, "on-demand": found.deployment_limits}
    assert {kind for kind, offered in kinds.items() if offered} == {*model.hosting}
    assert {hosting.regions for hosting in model.hosting.values()} == {found.regions}
    if limits := found.deployment_limits:
        expected = model.hosting["on-demand"]
        assert (limits.requests, limits.tokens) == (
            expected.requests_per_minute,
            expected.tokens_per_minute,
        )


@every_model
def test_a_model_has_the_documented_dates(model: catalogue.Model) -> None:
    found = spec(model)
    dates = [moment.date() if moment else None for moment in (found.legacy, found.end_of_life)]
    assert dates == [model.lifecycle.legacy, model.lifecycle.end_of_life]


@pytest.mark.slow
@every_model
def test_a_model_can_be_tuned_and_asked_where_the_product_does(model: catalogue.Model) -> None:
    for region in model.customization_regions:
        account = Account(region=region)
        found = details(account, model.customization_model_id)
        assert "FINE_TUNING" in found["customizationsSupported"]
        assert ("PROVISIONED" in found["inferenceTypesSupported"]) == (
            "provisioned" in model.hosting
        )
        for model_id in (model.customization_model_id, model.model_id):
            answer = account.control.get_foundation_model_availability(modelId=model_id)
            assert answer["regionAvailability"] == "AVAILABLE"
        base = model.customization_model_id
        assert account.start(baseModelIdentifier=base, hyperParameters={})
        assert asked(account, model.base_inference.model_id) == "end_turn"


@every_judge
def test_a_judge_can_be_asked_from_every_region_of_its_profile(judge: catalogue.Judge) -> None:
    for region in judge.profile_regions:
        assert asked(Account(region=region), judge.inference.model_id) == "end_turn"


@pytest.mark.parametrize(
    ("model_id", "usd"),
    [
        ("us.amazon.nova-pro-v1:0", (0.8, 3.2)),
        ("us.amazon.nova-2-lite-v1:0", (0.33, 2.75)),  # 10 % more than
        ("global.amazon.nova-2-lite-v1:0", (0.3, 2.5)),
        ("us.anthropic.claude-haiku-4-5-20251001-v1:0", (1.1, 5.5)),
    ],
)
def test_tokens_are_metered_at_the_price_of_what_was_asked(
    model_id: str, usd: tuple[float, float]
) -> None:
    account = Account(region="us-east-1")
    message = {"role": "user", "content": [{"text": "Hello"}]}
    used = account.runtime.converse(modelId=model_id, messages=[message])["usage"]
    [item] = account.bedrock.snapshot()["meter"]["items"]
    expected = used["inputTokens"] * usd[0] + used["outputTokens"] * usd[1]
    assert item["usd"] == pytest.approx(expected / 1e6)


def test_the_api_says_active_of_what_its_card_calls_legacy() -> None:
    account = Account()
    assert account.clock.time() > datetime(2026, 10, 5, tzinfo=UTC).timestamp()
    assert details(account, LLAMA)["modelLifecycle"] == {"status": "ACTIVE"}
    account.clock.advance((datetime(2027, 3, 31, tzinfo=UTC).timestamp() - START) / 60)
    with pytest.raises(ClientError) as error:
        details(account, LLAMA)
    assert error.value.response["Error"]["Code"] == "ResourceNotFoundException"
    listed = account.control.list_foundation_models(byProvider="Meta")["modelSummaries"]
    assert listed == []


def test_a_legacy_comes_with_its_dates_or_without() -> None:
    account = Account(Scenario(legacy_models=("llama-3-3-70b",)))
    assert details(account, LLAMA)["modelLifecycle"] == {"status": "LEGACY"}
    shown = details(account, HAIKU)["modelLifecycle"]
    assert (shown["status"], shown["legacyTime"].date().isoformat()) == ("LEGACY", "2026-03-10")
    assert shown["endOfLifeTime"].date().isoformat() == "2026-09-10"


def test_the_api_has_values_that_its_sdk_does_not_know() -> None:
    account = Account(region="us-east-1")
    pro = details(account, "amazon.nova-pro-v1:0:300k")
    assert "PREFERENCE_FINE_TUNING" in pro["customizationsSupported"]
    base = details(account, "amazon.nova-pro-v1:0")
    assert base["inferenceTypesSupported"] == ["ON_DEMAND", "INFERENCE_PROFILE"]
    assert base["customizationsSupported"] == []


def test_a_region_lists_the_ids_that_it_knows() -> None:
    def listed(region: str) -> set[str]:
        found = Account(region=region).control.list_foundation_models()["modelSummaries"]
        return {each["modelId"] for each in found}

    assert {NOVA, "amazon.nova-micro-v1:0"} <= listed("us-east-1")
    assert HAIKU in listed("us-west-2")
    assert "amazon.nova-micro-v1:0" in listed("us-west-2") - {NOVA}
    assert NOVA not in listed("us-west-2")
    with pytest.raises(ClientError, match="Could not resolve the foundation model"):
        details(Account(), NOVA)
