"""What holds for the stacks together: names, tags, outputs and their order."""

import json
import re
from collections.abc import Iterator, Mapping
from graphlib import TopologicalSorter
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from aws_cdk.cx_api import SynthesisMessageLevel

from operate.deployed import STACKS
from stacks.application import new_app, populate
from stacks.environment import Environment
from tests.stacks.resources import NAMES, Stacks, of_type

# CloudFormation names these after the stack, and CDK the provider that empties buckets.
UNNAMED = {
    "AWS::Budgets::Budget",
    "AWS::IAM::Role",
    "AWS::KMS::Key",
    "AWS::Lambda::Permission",
    "AWS::Lambda::Version",
    "AWS::S3::BucketPolicy",
    "AWS::SNS::TopicPolicy",
    "AWS::SQS::QueuePolicy",
    "Custom::S3AutoDeleteObjects",
}


def names(stacks: Stacks) -> Iterator[str]:
    for template in stacks.values():
        for key, resource in template["Resources"].items():
            kind = resource["Type"]
            if kind in UNNAMED or key.startswith("CustomS3AutoDeleteObjects"):
                continue
            yield f"{kind} {json.dumps(resource['Properties'][NAMES[kind]])}"


def test_every_name_carries_the_environment(environment: Environment, stacks: Stacks) -> None:
    for name in names(stacks):
        assert f"bedrock-tuning-{environment.name}" in name


def test_two_environments_in_one_account_never_collide(
    templates: Mapping[str, Stacks],
) -> None:
    found = [{*names(stacks)} for stacks in templates.values()]
    assert len(set[str]().union(*found)) == sum(len(each) for each in found)


def test_two_stacks_share_no_name_but_that_of_a_layer(stacks: Stacks) -> None:
    """Each publishes a version of the layer and removes no other."""
    found = [*names(stacks)]
    twice = {name.split()[0] for name in found if found.count(name) > 1}
    assert twice == {"AWS::Lambda::LayerVersion"}


def test_everything_with_a_policy_of_its_own_takes_tls_only(stacks: Stacks) -> None:
    kinds = ("AWS::S3::BucketPolicy", "AWS::SNS::TopicPolicy", "AWS::SQS::QueuePolicy")
    policies = [each for one in stacks.values() for kind in kinds for each in of_type(one, kind)]
    assert len(policies) == 4
    for policy in policies:
        document = policy["Properties"]["PolicyDocument"]["Statement"]
        insecure = {"Bool": {"aws:SecureTransport": "false"}}
        assert any(each["Effect"] == "Deny" and each["Condition"] == insecure for each in document)


@pytest.mark.parametrize(
    ("stack", "outputs"),
    [
        ("storage", {"BucketName", "UploadDatasetCommand"}),
        ("guards", {"CleanupArn"}),
        ("pipeline", {"StateMachineArn", "StateMachineConsole", "DecideSpendArn"}),
        ("operations", {"TopicArn"}),
    ],
)
def test_outputs_are_what_a_person_needs_next(
    stacks: Stacks, stack: str, outputs: set[str]
) -> None:
    assert {key for key in stacks[stack]["Outputs"] if "PublishOutput" not in key} == outputs


def test_stacks_are_tagged_and_described(
    environment: Environment, stacks: Stacks, assemblies: Path
) -> None:
    for stack, artifact in artifacts(environment, assemblies).items():
        assert artifact["properties"]["tags"] == {
            "project": "bedrock-tuning",
            "bedrock-tuning:environment": environment.name,
        }
        protected = artifact["properties"].get("terminationProtection", False)
        assert protected is (environment.storage.retain or stack == "guards")
        assert stacks[stack]["Description"]


def artifacts(environment: Environment, assemblies: Path) -> dict[str, Any]:
    manifest = json.loads((assemblies / environment.name / "manifest.json").read_text())
    prefix = f"bedrock-tuning-{environment.name}-"
    return {
        key.removeprefix(prefix): each
        for key, each in manifest["artifacts"].items()
        if each["type"] == "aws:cloudformation:stack"
    }


def test_what_buys_goes_before_what_guards_and_that_before_what_tells(
    environment: Environment, assemblies: Path
) -> None:
    """`cdk destroy` goes from each stack to those that it needs, and stops at a protected one."""
    prefix = f"bedrock-tuning-{environment.name}-"
    needs = {
        name: {
            each.removeprefix(prefix)
            for each in artifact["dependencies"]
            if not each.endswith(".assets")
        }
        for name, artifact in artifacts(environment, assemblies).items()
    }
    deployed = [*TopologicalSorter(needs).static_order()]
    assert deployed == ["storage", "operations", "guards", "pipeline"] == [*STACKS]
    for one, before in pairwise(deployed):
        assert one in needs[before], "the order is the only one"


def test_stacks_know_each_other_by_name_only(environment: Environment, stacks: Stacks) -> None:
    prefix = f"bedrock-tuning-{environment.name}-"
    for name in ("guards", "pipeline", "operations"):
        read = re.findall(
            r'"Fn::GetStackOutput": {"StackName": "([^"]*)"', json.dumps(stacks[name])
        )
        assert {*read} <= {f"{prefix}storage"}, name


def test_no_stack_holds_what_another_exports(stacks: Stacks) -> None:
    """An export in use cannot go or change: a setting like `encryption` could not be changed."""
    for template in stacks.values():
        assert "Fn::ImportValue" not in json.dumps(template)
        assert not any("Export" in each for each in template["Outputs"].values())


def test_a_warning_is_shown_with_the_stack_that_buys_and_fails_nothing(
    environments: Mapping[str, Environment], tmp_path: Path
) -> None:
    app = new_app(tmp_path)
    populate(app, environments["local"], warnings=["claude-3-haiku takes no new training"])
    [shown] = [
        (stack.stack_name, message.entry.data)
        for stack in app.synth().stacks
        for message in stack.messages
        if message.level == SynthesisMessageLevel.WARNING
    ]
    assert shown[0] == "bedrock-tuning-local-pipeline"
    assert str(shown[1]).startswith("claude-3-haiku takes no new training")


def test_no_template_holds_a_setting_of_the_machine_that_made_it(stacks: Stacks) -> None:
    assert str(Path.cwd()) not in json.dumps(dict(stacks))
