"""Custom model deployments of the offline Bedrock: a tuned model served on demand."""

from __future__ import annotations

import json
from contextlib import nullcontext
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
    assert snapshot["meter"]["items"][1]["usd"] > 0  # by the token

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


def test_an_active_one_may_fail_later_and_then_answers_nothing() -> None:
    account = nova_account(Scenario(deployment_fails_after_minutes=30))
    arn = account.deploy(tuned_nova(account))
    account.clock.advance(8 + 29)
    assert status(account, arn) == "Active"
    ask(account, arn)
    account.clock.advance(1)
    found = account.control.get_custom_model_deployment(customModelDeploymentIdentifier=arn)
    assert (found["status"], found["failureMessage"]) == ("Failed", "It became unavailable.")
    with pytest.raises(ClientError) as error:
        ask(account, arn)
    assert code(error) == "ModelNotReadyException"
    delete(account, arn)


def test_the_first_calls_of_an_active_one_may_find_it_not_ready() -> None:
    account = nova_account(Scenario(not_ready_calls=2))
    arn = account.deploy(tuned_nova(account))
    account.clock.advance(8)
    for _ in range(2):
        with pytest.raises(ClientError) as error:
            ask(account, arn)
        assert code(error) == "ModelNotReadyException"
        assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 429
    ask(account, arn)


@pytest.mark.parametrize(
    ("limit", "what"),
    [(Scenario(requests_per_minute=2), "requests"), (Scenario(tokens_per_minute=300), "tokens")],
    ids=["requests", "tokens"],
)
def test_what_is_too_much_in_a_minute_is_throttled_until_it_has_passed(
    limit: Scenario, what: str
) -> None:
    account = nova_account(limit)
    model = tuned_nova(account)
    arn, other = account.deploy(model), account.deploy(model, "other")
    account.clock.advance(8)

    def take(arn: str) -> None:
        message = {"role": "user", "content": [{"text": QUESTION}]}
        limit = {"maxTokens": 230}
        account.runtime.converse(modelId=arn, messages=[message], inferenceConfig=limit)

    take(arn)
    account.clock.advance(0.5)
    take(arn)
    with pytest.raises(ClientError, match=f"Too many {what}, please wait") as error:
        take(arn)
    assert code(error) == "ThrottlingException"
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 429
    take(other)  # each has a minute of its own
    account.clock.advance(0.5)  # the first request is a minute ago
    take(arn)
    with pytest.raises(ClientError):
        take(arn)


def test_what_an_answer_may_take_counts_before_it_is_given() -> None:
    account = nova_account(Scenario(tokens_per_minute=9_000))
    arn = account.deploy(tuned_nova(account))
    account.clock.advance(8)
    with pytest.raises(ClientError, match="Too many tokens"):
        ask(account, arn)  # without maxTokens: the model's most
    message = {"role": "user", "content": [{"text": QUESTION}]}
    limit = {"maxTokens": 500}
    account.runtime.converse(modelId=arn, messages=[message], inferenceConfig=limit)


@pytest.mark.parametrize(
    ("base", "beyond"),
    [
        ("amazon.nova-pro-v1:0:300k", pytest.raises(ClientError, match="Too many requests")),
        ("amazon.nova-micro-v1:0:128k", nullcontext()),
    ],
)
def test_a_minute_takes_what_aws_says_of_the_base_model(base: str, beyond: Any) -> None:
    account = nova_account()
    arn = account.deploy(
        account.tuned(baseModelIdentifier=base, hyperParameters={"epochCount": "1"})
    )
    account.clock.advance(8)
    message = {"role": "user", "content": [{"text": "?"}]}
    request = {"modelId": arn, "messages": [message], "inferenceConfig": {"maxTokens": 1}}
    for _ in range(200):
        account.runtime.converse(**request)
    with beyond:
        account.runtime.converse(**request)


def update(account: Account, model: str, deployment: str = "on-demand") -> str:
    arn: str = account.control.update_custom_model_deployment(
        customModelDeploymentIdentifier=deployment, modelArn=model
    )["customModelDeploymentArn"]
    return arn


def details(account: Account) -> tuple[str, str, dict[str, str]]:
    found = account.control.get_custom_model_deployment(customModelDeploymentIdentifier="on-demand")
    return found["status"], found["modelArn"], found.get("updateDetails")


def test_an_update_puts_another_model_behind_the_same_arn() -> None:
    account = nova_account()
    first, second = tuned_nova(account, "first"), tuned_nova(account, "second")
    arn = account.deploy(first)
    with pytest.raises(ClientError, match="mutating state") as error:
        update(account, second)  # it is Creating
    assert code(error) == "ValidationException"
    account.clock.advance(8)
    assert details(account) == ("Active", first, None)

    assert update(account, second, arn) == arn
    assert details(account) == ("Active", first, {"modelArn": second, "updateStatus": "Updating"})
    assert "keeps valve" in ask(account, arn)  # the first model answers meanwhile
    for busy in (lambda: delete(account, arn), lambda: update(account, first)):
        with pytest.raises(ClientError, match="mutating state: on-demand is Updating") as error:
            busy()
        assert code(error) == "ValidationException"
    for model in (first, second):
        with pytest.raises(ClientError, match=arn) as error:
            account.control.delete_custom_model(modelIdentifier=model)
        assert code(error) == "ConflictException"

    account.clock.advance(8)
    done = {"modelArn": second, "updateStatus": "UpdateCompleted"}
    assert details(account) == ("Active", second, done)
    account.control.delete_custom_model(modelIdentifier=first)
    delete(account, arn)


def test_an_update_that_fails_leaves_the_model_that_was_served() -> None:
    account = nova_account()
    first, second = tuned_nova(account, "first"), tuned_nova(account, "second")
    account.deploy(first)
    account.clock.advance(8)
    account.bedrock.scenario = Scenario(deployment_outcome="fail")
    update(account, second)
    account.clock.advance(8)
    failed = {"modelArn": second, "updateStatus": "UpdateFailed"}
    assert details(account) == ("Active", first, failed)
    account.control.delete_custom_model(modelIdentifier=second)


def test_an_update_takes_a_model_of_the_same_base_that_exists() -> None:
    account = nova_account()
    account.deploy(tuned_nova(account))
    account.clock.advance(8)
    lite = account.tuned(
        "lite",
        baseModelIdentifier="amazon.nova-lite-v1:0:300k",
        hyperParameters={"epochCount": "1"},
    )
    with pytest.raises(ClientError, match="must be of Nova Micro") as error:
        update(account, lite)
    assert code(error) == "ValidationException"
    with pytest.raises(ClientError) as error:
        update(account, lite[:-1] + "0")
    assert code(error) == "ResourceNotFoundException"


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
    snapshot = account.bedrock.snapshot()
    assert (len(snapshot["deployments"]), len(snapshot["deployed"])) == (1, 1)


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
    gone, there = account.bedrock.snapshot()["deployed"]
    assert gone["name"] == there["name"] == "on-demand"
    assert (gone["deleted"] - gone["created"], there["deleted"]) == (8 * 60, None)


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
        ({"modelDeploymentName": "-a"}, "ValidationException"),
        ({"modelDeploymentName": "a" * 64}, "ValidationException"),
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
    change = {"modelArn": model}
    assert needed("bedrock", "PATCH", f"{path}/on-demand", change) == [
        ("bedrock:UpdateCustomModelDeployment", arn, {}),
        ("bedrock:UpdateCustomModelDeployment", model, {}),
    ]
    assert needed("bedrock", "GET", path) == [("bedrock:ListCustomModelDeployments", "*", {})]
    assert needed("bedrock-runtime", "POST", f"/model/{arn}/converse") == [
        ("bedrock:InvokeModel", arn, {})
    ]
