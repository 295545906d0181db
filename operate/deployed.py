"""Finds a deployed environment by the outputs of its stacks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from operate.credentials import explained
from stacks.environment import load
from stacks.names import Names

STACKS = ("storage", "operations", "guards", "pipeline")


class NotDeployed(Exception):
    """The environment is not deployed, or its stacks cannot be read; says what to do."""


@dataclass(frozen=True)
class Deployed:
    """One environment, with the outputs of all its stacks."""

    name: str
    region: str
    outputs: Mapping[str, str]

    def output(self, key: str) -> str:
        try:
            return self.outputs[key]
        except KeyError:
            raise NotDeployed(
                f"environment {self.name} has no output {key}: deploy it again with make deploy "
                f"ENV={self.name}"
            ) from None

    @property
    def bucket(self) -> str:
        return self.output("BucketName")

    @property
    def state_machine_arn(self) -> str:
        return self.output("StateMachineArn")

    @property
    def cleanup_arn(self) -> str:
        return self.output("CleanupArn")


def find_deployed(environment: str) -> Deployed:
    """Read the outputs of an environment's stacks, in its own region.

    Raises
    ------
    EnvironmentInvalid
        There is no such environment, or its file is not valid.
    NotDeployed
        It is not deployed in this account, or AWS refused.
    """
    region = load(environment).region
    cloudformation: Any = boto3.client("cloudformation", region_name=region)
    outputs: dict[str, str] = {}
    for stack in STACKS:
        outputs |= _outputs(cloudformation, Names(environment).of(stack), region)
    if not outputs:
        raise NotDeployed(
            f"environment {environment} is not deployed in {region} of this account: run "
            f"make deploy ENV={environment}"
        )
    return Deployed(environment, region, outputs)


def _outputs(cloudformation: Any, stack: str, region: str) -> dict[str, str]:  # noqa: ANN401  # boto3
    try:
        [described] = cloudformation.describe_stacks(StackName=stack)["Stacks"]
    except (ClientError, BotoCoreError) as error:
        if "does not exist" in str(error):
            return {}
        raise NotDeployed(f"cannot read stack {stack} in {region}: {explained(error)}") from error
    return {output["OutputKey"]: output["OutputValue"] for output in described.get("Outputs", [])}
