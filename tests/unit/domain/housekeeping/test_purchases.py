"""The purchase watch: which of CloudTrail's records are worth a mail."""

from __future__ import annotations

from typing import Any

import pytest

from lambdas.domain.run.contracts import InspectPurchaseRequest
from lambdas.handlers.inspect_purchase import inspect_purchase
from tests.fakes import bedrock as fakes_bedrock
from tests.fakes.bedrock import TOPIC_ARN, FakeSns

TAGS = [{"key": "bedrock-tuning:environment", "value": "dev"}]


@pytest.fixture
def sns(monkeypatch: pytest.MonkeyPatch) -> FakeSns:
    monkeypatch.setenv("TOPIC_ARN", TOPIC_ARN)
    fake = FakeSns()
    fakes_bedrock.install(monkeypatch, sns=fake)
    return fake


def inspect(request: dict[str, Any] | None, **detail: Any) -> str | None:
    record = {
        "eventName": "CreateProvisionedModelThroughput",
        "eventTime": "2026-11-23T09:30:00Z",
        "userIdentity": {"arn": "arn:aws:sts::123456789012:assumed-role/someone/x"},
        "requestParameters": request,
        "responseElements": {"provisionedModelArn": "arn:of:it"},
        **detail,
    }
    event = InspectPurchaseRequest(detail=record, account="123456789012", region="us-east-1")
    return inspect_purchase(event).concern


def test_a_purchase_of_ours_says_nothing(sns: FakeSns) -> None:
    assert inspect({"provisionedModelName": "dev-a", "tags": TAGS}) is None
    assert sns.calls == []


def test_a_commitment_is_mailed_even_with_our_tags(sns: FakeSns) -> None:
    request = {"provisionedModelName": "é", "tags": TAGS, "commitmentDuration": "SixMonths"}
    assert "SixMonths" in str(inspect(request))
    [mail] = sns.called("Publish")
    assert "assumed-role/someone" in mail["Message"]
    assert "arn:of:it" in mail["Message"]
    assert mail["Subject"].isascii()


@pytest.mark.parametrize("request_", [{"tags": [{"key": "other", "value": "x"}]}, {}, None])
def test_a_purchase_without_our_tags_is_mailed(
    sns: FakeSns, request_: dict[str, Any] | None
) -> None:
    assert "without the tag bedrock-tuning:environment" in str(inspect(request_))
    assert len(sns.calls) == 1


def test_a_purchase_that_was_refused_says_nothing(sns: FakeSns) -> None:
    assert inspect({"commitmentDuration": "OneMonth"}, errorCode="AccessDenied") is None
    assert sns.calls == []
