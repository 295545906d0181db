"""A run needs what its roles grant: `test_runs` has it succeed with all, this has it fail."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
import pytest

from tests.workflow.deployed_machine import Machine

pytestmark = pytest.mark.usefixtures("enforced")


@contextmanager
def without(action: str, function: str) -> Iterator[None]:
    """Take `action` out of the inline policies of the function's role for a while."""
    iam: Any = boto3.client("iam")
    arn = boto3.client("lambda").get_function_configuration(
        FunctionName=f"bedrock-tuning-local-{function}"
    )["Role"]
    role = arn.rpartition("/")[2]
    stock = {
        name: iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
        for name in iam.list_role_policies(RoleName=role)["PolicyNames"]
    }
    changed = {name: _less(document, action) for name, document in stock.items()}
    assert changed != stock, f"{role} does not have {action}"
    try:
        for name, document in changed.items():
            _put(iam, role, name, document)
        yield
    finally:
        for name, document in stock.items():
            _put(iam, role, name, document)


def _put(iam: Any, role: str, name: str, document: dict[str, Any]) -> None:
    iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=json.dumps(document))


def _less(document: dict[str, Any], action: str) -> dict[str, Any]:
    statements = []
    for statement in document["Statement"]:
        actions = statement["Action"]
        actions = [actions] if isinstance(actions, str) else actions
        kept = [each for each in actions if each != action]
        statements += [{**statement, "Action": kept}] if kept else []
    return {**document, "Statement": statements}


@pytest.mark.parametrize(
    ("function", "action"),
    [
        ("validate-dataset", "s3:PutObject"),
        ("start-training", "bedrock:CreateModelCustomizationJob"),
        ("start-training", "iam:PassRole"),
        ("buy-throughput", "bedrock:CreateProvisionedModelThroughput"),
        ("answer-with-tuned-model", "bedrock:InvokeModel"),
    ],
)
def test_a_run_fails_without_a_needed_grant_and_leaves_nothing(
    machine: Machine, function: str, action: str
) -> None:
    with without(action, function):
        ended = machine.run()
    assert (ended.status, ended.error) == ("FAILED", "AccessDenied")
    assert action in ended.cause
    assert machine.offline.bedrock.alive() == []


def test_a_release_without_its_grant_says_what_still_bills(machine: Machine) -> None:
    with without("bedrock:DeleteProvisionedModelThroughput", "release-throughput"):
        ended = machine.run()
    assert ended.status == "FAILED"
    assert "MAY STILL BILL" in ended.cause
    assert "bedrock:DeleteProvisionedModelThroughput" in ended.cause
