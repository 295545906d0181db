"""What a run under way is spared, and what a name that is used again may not take over."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import boto3
import pytest

from lambdas.domain.run.names import names_of
from local.bedrock import Scenario
from local.rehearsal.rehearse import REGION
from tests.workflow.deployed_machine import Machine
from tests.workflow.test_runs import decide, decision

pytestmark = pytest.mark.usefixtures("enforced")

QUICK = Scenario(provisioning_minutes=3)
PIPELINE = "bedrock-tuning-local-pipeline"
Template = dict[str, Any]


@contextmanager
def deployed_again(bucket: str, change: Callable[[Template], Template]) -> Iterator[None]:
    """Update the pipeline's stack, and afterwards back to what it was."""
    cloudformation: Any = boto3.client("cloudformation")
    body = cloudformation.get_template(StackName=PIPELINE)["TemplateBody"]
    stock = json.loads(body) if isinstance(body, str) else body
    update(bucket, change(stock))
    try:
        yield
    finally:
        update(bucket, stock)


def update(bucket: str, template: Template) -> None:
    # From the bucket, as the CLI does: the template is too long for a call.
    boto3.client("s3").put_object(
        Bucket=bucket, Key="template.json", Body=json.dumps(template).encode()
    )
    cloudformation: Any = boto3.client("cloudformation")
    cloudformation.update_stack(
        StackName=PIPELINE,
        TemplateURL=f"https://s3.{REGION}.amazonaws.com/{bucket}/template.json",
        Capabilities=["CAPABILITY_NAMED_IAM"],
    )
    waiter = cloudformation.get_waiter("stack_update_complete")
    waiter.wait(StackName=PIPELINE, WaiterConfig={"Delay": 1, "MaxAttempts": 90})


def all_but_the_decision_broken(template: Template) -> Template:
    """Return it with a new version of each function that Lambda cannot load."""
    hashes = r"(?<=CurrentVersion)([0-9A-F]{8})[0-9a-f]{32}"
    changed: Template = json.loads(re.sub(hashes, rf"\g<1>{'0f' * 16}", json.dumps(template)))
    for resource in changed["Resources"].values():
        if resource["Type"] == "AWS::Lambda::Function":
            properties = resource["Properties"]
            properties["Description"] = "deployed again"
            if "decide_spend" not in properties["Handler"]:
                properties["Handler"] = "no_such_module.handler"
    return changed


def test_a_run_under_way_ends_with_the_functions_that_it_began_with(machine: Machine) -> None:
    machine.offline.bedrock.scenario = QUICK
    arn = machine.start({"require_approval": True})
    machine.wait_for_state(arn, "Approve spend")
    with deployed_again(machine.bucket, all_but_the_decision_broken):
        later = machine.run()
        assert later.error == "Runtime.ImportModuleError"
        run = names_of("local", arn.rpartition(":")[2], arn).run
        decided = decide(machine, decision(machine, run))
        assert decided.status == "SUCCEEDED", decided.cause
        ended = machine.wait(arn)
    assert ended.status == "SUCCEEDED", ended.cause
    assert ended.output["run"] == run
    assert machine.offline.bedrock.alive() == []
    assert machine.run({"max_cost_usd": 1}).error == "CostCeilingExceeded"


def test_a_name_that_aws_gives_out_again_takes_over_nothing(machine: Machine) -> None:
    machine.offline.bedrock.scenario = QUICK
    first = machine.wait(machine.start(name="again"))
    assert first.status == "SUCCEEDED", first.cause
    before = spent(machine)
    del machine.offline.executions.records[first.arn]  # as AWS does after 90 days
    second = machine.wait(machine.start(name="again"))
    assert second.arn == first.arn
    assert (second.status, second.error) == ("FAILED", "PreflightFailed")
    assert "the name 'again' was an earlier execution's, of which there is still" in second.cause
    assert second.states == ["Check preflight", "Notify failure", "Run failed"]
    assert spent(machine) == before


def spent(machine: Machine) -> tuple[object, object]:
    """All but tokens: *Check preflight* has each model answer with one."""
    found = machine.offline.bedrock.snapshot()
    items = [each for each in found["meter"]["items"] if "inference" not in each["what"]]
    return found["purchases"], items
