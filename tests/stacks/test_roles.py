"""What each role may do, literally: a grant that grows shows up here."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from stacks.environment import Environment
from stacks.functions import STEPS
from stacks.nag_suppressions import suppressions

Resources = Mapping[str, dict[str, Any]]
Statement = dict[str, Any]

LOGS = {"logs:CreateLogStream", "logs:PutLogEvents"}
TRACES = {"xray:PutTelemetryRecords", "xray:PutTraceSegments"}
READ = {"s3:GetObject", "s3:ListBucket"}
WRITE = {"s3:PutObject"}
FIND_JOB = {"bedrock:GetModelCustomizationJob"}
STOP_JOB = FIND_JOB | {"bedrock:StopModelCustomizationJob"}
FIND_THROUGHPUT = {"bedrock:GetProvisionedModelThroughput"}
RELEASE = FIND_THROUGHPUT | {"bedrock:DeleteProvisionedModelThroughput"}
INVOKE = {"bedrock:InvokeModel"}

ACTIONS = {
    "Check preflight": {
        "s3:ListBucket",
        "bedrock:GetFoundationModel",
        "servicequotas:ListServiceQuotas",
    },
    "Validate dataset": READ | WRITE,
    "Start training": FIND_JOB
    | {"bedrock:CreateModelCustomizationJob", "bedrock:TagResource", "iam:PassRole"},
    "Check training": STOP_JOB,
    "Stop training": STOP_JOB,
    "Read loss curves": READ | WRITE,
    "Answer with base model": READ | WRITE | INVOKE,
    "Buy throughput": FIND_THROUGHPUT
    | {"bedrock:CreateProvisionedModelThroughput", "bedrock:TagResource"},
    "Check throughput": FIND_THROUGHPUT,
    "Answer with tuned model": READ | WRITE | INVOKE,
    "Release throughput": RELEASE,
    "Judge answers": READ | WRITE | INVOKE,
    "Decide verdict": READ | WRITE,
    "Write report": READ | WRITE,
    "Notify": {"sns:Publish"},
    "Stop run": STOP_JOB | RELEASE,
}
USE_KEY = {"kms:Decrypt", "kms:GenerateDataKey"}
MAKE_GRANTS = USE_KEY | {"kms:CreateGrant", "kms:DescribeKey"}
KEY_ACTIONS = {
    "Validate dataset": USE_KEY,
    "Start training": MAKE_GRANTS,
    "Read loss curves": USE_KEY,
    "Answer with base model": USE_KEY,
    "Buy throughput": {"kms:Decrypt"},
    "Answer with tuned model": USE_KEY,
    "Judge answers": USE_KEY,
    "Decide verdict": USE_KEY,
    "Write report": USE_KEY,
    "Notify": USE_KEY,
}


@pytest.fixture
def resources(stacks: Mapping[str, dict[str, Any]]) -> Resources:
    found: Resources = stacks["pipeline"]["Resources"]
    return found


def roles(resources: Resources) -> dict[str, dict[str, Any]]:
    return {
        name: each["Properties"]
        for name, each in resources.items()
        if each["Type"] == "AWS::IAM::Role"
    }


def role(resources: Resources, prefix: str) -> dict[str, Any]:
    found = [
        each
        for name, each in roles(resources).items()
        if re.fullmatch(prefix + r"[0-9A-F]{8}", name)
    ]
    assert len(found) == 1, prefix
    return found[0]


def statements(role: Mapping[str, Any]) -> Iterator[Statement]:
    for policy in role["Policies"]:
        yield from policy["PolicyDocument"]["Statement"]


def listed(value: object) -> list[Any]:
    return value if isinstance(value, list) else [value]


def actions(role: Mapping[str, Any]) -> set[str]:
    return {action for each in statements(role) for action in listed(each["Action"])}


def allowing(resources: Resources, action: str) -> list[Statement]:
    return [
        each
        for one in roles(resources).values()
        for each in statements(one)
        if action in listed(each["Action"])
    ]


def text(value: object) -> str:
    """Return an ARN as one text, whatever it is joined of."""
    plain = re.sub(r'\{"(?:Ref|Fn::ImportValue)": "([^"]*)"\}', r'"<\1>"', json.dumps(value))
    return re.sub(r'\{"Fn::Join": \["", \[(.*?)\]\]\}', lambda m: _joined(m[1]), plain)


def _joined(parts: str) -> str:
    return '"' + "".join(json.loads(f"[{parts}]")) + '"'


def test_each_function_may_do_exactly_this(environment: Environment, resources: Resources) -> None:
    traces = TRACES if environment.functions.tracing else set()
    keyed = environment.storage.encryption == "kms"
    for step in STEPS:
        allowed = actions(role(resources, f"Functions{step.id}Role"))
        key = KEY_ACTIONS.get(step.name, set()) if keyed else set()
        assert allowed == ACTIONS[step.name] | LOGS | traces | key, step.name


def test_each_function_has_a_role_of_its_own(resources: Resources) -> None:
    used = [
        each["Properties"]["Role"]["Fn::GetAtt"][0]
        for each in resources.values()
        if each["Type"] == "AWS::Lambda::Function"
    ]
    assert len(used) == len({*used}) == len(STEPS)


def test_no_role_has_a_managed_policy_or_a_wildcard_action(resources: Resources) -> None:
    for name, each in roles(resources).items():
        assert "ManagedPolicyArns" not in each, name
        assert not any("*" in action for action in actions(each)), name


def test_policies_stand_in_roles_only(resources: Resources) -> None:
    assert "AWS::IAM::Policy" not in {each["Type"] for each in resources.values()}


def test_functions_write_to_their_own_log_only(resources: Resources) -> None:
    for step in STEPS:
        function = role(resources, f"Functions{step.id}Role")
        for each in statements(function):
            if "logs:PutLogEvents" in each["Action"]:
                assert each["Resource"]["Fn::GetAtt"][0].startswith(f"Functions{step.id}Logs")


def test_every_wildcard_resource_is_listed_with_its_reason(
    environment: Environment, resources: Resources
) -> None:
    listed_with_reason = {
        match[1].replace("<AWS::AccountId>", "ACCOUNT")
        for each in suppressions(environment)
        if (match := re.search(r"\[Resource::(.*)\]", each.finding)) and each.reason
    }
    for name, one in roles(resources).items():
        for each in statements(one):
            for resource in listed(each["Resource"]):
                arn = text(resource).strip('"').replace("<AWS::AccountId>", "ACCOUNT")
                assert "*" not in arn or arn in listed_with_reason, f"{name}: {arn}"


def test_only_bedrocks_role_is_passed_and_only_to_bedrock(resources: Resources) -> None:
    (passing,) = allowing(resources, "iam:PassRole")
    assert passing["Resource"]["Fn::GetAtt"][0].startswith("BedrockServiceRole")
    assert passing["Condition"] == {
        "StringEquals": {"iam:PassedToService": "bedrock.amazonaws.com"}
    }


def test_bedrock_is_trusted_for_own_jobs_only(
    environment: Environment, resources: Resources
) -> None:
    (trust,) = role(resources, "BedrockServiceRole")["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": "bedrock.amazonaws.com"}
    jobs = f"arn:aws:bedrock:{environment.region}:<AWS::AccountId>:model-customization-job/*"
    assert json.loads(text(trust["Condition"])) == {
        "StringEquals": {"aws:SourceAccount": "<AWS::AccountId>"},
        "ArnEquals": {"aws:SourceArn": jobs},
    }


def test_bedrock_reads_datasets_and_writes_training_only(resources: Resources) -> None:
    service = role(resources, "BedrockServiceRole")
    objects = {
        action: {text(each).rpartition("-")[2].split("/", 1)[1] for each in listed(one["Resource"])}
        for one in statements(service)
        for action in listed(one["Action"])
        if action in {"s3:GetObject", "s3:PutObject"}
    }
    assert objects == {
        "s3:GetObject": {'datasets/*"', 'runs/*/training/*"'},
        "s3:PutObject": {'runs/*/training/*"'},
    }


def test_listing_is_limited_by_prefix(resources: Resources) -> None:
    for each in allowing(resources, "s3:ListBucket"):
        prefixes = each["Condition"]["StringLike"]["s3:prefix"]
        assert all(one.startswith(("datasets/", "runs/*/")) for one in listed(prefixes))


def test_throughputs_of_another_environment_cannot_be_deleted(
    environment: Environment, resources: Resources
) -> None:
    deleting = allowing(resources, "bedrock:DeleteProvisionedModelThroughput")
    assert len(deleting) == 2
    for each in deleting:
        tag = {"aws:ResourceTag/bedrock-tuning:environment": environment.name}
        assert each["Condition"] == {"StringEqualsIfExists": tag}


def test_nothing_can_commit_to_a_term(resources: Resources) -> None:
    # IAM knows no condition on the commitment: no code may ever ask for one.
    assert not allowing(resources, "bedrock:UpdateProvisionedModelThroughput")
    for path in Path("lambdas").rglob("*.py"):
        assert "commitmentDuration" not in path.read_text(encoding="utf-8"), path


def test_profiles_are_invoked_through_profiles_only(resources: Resources) -> None:
    for each in allowing(resources, "bedrock:InvokeModel"):
        arns = [text(one) for one in listed(each["Resource"])]
        elsewhere = {arn.split(":")[3] for arn in arns if "foundation-model" in arn}
        if len(elsewhere) > 1:
            assert "bedrock:InferenceProfileArn" in each["Condition"]["StringEquals"]


def test_keys_are_used_through_a_service_only(resources: Resources) -> None:
    for one in roles(resources).values():
        for each in statements(one):
            if any(action.startswith("kms:") for action in listed(each["Action"])):
                assert "kms:ViaService" in each["Condition"]["StringEquals"]


def test_machines_invoke_what_they_name_only(resources: Resources) -> None:
    invoked = {
        prefix: len(listed(each["Resource"]))
        for prefix in ("MachineRole", "GuardMachineRole")
        for each in statements(role(resources, prefix))
        if each["Action"] == "lambda:InvokeFunction"
    }
    assert invoked == {"MachineRole": len(STEPS) - 1, "GuardMachineRole": 1}


def test_no_function_can_be_called_from_outside(resources: Resources) -> None:
    types = {each["Type"] for each in resources.values()}
    assert not types & {"AWS::Lambda::Permission", "AWS::Lambda::Url"}
