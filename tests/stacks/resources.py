"""Finds resources in rendered templates."""

from collections.abc import Mapping
from typing import Any

from lambdas.domain.run.arns import OFFLINE_ACCOUNT

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


def of_type(template: Mapping[str, Any], kind: str) -> list[dict[str, Any]]:
    return [each for each in template["Resources"].values() if each["Type"] == kind]


def both(stacks: Stacks, kind: str) -> list[dict[str, Any]]:
    """Return resources of the two stacks that hold functions and machines."""
    return [each for name in ("pipeline", "guards") for each in of_type(stacks[name], kind)]


def named(stacks: Stacks, kind: str) -> dict[str, dict[str, Any]]:
    """Return their properties by name."""
    found = (each["Properties"] for each in both(stacks, kind))
    return {str(each[NAMES[kind]]): each for each in found}


def plain(value: Any) -> str:
    """Return a text, or what it is joined of, with <account> for its number, pinned or not."""
    parts = [value] if isinstance(value, str) else value["Fn::Join"][1]
    joined = "".join(part if isinstance(part, str) else "<account>" for part in parts)
    return joined.replace(OFFLINE_ACCOUNT, "<account>")


def variables(stacks: Stacks) -> dict[str, dict[str, Any]]:
    """Return the environment variables of each function by its module."""
    return {
        each["Handler"].split(".")[2]: each["Environment"]["Variables"]
        for each in named(stacks, "AWS::Lambda::Function").values()
    }
