"""A run needs what its roles grant: `test_runs` has it succeed with all, this has it fail.

And no role of ours touches what belongs to another environment.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from lambdas.domain.run import tags
from lambdas.domain.run.arns import OFFLINE_ACCOUNT
from local.bedrock import Scenario
from local.rehearsal.rehearse import REGION
from tests.workflow.deployed_machine import Machine

pytestmark = pytest.mark.usefixtures("enforced")


@contextmanager
def without(action: str, function: str) -> Iterator[None]:
    """Take `action` out of the inline policies of the function's role for a while."""
    iam: Any = boto3.client("iam")
    role, stock = _policies(iam, function)
    changed = {name: _less(document, action) for name, document in stock.items()}
    assert changed != stock, f"{role} does not have {action}"
    try:
        for name, document in changed.items():
            _put(iam, role, name, document)
        yield
    finally:
        for name, document in stock.items():
            _put(iam, role, name, document)


def _policies(iam: Any, function: str) -> tuple[str, dict[str, dict[str, Any]]]:
    """Return the role of a function, and its inline policies."""
    arn = boto3.client("lambda").get_function_configuration(
        FunctionName=f"bedrock-tuning-local-{function}"
    )["Role"]
    role = arn.rpartition("/")[2]
    return role, _inline(iam, role)


def _inline(iam: Any, role: str) -> dict[str, dict[str, Any]]:
    names = iam.list_role_policies(RoleName=role)["PolicyNames"]
    return {
        name: iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
        for name in names
    }


@contextmanager
def acting_as(function: str) -> Iterator[Any]:
    """Call Bedrock with the policies of the function's role, which only Lambda may assume."""
    iam: Any = boto3.client("iam")
    user = f"as-{function}"
    iam.create_user(UserName=user)
    for name, document in _policies(iam, function)[1].items():
        iam.put_user_policy(UserName=user, PolicyName=name, PolicyDocument=json.dumps(document))
    key = iam.create_access_key(UserName=user)["AccessKey"]
    try:
        yield boto3.client(
            "bedrock",
            aws_access_key_id=key["AccessKeyId"],
            aws_secret_access_key=key["SecretAccessKey"],
        )
    finally:
        iam.delete_access_key(UserName=user, AccessKeyId=key["AccessKeyId"])
        for name in iam.list_user_policies(UserName=user)["PolicyNames"]:
            iam.delete_user_policy(UserName=user, PolicyName=name)
        iam.delete_user(UserName=user)


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
    with without("bedrock:DeleteProvisionedModelThroughput", "release-hosting"):
        ended = machine.run()
    assert ended.status == "FAILED"
    assert "MAY STILL BILL" in ended.cause
    assert "bedrock:DeleteProvisionedModelThroughput" in ended.cause


def _throughput(machine: Machine, tagged: dict[str, str]) -> str:
    return machine.offline.bedrock.add_throughput(
        "bedrock-tuning-local-theirs", account=OFFLINE_ACCOUNT, region=REGION, tags=tagged
    )


def _denied(call: Any, **request: Any) -> None:
    with pytest.raises(ClientError) as error:
        call(**request)
    assert error.value.response["Error"]["Code"] == "AccessDeniedException"


ENDERS = ["release-hosting", "stop-run", "reap-leftovers", "delete-resources"]


@pytest.mark.parametrize("function", ENDERS)
def test_another_environments_throughput_is_not_ours_to_delete(
    machine: Machine, function: str
) -> None:
    theirs = _throughput(machine, {tags.ENVIRONMENT: "prod"})
    with acting_as(function) as bedrock:
        _denied(bedrock.delete_provisioned_model_throughput, provisionedModelId=theirs)
    assert machine.offline.bedrock.alive() == [theirs]


@pytest.mark.parametrize("function", ENDERS)
@pytest.mark.parametrize("tagged", [{}, {tags.ENVIRONMENT: "local"}])
def test_what_is_ours_or_lost_its_tags_can_be_deleted(
    machine: Machine, function: str, tagged: dict[str, str]
) -> None:
    ours = _throughput(machine, tagged)
    with acting_as(function) as bedrock:
        bedrock.delete_provisioned_model_throughput(provisionedModelId=ours)
    assert machine.offline.bedrock.alive() == []


def test_another_environments_throughput_cannot_be_made_to_look_like_ours(
    machine: Machine,
) -> None:
    theirs = _throughput(machine, {tags.ENVIRONMENT: "prod"})
    ours = [{"key": tags.ENVIRONMENT, "value": "local"}]
    for function in ("buy-throughput", *ENDERS):
        with acting_as(function) as bedrock:
            _denied(bedrock.tag_resource, resourceARN=theirs, tags=ours)
            _denied(bedrock.untag_resource, resourceARN=theirs, tagKeys=[tags.ENVIRONMENT])


def test_nothing_is_bought_without_our_tag_or_for_another_environments_model(
    machine: Machine,
) -> None:
    assert machine.run().status == "SUCCEEDED"
    everybody: Any = boto3.client("bedrock")
    model = everybody.list_custom_models()["modelSummaries"][0]["modelArn"]
    ours, theirs = (
        [{"key": tags.ENVIRONMENT, "value": environment}] for environment in ("local", "prod")
    )
    request = {"modelId": model, "modelUnits": 1, "provisionedModelName": "by-hand"}
    with acting_as("buy-throughput") as bedrock:
        buy = bedrock.create_provisioned_model_throughput
        _denied(buy, **request)
        _denied(buy, **request, tags=theirs)
        everybody.tag_resource(resourceARN=model, tags=theirs)
        _denied(buy, **request, tags=ours)
    assert machine.offline.bedrock.alive() == []


@pytest.mark.parametrize(
    "function", ["check-training", "stop-training", "stop-run", "reap-leftovers"]
)
def test_another_environments_job_is_not_ours_to_stop(machine: Machine, function: str) -> None:
    machine.offline.bedrock.scenario = Scenario(job_outcome="stuck_training")
    job = _job_of(machine, environment="prod")
    with acting_as(function) as bedrock:
        _denied(bedrock.stop_model_customization_job, jobIdentifier=job)
    assert machine.offline.bedrock.alive() == [job]


def test_a_run_fails_without_a_permission_of_bedrocks_service_role(machine: Machine) -> None:
    iam: Any = boto3.client("iam")
    role = _service_role().rpartition("/")[2]
    stock = _inline(iam, role)
    try:
        for name, document in stock.items():
            _put(iam, role, name, _less(document, "s3:PutObject"))
        ended = machine.run()
    finally:
        for name, document in stock.items():
            _put(iam, role, name, document)
    assert (ended.status, ended.error) == ("FAILED", "TrainingFailed")
    assert "Could not validate PutObject permissions" in ended.cause
    assert machine.offline.bedrock.alive() == []


def _service_role() -> str:
    roles: Any = boto3.client("iam").list_roles()["Roles"]
    [arn] = [role["Arn"] for role in roles if "BedrockServiceRole" in role["RoleName"]]
    return str(arn)


def _job_of(machine: Machine, *, environment: str) -> str:
    bedrock: Any = boto3.client("bedrock")
    arn: str = bedrock.create_model_customization_job(
        jobName="theirs",
        customModelName="their-model",
        roleArn=_service_role(),
        baseModelIdentifier="anthropic.claude-3-haiku-20240307-v1:0:200k",
        trainingDataConfig={"s3Uri": f"s3://{machine.bucket}/datasets/default/training.jsonl"},
        outputDataConfig={"s3Uri": f"s3://{machine.bucket}/runs/theirs/training/"},
        hyperParameters={"epochCount": "1"},
        jobTags=[{"key": tags.ENVIRONMENT, "value": environment}],
    )["jobArn"]
    return arn
