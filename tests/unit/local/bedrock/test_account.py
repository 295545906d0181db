"""What else lives in the offline account: other people's capacity, its clock, and its trail."""

from __future__ import annotations

from datetime import timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.bedrock import Fault, Scenario
from tests.fakes.offline_bedrock import (
    ACCOUNT,
    REGION,
    Account,
    nova_account,
    tuned_nova,
)

DAY = 24 * 60


def code(error: pytest.ExceptionInfo[ClientError]) -> str:
    found: str = error.value.response["Error"]["Code"]
    return found


def delete(account: Account, arn: str) -> None:
    account.control.delete_provisioned_model_throughput(provisionedModelId=arn)


def add(account: Account, name: str = "theirs", **more: Any) -> str:
    return account.bedrock.add_throughput(name, account=ACCOUNT, region=account.region, **more)


def listed(account: Account, **filters: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = account.control.list_provisioned_model_throughputs(**filters)[
        "provisionedModelSummaries"
    ]
    return found


def test_a_foreign_throughput_is_there_without_tags_and_bills() -> None:
    account = Account()
    arn = add(account)
    [found] = listed(account)
    assert (found["provisionedModelArn"], found["status"]) == (arn, "InService")
    assert "commitmentDuration" not in found
    assert account.control.list_tags_for_resource(resourceARN=arn)["tags"] == []
    assert account.bedrock.alive() == [arn]
    account.clock.advance(60)
    delete(account, arn)
    account.clock.advance(60)
    assert account.bedrock.snapshot()["meter"]["total_usd"] == 132.0
    assert listed(account) == []


def test_a_foreign_throughput_serves_our_model_and_has_our_tags_if_told_so() -> None:
    account = nova_account()
    model = tuned_nova(account)
    arn = add(account, model_id=model, tags={"environment": "dev"})
    assert account.bedrock.resource_tags(arn) == {"environment": "dev"}
    assert [each["provisionedModelName"] for each in listed(account, modelArnEquals=model)] == [
        "theirs"
    ]
    with pytest.raises(ClientError) as error:
        account.control.delete_custom_model(modelIdentifier=model)
    assert code(error) == "ConflictException"


@pytest.mark.parametrize(("term", "days"), [("OneMonth", 30), ("SixMonths", 180)])
def test_a_committed_throughput_goes_only_after_its_term(term: Any, days: int) -> None:
    account = Account()
    arn = add(account, commitment=term)
    [found] = listed(account)
    assert found["commitmentDuration"] == term
    assert found["commitmentExpirationTime"] - found["creationTime"] == timedelta(days=days)
    account.clock.advance(days * DAY - 1)
    with pytest.raises(ClientError, match="can't be deleted before its term is over at") as error:
        delete(account, arn)
    assert code(error) == "ConflictException"
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    account.clock.advance(2)
    delete(account, arn)


def test_one_that_stays_in_creation_refuses_for_ever() -> None:
    account = Account()
    arn = add(account, status="Creating")
    account.clock.advance(10 * DAY)
    with pytest.raises(ClientError, match="is Creating") as error:
        delete(account, arn)
    assert code(error) == "ConflictException"


def test_every_answer_carries_the_simulated_date() -> None:
    account = Account()

    def date(answer: dict[str, Any]) -> float:
        header: str = answer["ResponseMetadata"]["HTTPHeaders"]["date"]
        assert header.endswith(" GMT")
        return parsedate_to_datetime(header).timestamp()

    arn = add(account)
    account.clock.advance(90)
    deleted = account.control.delete_provisioned_model_throughput(provisionedModelId=arn)
    assert date(deleted) == account.clock.time()
    account.clock.advance(90)
    with pytest.raises(ClientError) as refused:
        delete(account, arn)
    assert date(dict(refused.value.response)) == account.clock.time()
    message = {"role": "user", "content": [{"text": "Hello"}]}
    answer = account.runtime.converse(modelId="us.amazon.nova-pro-v1:0", messages=[message])
    assert date(answer) == account.clock.time()


def trail(account: Account) -> list[dict[str, Any]]:
    kind = "AWS API Call via CloudTrail"
    assert all(event[:2] == (ACCOUNT, account.region) for event in account.events)
    return [detail for _, _, kept, detail, _ in account.events if kept == kind]


def test_a_trail_tells_who_bought_what_with_which_tags_and_commitment() -> None:
    account = Account(Scenario(cloudtrail=True, no_commitment_units=2))
    model = account.tuned()
    tags = [{"key": "owner", "value": "us"}]
    arn = account.buy(model, tags=tags, commitmentDuration="OneMonth")
    [event] = trail(account)
    assert event["eventSource"] == "bedrock.amazonaws.com"
    assert event["eventName"] == "CreateProvisionedModelThroughput"
    assert (event["awsRegion"], event["recipientAccountId"]) == (REGION, ACCOUNT)
    asked = event["requestParameters"]
    assert asked.pop("clientRequestToken")  # botocore's own
    assert asked == {
        "modelUnits": 1,
        "provisionedModelName": "capacity",
        "modelId": model,
        "tags": tags,
        "commitmentDuration": "OneMonth",
    }
    assert event["responseElements"] == {"provisionedModelArn": arn}
    root = f"arn:aws:iam::{ACCOUNT}:root"
    assert event["userIdentity"] == {"type": "Root", "arn": root, "accountId": ACCOUNT}
    assert event["eventTime"] == account.bedrock.snapshot()["now"].replace("+00:00", "Z")
    assert "errorCode" not in event


def test_a_trail_tells_of_deployments_and_of_what_was_refused() -> None:
    account = nova_account(Scenario(cloudtrail=True, no_commitment_units=0))
    model = tuned_nova(account)
    arn = account.deploy(model)
    with pytest.raises(ClientError):
        account.buy(model)
    deployed, refused = trail(account)
    assert deployed["eventName"] == "CreateCustomModelDeployment"
    assert deployed["responseElements"] == {"customModelDeploymentArn": arn}
    assert refused["errorCode"] == "ServiceQuotaExceededException"
    assert refused["responseElements"] is None


def test_a_purchase_whose_answer_got_lost_is_on_the_trail_as_done() -> None:
    lost = Fault("CreateProvisionedModelThroughput", "timeout_after_effect", times=1)
    account = Account(Scenario(cloudtrail=True, faults=(lost,)))
    with pytest.raises(ClientError):
        account.buy(account.tuned())
    [event] = trail(account)
    assert event["responseElements"]["provisionedModelArn"] in account.bedrock.alive()


def test_without_a_trail_nobody_is_told() -> None:
    account = Account()
    account.buy(account.tuned())
    assert trail(account) == []
