"""The key: which services may use it for what, literally, and that everything is under it."""

import json
import re
from collections.abc import Mapping
from typing import Any

import pytest

from stacks.environment import Environment
from tests.stacks.conftest import Templates
from tests.stacks.resources import Stacks, both, of_type

USE = ["kms:Decrypt", "kms:GenerateDataKey"]
JOINED = r'\{"Fn::Join": \["", \["([^"]*)", "ACCOUNT", "([^"]*)"\]\]\}'


@pytest.fixture(scope="module")
def policy(environments: Mapping[str, Environment], templates: Templates) -> dict[str, Any]:
    """Return prod's statements for services by name; ACCOUNT stands for the account."""
    assert environments["prod"].storage.encryption == "kms"
    [key] = of_type(templates["prod"]["storage"], "AWS::KMS::Key")
    text = json.dumps(key["Properties"]["KeyPolicy"]["Statement"])
    text = re.sub(JOINED, r'"\1ACCOUNT\2"', text.replace('{"Ref": "AWS::AccountId"}', '"ACCOUNT"'))
    owner, *services = json.loads(text)
    assert owner["Principal"] == {"AWS": "arn:aws:iam::ACCOUNT:root"}
    assert {(each["Effect"], each["Resource"]) for each in services} == {("Allow", "*")}
    return {
        each["Sid"]: (each["Principal"]["Service"], each["Action"], each["Condition"])
        for each in services
    }


def test_bedrock_may_serve_the_custom_models_of_this_account(policy: dict[str, Any]) -> None:
    """As AWS documents it; the condition on the account must not block where it is not given."""
    assert policy["ThroughputsServeOurModels"] == (
        "bedrock.amazonaws.com",
        USE,
        {
            "ForAnyValue:StringEquals": {"kms:EncryptionContextKeys": "aws:bedrock:custom-model"},
            "StringEqualsIfExists": {"aws:SourceAccount": "ACCOUNT"},
        },
    )


def test_only_the_logs_of_this_environment_are_written_with_the_key(policy: dict[str, Any]) -> None:
    service, actions, condition = policy["LogsAreWritten"]
    assert service == "logs.us-east-1.amazonaws.com"
    assert actions == [
        "kms:Decrypt*",
        "kms:Describe*",
        "kms:Encrypt*",
        "kms:GenerateDataKey*",
        "kms:ReEncrypt*",
    ]
    group = "arn:aws:logs:us-east-1:ACCOUNT:log-group:"
    assert condition == {
        "ArnLike": {
            "kms:EncryptionContext:aws:logs:arn": [
                f"{group}/aws/lambda/bedrock-tuning-prod-*",
                f"{group}/aws/vendedlogs/states/bedrock-tuning-prod",
                f"{group}/aws/vendedlogs/states/bedrock-tuning-prod-*",
            ]
        }
    }


def test_alarms_budget_and_lost_events_pass_through_what_is_encrypted(
    policy: dict[str, Any],
) -> None:
    topic = "arn:aws:sns:us-east-1:ACCOUNT:bedrock-tuning-prod-notifications"
    queue = "arn:aws:sqs:us-east-1:ACCOUNT:bedrock-tuning-prod-guard-undelivered"
    assert policy["AlarmsReachTheTopic"] == (
        ["budgets.amazonaws.com", "cloudwatch.amazonaws.com"],
        USE,
        {"StringEquals": {"kms:EncryptionContext:aws:sns:topicArn": topic}},
    )
    assert policy["EventsReachTheQueue"] == (
        "events.amazonaws.com",
        USE,
        {"StringEquals": {"kms:EncryptionContext:aws:sqs:arn": queue}},
    )


def test_no_other_service_may_use_the_key(policy: dict[str, Any]) -> None:
    assert {service for services, _, _ in policy.values() for service in _listed(services)} == {
        "bedrock.amazonaws.com",
        "budgets.amazonaws.com",
        "cloudwatch.amazonaws.com",
        "events.amazonaws.com",
        "logs.us-east-1.amazonaws.com",
    }


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def test_logs_queues_and_topic_are_under_the_key(environment: Environment, stacks: Stacks) -> None:
    under = {
        "AWS::Logs::LogGroup": "KmsKeyId",
        "AWS::SQS::Queue": "KmsMasterKeyId",
        "AWS::SNS::Topic": "KmsMasterKeyId",
    }
    keyed = environment.storage.encryption == "kms"
    for kind, field in under.items():
        found = both(stacks, kind) + of_type(stacks["operations"], kind)
        assert found
        assert {field in each["Properties"] for each in found} == {keyed}, kind


def test_every_log_group_is_one_that_the_key_is_for(
    policy: dict[str, Any], templates: Templates
) -> None:
    [patterns] = policy["LogsAreWritten"][2]["ArnLike"].values()
    groups = both(templates["prod"], "AWS::Logs::LogGroup")
    for each in groups:
        name = each["Properties"]["LogGroupName"]
        known = [re.escape(pattern.split(":log-group:")[1]) for pattern in patterns]
        assert any(re.fullmatch(each.replace(r"\*", ".*"), name) for each in known), name
