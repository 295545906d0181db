"""Access to foundation models: what availability says, and what a use is refused with."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.bedrock import Location, Scenario
from tests.fakes.offline_bedrock import ACCOUNT, HAIKU, NOVA, Account, nova_account

JUDGE = "us.anthropic.claude-haiku-4-5-20251001-v1:0"
BARE_JUDGE = "anthropic.claude-haiku-4-5-20251001-v1:0"


def parts(account: Account, model: str) -> dict[str, str]:
    found = account.control.get_foundation_model_availability(modelId=model)
    assert found["modelId"] == model
    return {
        "agreement": found["agreementAvailability"]["status"],
        "authorization": found["authorizationStatus"],
        "entitlement": found["entitlementAvailability"],
        "region": found["regionAvailability"],
    }


YES = {
    "agreement": "AVAILABLE",
    "authorization": "AUTHORIZED",
    "entitlement": "AVAILABLE",
    "region": "AVAILABLE",
}


def ask(account: Account, model: str) -> None:
    message = {"role": "user", "content": [{"text": "Hello"}]}
    account.runtime.converse(modelId=model, messages=[message])


def refusal(error: pytest.ExceptionInfo[ClientError]) -> tuple[str, int]:
    answer: Any = error.value.response
    return answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]


@pytest.mark.parametrize("model", [NOVA, NOVA.removesuffix(":128k"), BARE_JUDGE])
def test_an_account_has_access_unless_the_scenario_says_otherwise(model: str) -> None:
    assert parts(nova_account(), model) == YES


@pytest.mark.parametrize(
    ("why", "says", "refused", "words"),
    [
        (
            "not_requested",
            {"agreement": "NOT_AVAILABLE", "entitlement": "NOT_AVAILABLE"},
            ("AccessDeniedException", 403),
            r"You don't have access to the model with the specified model ID\.",
        ),
        ("pending", {"agreement": "PENDING"}, ("AccessDeniedException", 403), "have access"),
        (
            "not_authorized",
            {"authorization": "NOT_AUTHORIZED"},
            ("AccessDeniedException", 403),
            "have access",
        ),
        (
            "use_case_form",
            {"agreement": "NOT_AVAILABLE"},
            ("ResourceNotFoundException", 404),
            "Model use case details have not been submitted for this account",
        ),
        (
            "marketplace",
            {"agreement": "NOT_AVAILABLE"},
            ("AccessDeniedException", 403),
            "aws-marketplace:ViewSubscriptions, aws-marketplace:Subscribe",
        ),
        ("unexplained", {}, ("AccessDeniedException", 403), "have access"),
    ],
)
def test_what_lacks_says_so_and_a_use_is_refused_in_aws_words(
    why: Any, says: dict[str, str], refused: tuple[str, int], words: str
) -> None:
    account = nova_account(Scenario(without_access={"claude-haiku-4-5": why, "nova-micro": why}))
    assert parts(account, BARE_JUDGE) == {**YES, **says}
    for use in (
        lambda: ask(account, JUDGE),
        lambda: ask(account, NOVA.removesuffix(":128k")),
        lambda: account.start(baseModelIdentifier=NOVA, hyperParameters={}),
    ):
        with pytest.raises(ClientError, match=words) as error:
            use()
        assert refusal(error) == refused
    assert account.bedrock.snapshot()["jobs"] == []
    ask(account, "us.amazon.nova-pro-v1:0")  # another model


def test_availability_names_the_region_and_unknown_models_are_not_found() -> None:
    west = Account()
    assert parts(west, HAIKU) == YES
    assert parts(west, NOVA) == {**YES, "region": "NOT_AVAILABLE"}
    assert parts(west, NOVA.removesuffix(":128k")) == YES  # through a profile
    west.bedrock.scenario = Scenario(haiku_arrangement=False)
    for model in (HAIKU, "amazon.no-such-model-v1:0"):
        with pytest.raises(ClientError) as error:
            parts(west, model)
        assert refusal(error) == ("ResourceNotFoundException", 404)


def test_a_scenario_names_models_and_gaps_in_json() -> None:
    scenario = Scenario.from_json('{"without_access": {"nova-pro": "pending"}}')
    assert scenario.without_access == {"nova-pro": "pending"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"without_access": {"nova": "pending"}}', "no such model: nova"),
        ('{"legacy_models": ["nova"]}', "no such model: nova"),
        ('{"units_of_models": {"nova": 0}}', "no such model: nova"),
        ('{"without_access": {"nova-pro": "gone"}}', "should be 'not_requested', 'pending'"),
    ],
)
def test_a_scenario_that_would_stage_nothing_is_refused(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Scenario.from_json(text)


def test_authorization_is_on_everything_as_aws_documents_it() -> None:
    path = f"/foundation-model-availability/{NOVA}"
    checks = nova_account().bedrock.authorization(
        "bedrock", Location(ACCOUNT, "us-east-1"), "GET", path, b""
    )
    assert checks == [("bedrock:GetFoundationModelAvailability", "*", {})]
