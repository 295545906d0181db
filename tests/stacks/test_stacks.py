"""Buckets, queue, topic, rules, logs, names and outputs of each environment."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from lambdas.domain.run.contracts import InspectPurchaseRequest, ReapLeftoversRequest
from stacks.constructs.steps import Step
from stacks.environment import Environment

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
    "AWS::Budgets::Budget",
    "AWS::IAM::Role",
    "AWS::KMS::Key",
    "AWS::Lambda::Permission",
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


def both(stacks: Stacks, kind: str) -> list[dict[str, Any]]:
    """Return resources of the two stacks that hold functions and machines."""
    return [each for name in ("pipeline", "guards") for each in of_type(stacks[name], kind)]


def named(stacks: Stacks, kind: str) -> dict[str, dict[str, Any]]:
    """Return their properties by name."""
    found = (each["Properties"] for each in both(stacks, kind))
    return {str(each[NAMES[kind]]): each for each in found}


def buckets(stacks: Stacks) -> list[dict[str, Any]]:
    return of_type(stacks["storage"], "AWS::S3::Bucket")


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
    assert {*rules} == {"old-runs", "old-approvals", "old-versions", "unfinished-uploads"}
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
        *both(stacks, "AWS::Logs::LogGroup"),
    ]
    assert {each["DeletionPolicy"] for each in lasting} == {kept}
    emptied = of_type(stacks["storage"], "Custom::S3AutoDeleteObjects")
    assert len(emptied) == (0 if environment.storage.retain else 2)


def test_keys_are_rotated(stacks: Stacks) -> None:
    for key in of_type(stacks["storage"], "AWS::KMS::Key"):
        assert key["Properties"]["EnableKeyRotation"] is True


def test_every_log_is_kept_for_a_while(
    environment: Environment, stacks: Stacks, steps: Sequence[Step]
) -> None:
    logs = both(stacks, "AWS::Logs::LogGroup")
    machines = both(stacks, "AWS::StepFunctions::StateMachine")
    assert len(logs) == len(steps) + len(machines)
    days = {each["Properties"]["RetentionInDays"] for each in logs}
    assert days == {environment.functions.log_retention_days}


def test_machines_are_standard_logged_and_traced(environment: Environment, stacks: Stacks) -> None:
    machines = both(stacks, "AWS::StepFunctions::StateMachine")
    assert len(machines) == 4
    for machine in machines:
        properties = machine["Properties"]
        assert properties.get("StateMachineType", "STANDARD") == "STANDARD"
        assert properties["LoggingConfiguration"]["Level"] == "ALL"
        assert properties["LoggingConfiguration"]["IncludeExecutionData"] is True
        traced = properties.get("TracingConfiguration", {}).get("Enabled", False)
        assert traced is environment.functions.tracing


def rules(stacks: Stacks, environment: Environment) -> dict[str, dict[str, Any]]:
    """Return the rules' properties by what stands behind the environment in their names."""
    prefix = f"bedrock-tuning-{environment.name}-"
    assert not of_type(stacks["pipeline"], "AWS::Events::Rule")
    return {
        name.removeprefix(prefix): each for name, each in named(stacks, "AWS::Events::Rule").items()
    }


def test_the_guard_watches_this_machine_and_misses_no_event(
    environment: Environment, stacks: Stacks
) -> None:
    rule = rules(stacks, environment)["abnormal-end"]
    detail = rule["EventPattern"]["detail"]
    assert detail["status"] == ["ABORTED", "FAILED", "TIMED_OUT"]
    (watched,) = detail["stateMachineArn"]
    machine = f":stateMachine:bedrock-tuning-{environment.name}"
    assert watched["Fn::Join"][1][-1] == machine
    (target,) = rule["Targets"]
    assert target["Arn"]["Ref"].startswith("GuardMachine")
    assert target["DeadLetterConfig"]["Arn"]["Fn::GetAtt"][0].startswith("GuardUndelivered")


def test_the_reaper_comes_on_time_and_is_told_it(environment: Environment, stacks: Stacks) -> None:
    rule = rules(stacks, environment)["reaper"]
    minutes = environment.spending.reap_every_minutes
    assert rule["ScheduleExpression"] == f"rate({minutes} minutes)"
    assert rule["State"] == "ENABLED"
    (target,) = rule["Targets"]
    assert target["Arn"]["Fn::GetAtt"][0].startswith("FunctionsReapLeftovers")
    assert sent(target) == {"now": "$.time"}


def test_purchases_are_watched_where_the_environment_says(
    environment: Environment, stacks: Stacks
) -> None:
    watched = environment.spending.watch_purchases
    assert ("purchases" in rules(stacks, environment)) is watched
    functions = named(stacks, "AWS::Lambda::Function")
    assert (f"bedrock-tuning-{environment.name}-inspect-purchase" in functions) is watched


def test_every_purchase_in_the_account_is_watched(
    environments: Mapping[str, Environment], templates: Mapping[str, Stacks]
) -> None:
    rule = rules(templates["prod"], environments["prod"])["purchases"]
    assert rule["EventPattern"] == {
        "source": ["aws.bedrock"],
        "detail-type": ["AWS API Call via CloudTrail"],
        "detail": {
            "eventSource": ["bedrock.amazonaws.com"],
            "eventName": ["CreateProvisionedModelThroughput"],
        },
    }
    (target,) = rule["Targets"]
    assert sent(target) == {"detail": "$.detail", "account": "$.account", "region": "$.region"}


@pytest.mark.parametrize(
    ("rule", "request_class"),
    [("reaper", ReapLeftoversRequest), ("purchases", InspectPurchaseRequest)],
)
def test_rules_send_what_the_functions_parse(
    environments: Mapping[str, Environment],
    templates: Mapping[str, Stacks],
    rule: str,
    request_class: type[BaseModel],
) -> None:
    (target,) = rules(templates["prod"], environments["prod"])[rule]["Targets"]
    assert {*sent(target)} == {*request_class.model_fields}


def sent(target: Mapping[str, Any]) -> dict[str, str]:
    """Return a target's event: field by field, where in the original it is from."""
    made = target["InputTransformer"]
    template = re.sub(r"<([^>]*)>", r'"\1"', made["InputTemplate"])
    return {field: made["InputPathsMap"][key] for field, key in json.loads(template).items()}


def test_plotting_is_loaded_by_one_function(stacks: Stacks) -> None:
    plotting = [
        each["Properties"]["Handler"]
        for each in both(stacks, "AWS::Lambda::Function")
        if len(each["Properties"]["Layers"]) > 1
    ]
    assert plotting == ["lambdas.handlers.read_loss_curves.handler"]


def test_aws_runs_what_the_environment_says(templates: Mapping[str, Stacks]) -> None:
    for name in ("dev", "prod"):
        for function in both(templates[name], "AWS::Lambda::Function"):
            assert function["Properties"]["Runtime"] == "python3.13"
            assert function["Properties"]["Architectures"] == ["arm64"]


def variables(stacks: Stacks) -> dict[str, dict[str, Any]]:
    """Return the environment variables of each function by its module."""
    return {
        each["Handler"].split(".")[2]: each["Environment"]["Variables"]
        for each in named(stacks, "AWS::Lambda::Function").values()
    }


def test_whoever_mails_knows_the_topic_by_its_name(
    environment: Environment, stacks: Stacks
) -> None:
    (topic,) = of_type(stacks["operations"], "AWS::SNS::Topic")
    name = topic["Properties"]["TopicName"]
    told = {
        module: json.dumps(each["TOPIC_ARN"])
        for module, each in variables(stacks).items()
        if "TOPIC_ARN" in each
    }
    watching = {"inspect_purchase"} if environment.spending.watch_purchases else set[str]()
    assert {*told} == {"approve_spend", "notify", "reap_leftovers"} | watching
    assert all(arn.endswith(f':{name}"]]}}') for arn in told.values())
    keyed = environment.storage.encryption == "kms"
    assert ("KmsMasterKeyId" in topic["Properties"]) is keyed


def test_every_function_has_the_settings_that_it_reads(stacks: Stacks) -> None:
    for module, given in variables(stacks).items():
        source = Path(f"lambdas/handlers/{module}.py").read_text(encoding="utf-8")
        read = {*re.findall(r'\bsetting\("(\w+)"\)', source)}
        if re.search(r"\bcalculator\(", source):
            read.add("PRICE_OVERRIDES")
        assert read <= {*given}, module


def test_the_mail_names_the_machine_that_decides(environment: Environment, stacks: Stacks) -> None:
    arn = variables(stacks)["approve_spend"]["DECIDE_MACHINE_ARN"]
    name = f"bedrock-tuning-{environment.name}-decide-spend"
    assert arn["Fn::Join"][1][-1] == f":stateMachine:{name}"
    assert name in named(stacks, "AWS::StepFunctions::StateMachine")


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
    assert {key for key in stacks[stack]["Outputs"] if "Exports" not in key} == outputs


def test_stacks_are_tagged_and_described(
    environment: Environment, stacks: Stacks, assemblies: Path
) -> None:
    for stack, artifact in artifacts(environment, assemblies).items():
        assert artifact["properties"]["tags"] == {
            "project": "bedrock-tuning",
            "bedrock-tuning:environment": environment.name,
        }
        protected = artifact["properties"].get("terminationProtection", False)
        assert protected is environment.storage.retain
        assert stacks[stack]["Description"]


def artifacts(environment: Environment, assemblies: Path) -> dict[str, Any]:
    manifest = json.loads((assemblies / environment.name / "manifest.json").read_text())
    prefix = f"bedrock-tuning-{environment.name}-"
    return {
        key.removeprefix(prefix): each
        for key, each in manifest["artifacts"].items()
        if each["type"] == "aws:cloudformation:stack"
    }


def test_the_guards_stay_when_the_pipeline_goes(
    environment: Environment, stacks: Stacks, assemblies: Path
) -> None:
    """They are there before it, know it by name only, and nothing of it holds them or is held."""
    prefix = f"bedrock-tuning-{environment.name}-"
    needs = {
        name: {
            each.removeprefix(prefix)
            for each in artifact["dependencies"]
            if not each.endswith(".assets")
        }
        for name, artifact in artifacts(environment, assemblies).items()
    }
    assert {*needs} == {*stacks} == {"storage", "guards", "pipeline", "operations"}
    assert "guards" in needs["pipeline"]
    assert needs["guards"] <= {"storage"}
    assert "pipeline" in needs["operations"]
    for name in ("guards", "pipeline", "operations"):
        imported = re.findall(r'"Fn::ImportValue": "([^"]*)"', json.dumps(stacks[name]))
        assert {each.split(":")[0] for each in imported} <= {f"{prefix}storage"}, name


def test_no_template_holds_a_setting_of_the_machine_that_made_it(stacks: Stacks) -> None:
    assert str(Path.cwd()) not in json.dumps(dict(stacks))
