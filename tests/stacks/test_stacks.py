"""Buckets, queue, topic, logs, alarms, names and outputs of each environment."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from stacks.environment import Environment
from stacks.functions import STEPS

Stacks = Mapping[str, dict[str, Any]]

NAMES = {
    "AWS::CloudWatch::Alarm": "AlarmName",
    "AWS::CloudWatch::Dashboard": "DashboardName",
    "AWS::Events::Rule": "Name",
    "AWS::KMS::Alias": "AliasName",
    "AWS::Lambda::Function": "FunctionName",
    "AWS::Lambda::LayerVersion": "LayerName",
    "AWS::Logs::LogGroup": "LogGroupName",
    "AWS::S3::Bucket": "BucketName",
    "AWS::SNS::Topic": "TopicName",
    "AWS::SQS::Queue": "QueueName",
    "AWS::StepFunctions::StateMachine": "StateMachineName",
}
# CloudFormation names these after the stack, and CDK the provider that empties buckets.
UNNAMED = {
    "AWS::IAM::Role",
    "AWS::KMS::Key",
    "AWS::S3::BucketPolicy",
    "AWS::SNS::TopicPolicy",
    "AWS::SQS::QueuePolicy",
    "Custom::S3AutoDeleteObjects",
}


def of_type(template: Mapping[str, Any], kind: str) -> list[dict[str, Any]]:
    return [each for each in template["Resources"].values() if each["Type"] == kind]


def names(stacks: Stacks) -> Iterator[str]:
    for template in stacks.values():
        for key, resource in template["Resources"].items():
            kind = resource["Type"]
            if kind in UNNAMED or key.startswith("CustomS3AutoDeleteObjects"):
                continue
            yield f"{kind} {json.dumps(resource['Properties'][NAMES[kind]])}"


def buckets(stacks: Stacks) -> list[dict[str, Any]]:
    return of_type(stacks["storage"], "AWS::S3::Bucket")


def test_every_name_carries_the_environment(environment: Environment, stacks: Stacks) -> None:
    for name in names(stacks):
        assert f"bedrock-tuning-{environment.name}" in name


def test_two_environments_in_one_account_never_collide(
    templates: Mapping[str, Stacks],
) -> None:
    found = [name for stacks in templates.values() for name in names(stacks)]
    assert len(found) == len({*found})


def test_buckets_are_private_owned_and_encrypted(stacks: Stacks) -> None:
    assert len(buckets(stacks)) == 2
    for bucket in buckets(stacks):
        properties = bucket["Properties"]
        assert set(properties["PublicAccessBlockConfiguration"].values()) == {True}
        assert len(properties["PublicAccessBlockConfiguration"]) == 4
        assert properties["OwnershipControls"] == {
            "Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]
        }
        assert "BucketEncryption" in properties


def test_everything_with_a_policy_of_its_own_takes_tls_only(stacks: Stacks) -> None:
    kinds = ("AWS::S3::BucketPolicy", "AWS::SNS::TopicPolicy", "AWS::SQS::QueuePolicy")
    policies = [each for one in stacks.values() for kind in kinds for each in of_type(one, kind)]
    assert len(policies) == 4
    for policy in policies:
        document = policy["Properties"]["PolicyDocument"]["Statement"]
        insecure = {"Bool": {"aws:SecureTransport": "false"}}
        assert any(each["Effect"] == "Deny" and each["Condition"] == insecure for each in document)


def test_artefacts_are_versioned_logged_and_expire(
    environment: Environment, stacks: Stacks
) -> None:
    (artefacts,) = (
        each["Properties"]
        for each in buckets(stacks)
        if "LoggingConfiguration" in each["Properties"]
    )
    assert artefacts["VersioningConfiguration"] == {"Status": "Enabled"}
    rules = {each["Id"]: each for each in artefacts["LifecycleConfiguration"]["Rules"]}
    assert {*rules} == {"old-runs", "old-versions", "unfinished-uploads"}
    assert rules["old-runs"]["Prefix"] == "runs/"
    assert rules["old-runs"]["ExpirationInDays"] == environment.storage.expire_runs_after_days
    encryption = json.dumps(artefacts["BucketEncryption"])
    assert ("aws:kms" in encryption) == (environment.storage.encryption == "kms")


def test_what_lasts_is_kept_where_the_environment_says(
    environment: Environment, stacks: Stacks
) -> None:
    kept = "RetainExceptOnCreate" if environment.storage.retain else "Delete"
    lasting = [
        *buckets(stacks),
        *of_type(stacks["storage"], "AWS::KMS::Key"),
        *of_type(stacks["pipeline"], "AWS::Logs::LogGroup"),
    ]
    assert {each["DeletionPolicy"] for each in lasting} == {kept}
    emptied = of_type(stacks["storage"], "Custom::S3AutoDeleteObjects")
    assert len(emptied) == (0 if environment.storage.retain else 2)


def test_keys_are_rotated(stacks: Stacks) -> None:
    for key in of_type(stacks["storage"], "AWS::KMS::Key"):
        assert key["Properties"]["EnableKeyRotation"] is True


def test_every_log_is_kept_for_a_while(environment: Environment, stacks: Stacks) -> None:
    logs = of_type(stacks["pipeline"], "AWS::Logs::LogGroup")
    assert len(logs) == len(STEPS) + 2
    days = {each["Properties"]["RetentionInDays"] for each in logs}
    assert days == {environment.functions.log_retention_days}


def test_machines_are_standard_logged_and_traced(environment: Environment, stacks: Stacks) -> None:
    machines = of_type(stacks["pipeline"], "AWS::StepFunctions::StateMachine")
    assert len(machines) == 2
    for machine in machines:
        properties = machine["Properties"]
        assert properties.get("StateMachineType", "STANDARD") == "STANDARD"
        assert properties["LoggingConfiguration"]["Level"] == "ALL"
        assert properties["LoggingConfiguration"]["IncludeExecutionData"] is True
        traced = properties.get("TracingConfiguration", {}).get("Enabled", False)
        assert traced is environment.functions.tracing


def test_the_guard_watches_this_machine_and_misses_no_event(stacks: Stacks) -> None:
    (rule,) = (each["Properties"] for each in of_type(stacks["pipeline"], "AWS::Events::Rule"))
    detail = rule["EventPattern"]["detail"]
    assert detail["status"] == ["ABORTED", "FAILED", "TIMED_OUT"]
    (watched,) = detail["stateMachineArn"]
    assert watched["Ref"].startswith("MachineStateMachine")
    (target,) = rule["Targets"]
    assert target["Arn"]["Ref"].startswith("GuardMachine")
    assert target["DeadLetterConfig"]["Arn"]["Fn::GetAtt"][0].startswith("GuardUndelivered")


def test_plotting_is_loaded_by_one_function(stacks: Stacks) -> None:
    plotting = [
        each["Properties"]["Handler"]
        for each in of_type(stacks["pipeline"], "AWS::Lambda::Function")
        if len(each["Properties"]["Layers"]) > 1
    ]
    assert plotting == ["lambdas.read_loss_curves.handler"]


def test_aws_runs_what_the_environment_says(templates: Mapping[str, Stacks]) -> None:
    for name in ("dev", "prod"):
        for function in of_type(templates[name]["pipeline"], "AWS::Lambda::Function"):
            assert function["Properties"]["Runtime"] == "python3.13"
            assert function["Properties"]["Architectures"] == ["arm64"]


def test_everything_abnormal_has_an_alarm_that_reaches_the_topic(
    environment: Environment, stacks: Stacks
) -> None:
    alarms = [
        each["Properties"] for each in of_type(stacks["operations"], "AWS::CloudWatch::Alarm")
    ]
    prefix = f"bedrock-tuning-{environment.name}-"
    watched = {each["AlarmName"].removeprefix(prefix) for each in alarms}
    assert watched == {f"{step.slug}-errors" for step in STEPS} | {
        "executions-failed",
        "executions-timed-out",
        "executions-aborted",
        "guard-failed",
        "guard-timed-out",
        "guard-undelivered",
    }
    for alarm in alarms:
        assert alarm["AlarmDescription"]
        assert [each["Ref"][:5] for each in alarm["AlarmActions"]] == ["Topic"]


def test_alarms_watch_names_that_exist(stacks: Stacks) -> None:
    existing = {name.split('"')[1] for name in names(stacks) if '"' in name}
    for alarm in of_type(stacks["operations"], "AWS::CloudWatch::Alarm"):
        for dimension in alarm["Properties"]["Dimensions"]:
            watched = re.sub(r'.*:stateMachine:|["\]}]', "", json.dumps(dimension["Value"]))
            assert watched in existing


def test_the_topic_has_the_name_that_notify_publishes_to(
    environment: Environment, stacks: Stacks
) -> None:
    (topic,) = of_type(stacks["operations"], "AWS::SNS::Topic")
    name = topic["Properties"]["TopicName"]
    (notify,) = (
        each["Properties"]["Environment"]["Variables"]["TOPIC_ARN"]
        for each in of_type(stacks["pipeline"], "AWS::Lambda::Function")
        if "TOPIC_ARN" in each["Properties"]["Environment"]["Variables"]
    )
    assert json.dumps(notify).endswith(f':{name}"]]}}')
    keyed = environment.storage.encryption == "kms"
    assert ("KmsMasterKeyId" in topic["Properties"]) is keyed


@pytest.mark.parametrize(
    ("stack", "outputs"),
    [
        ("storage", {"BucketName", "UploadDatasetCommand"}),
        ("pipeline", {"StateMachineArn", "StateMachineConsole"}),
        ("operations", {"TopicArn"}),
    ],
)
def test_outputs_are_what_a_person_needs_next(
    stacks: Stacks, stack: str, outputs: set[str]
) -> None:
    assert {key for key in stacks[stack]["Outputs"] if "Exports" not in key} == outputs


def test_stacks_are_tagged_and_described(
    environment: Environment, stacks: Stacks, assemblies: Path
) -> None:
    manifest = json.loads((assemblies / environment.name / "manifest.json").read_text())
    for stack in stacks:
        artifact = manifest["artifacts"][f"bedrock-tuning-{environment.name}-{stack}"]
        assert artifact["properties"]["tags"] == {
            "project": "bedrock-tuning",
            "bedrock-tuning:environment": environment.name,
        }
        protected = artifact["properties"].get("terminationProtection", False)
        assert protected is environment.storage.retain
        assert stacks[stack]["Description"]


def test_no_template_holds_a_setting_of_the_machine_that_made_it(stacks: Stacks) -> None:
    assert str(Path.cwd()) not in json.dumps(dict(stacks))
