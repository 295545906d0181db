"""Custom model deployments of the offline Bedrock: a tuned model served on demand."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.bedrock import Location, Scenario
from tests.fakes.offline_bedrock import ACCOUNT, Account, nova_account, tuned_nova

QUESTION = "What does part 3 of the machine do for the people at site 3?"


def code(error: pytest.ExceptionInfo[ClientError]) -> str:
    found: str = error.value.response["Error"]["Code"]
    return found


def ask(account: Account, arn: str) -> str:
    message = {"role": "user", "content": [{"text": QUESTION}]}
    answer = account.runtime.converse(modelId=arn, messages=[message])
    text: str = answer["output"]["message"]["content"][0]["text"]
    return text


def status(account: Account, name: str) -> str:
    found: str = account.control.get_custom_model_deployment(customModelDeploymentIdentifier=name)[
        "status"
    ]
    return found


def delete(account: Account, identifier: str) -> None:
    account.control.delete_custom_model_deployment(customModelDeploymentIdentifier=identifier)


def test_a_deployment_serves_when_it_is_active_and_has_no_hourly_meter() -> None:
    account = nova_account()
    model = tuned_nova(account)
    arn = account.deploy(model, description="for a look")
    assert arn.startswith(f"arn:aws:bedrock:us-east-1:{ACCOUNT}:custom-model-deployment/")
    assert status(account, arn) == "Creating"
    with pytest.raises(ClientError) as error:
        ask(account, arn)
    assert code(error) == "ModelNotReadyException"

    account.clock.advance(8)
    found = account.control.get_custom_model_deployment(customModelDeploymentIdentifier="on-demand")
    assert (found["status"], found["modelArn"]) == ("Active", model)
    assert found["description"] == "for a look"
    assert found["lastUpdatedAt"] > found["createdAt"]
    assert "keeps valve" in ask(account, arn)  # as it was taught
    account.clock.advance(1000)
    snapshot = account.bedrock.snapshot()
    assert (snapshot["purchases"], snapshot["meter"]["throughput_minutes"]) == (0, 0)
    metered = [item["what"] for item in snapshot["meter"]["items"]]
    assert metered == ["training of Nova Micro", "inference of tuned Nova Micro"]

    assert account.bedrock.alive() == [arn]
    delete(account, arn)
    assert account.bedrock.alive() == []
    for gone in (lambda: delete(account, arn), lambda: status(account, arn)):
        with pytest.raises(ClientError) as error:
            gone()
        assert code(error) == "ResourceNotFoundException"
    with pytest.raises(ClientError, match="model identifier is invalid"):
        ask(account, arn)
    assert account.control.get_custom_model(modelIdentifier=model)["modelStatus"] == "Active"


def test_one_that_is_being_created_cannot_be_deleted() -> None:
    account = nova_account()
    arn = account.deploy(tuned_nova(account))
    with pytest.raises(ClientError, match="mutating state") as error:
        delete(account, arn)
    assert code(error) == "ValidationException"
    account.clock.advance(8)
    delete(account, "on-demand")


def test_a_failed_one_says_so_and_can_be_deleted() -> None:
    account = nova_account(Scenario(deployment_outcome="fail"))
    arn = account.deploy(tuned_nova(account))
    account.clock.advance(8)
    found = account.control.get_custom_model_deployment(customModelDeploymentIdentifier=arn)
    assert found["status"] == "Failed"
    assert found["failureMessage"]
    delete(account, arn)


def test_one_that_never_gets_ready_stays_in_creation() -> None:
    account = nova_account(Scenario(deployment_outcome="never_ready"))
    arn = account.deploy(tuned_nova(account))
    account.clock.advance(10_000)
    assert status(account, arn) == "Creating"


def test_a_token_deploys_once() -> None:
    account = nova_account()
    model = tuned_nova(account)
    first = account.deploy(model, clientRequestToken="t")
    assert account.deploy(model, "another-name", clientRequestToken="t") == first
    assert len(account.bedrock.snapshot()["deployments"]) == 1


def test_a_name_is_taken_until_its_deployment_is_gone() -> None:
    account = nova_account()
    model = tuned_nova(account)
    account.deploy(model)
    with pytest.raises(ClientError, match="already in use: on-demand") as error:
        account.deploy(model)
    assert code(error) == "ValidationException"
    account.clock.advance(8)
    delete(account, "on-demand")
    account.deploy(model)


def test_only_models_that_aws_deploys_on_demand_can_be() -> None:
    account = Account()  # Claude 3 Haiku
    with pytest.raises(ClientError, match="Claude 3 Haiku cannot be deployed") as error:
        account.deploy(account.tuned())
    assert code(error) == "ValidationException"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"modelArn": "job-model"}, "ValidationException"),  # an ARN is asked for, not a name
        ({"modelDeploymentName": "a b"}, "ValidationException"),
        ({"tags": [{"key": "a"}]}, "ValidationException"),
        (
            {
                "modelArn": f"arn:aws:bedrock:us-east-1:{ACCOUNT}:custom-model/"
                "amazon.nova-micro-v1:0:128k/abcdefghijkl"
            },
            "ResourceNotFoundException",
        ),
    ],
)
def test_requests_are_checked_against_the_service_model(
    change: dict[str, Any], expected: str
) -> None:
    account = nova_account()
    with pytest.raises(ClientError) as error:
        account.deploy(**{"model": tuned_nova(account), **change})
    assert code(error) == expected
    assert account.bedrock.snapshot()["deployments"] == []


def test_lists_filter_and_page() -> None:
    account = nova_account(Scenario(deployments_in_creation=4))
    models = [tuned_nova(account, name) for name in ("one", "two")]
    for number in range(4):
        account.deploy(models[number % 2], f"deployment-{number}")
        account.clock.advance(3)
    listed = account.control.list_custom_model_deployments

    def names(**filters: Any) -> list[str]:
        summaries = listed(**filters)["modelDeploymentSummaries"]
        return [each["customModelDeploymentName"] for each in summaries]

    newest_first = [f"deployment-{number}" for number in (3, 2, 1, 0)]
    assert names() == newest_first
    assert names(statusEquals="Active") == ["deployment-1", "deployment-0"]
    assert names(nameContains="nt-2") == ["deployment-2"]
    assert names(modelArnEquals=models[1]) == ["deployment-3", "deployment-1"]
    second = account.control.get_custom_model_deployment(
        customModelDeploymentIdentifier="deployment-1"
    )["createdAt"]
    assert names(createdAfter=second) == ["deployment-3", "deployment-2"]
    assert names(createdBefore=second) == ["deployment-0"]
    pages = account.control.get_paginator("list_custom_model_deployments").paginate(
        sortOrder="Ascending", PaginationConfig={"PageSize": 3}
    )
    found = [summary for page in pages for summary in page["modelDeploymentSummaries"]]
    assert [each["customModelDeploymentName"] for each in found] == newest_first[::-1]
    assert {each["modelArn"] for each in found} == set(models)


def test_tags_come_with_the_request_and_change_later() -> None:
    account = nova_account()
    arn = account.deploy(tuned_nova(account), tags=[{"key": "release-by", "value": "soon"}])
    account.control.tag_resource(resourceARN=arn, tags=[{"key": "keep", "value": "yes"}])
    assert account.bedrock.resource_tags(arn) == {"release-by": "soon", "keep": "yes"}
    account.control.untag_resource(resourceARN=arn, tagKeys=["release-by"])
    tags = account.control.list_tags_for_resource(resourceARN=arn)["tags"]
    assert tags == [{"key": "keep", "value": "yes"}]
    [listed] = account.bedrock.snapshot()["deployments"]
    assert listed["tags"] == {"keep": "yes"}


def test_authorization_is_as_aws_documents_it() -> None:
    account = nova_account()
    model = tuned_nova(account)
    arn = account.deploy(model)
    tags = [{"key": "environment", "value": "dev"}]

    def needed(service: str, method: str, path: str, body: Any = None) -> list[Any]:
        return account.bedrock.authorization(
            service, Location(ACCOUNT, "us-east-1"), method, path, json.dumps(body or {}).encode()
        )

    path = "/model-customization/custom-model-deployments"
    request = {"modelDeploymentName": "other", "modelArn": model, "tags": tags}
    keys = {"aws:RequestTag/environment": "dev", "aws:TagKeys": ["environment"]}
    new = f"arn:aws:bedrock:us-east-1:{ACCOUNT}:custom-model-deployment/new"
    assert needed("bedrock", "POST", path, request) == [
        ("bedrock:CreateCustomModelDeployment", model, keys),
        ("bedrock:TagResource", new, keys),
    ]
    for method, action in (("GET", "Get"), ("DELETE", "Delete")):
        assert needed("bedrock", method, f"{path}/on-demand") == [
            (f"bedrock:{action}CustomModelDeployment", arn, {})
        ]
    assert needed("bedrock", "GET", path) == [("bedrock:ListCustomModelDeployments", "*", {})]
    assert needed("bedrock-runtime", "POST", f"/model/{arn}/converse") == [
        ("bedrock:InvokeModel", arn, {})
    ]
