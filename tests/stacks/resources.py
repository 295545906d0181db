"""Finds resources in rendered templates."""

from collections.abc import Mapping
from typing import Any

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


def variables(stacks: Stacks) -> dict[str, dict[str, Any]]:
    """Return the environment variables of each function by its module."""
    return {
        each["Handler"].split(".")[2]: each["Environment"]["Variables"]
        for each in named(stacks, "AWS::Lambda::Function").values()
    }
