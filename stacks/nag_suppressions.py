"""Every finding of cdk-nag (AwsSolutions) that stays, on its resource, with its reason.

This is also the one list of wildcards in IAM policies: cdk-nag reports each of them, and a synth
with a finding that does not stand here fails. A test fails for one that is no longer found.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from aws_cdk import Acknowledgment, App, Validations
from cdk_nag import AwsSolutionsChecks
from constructs import IConstruct

from stacks.environment import Environment
from stacks.functions import STEPS
from stacks.names import Names

_PACK = "AwsSolutions"

_RUNS = "a run's prefix carries the name of its execution, which is not known before"
_DATASETS = "people choose the names of their datasets"
_IDS = "AWS chooses the ids, when it makes the resource"
_QUOTAS = "Service Quotas knows no resource for reading quotas"
_TRACES = "X-Ray knows no resource for traces"
_LOG_DELIVERY = "setting up the delivery of logs knows no resource"

# Wildcard resources by the construct whose role has them: all that IAM policies here contain.
_WILDCARDS: dict[str, dict[str, str]] = {
    "BedrockServiceRole/Role": {
        "{bucket}/datasets/*": _DATASETS,
        "{bucket}/runs/*/training/*": _RUNS,
    },
    "Functions/CheckPreflightRole": {"*": _QUOTAS},
    "Functions/ValidateDatasetRole": {
        "{bucket}/datasets/*": _DATASETS,
        "{bucket}/runs/*/validation.json": _RUNS,
    },
    "Functions/StartTrainingRole": {
        "{bedrock}:custom-model/*": _IDS,
        "{bedrock}:model-customization-job/*": _IDS,
    },
    "Functions/CheckTrainingRole": {"{bedrock}:model-customization-job/*": _IDS},
    "Functions/StopTrainingRole": {"{bedrock}:model-customization-job/*": _IDS},
    "Functions/ReadLossCurvesRole": {
        "{bucket}/runs/*/training/*": _RUNS,
        "{bucket}/runs/*/losses.*": _RUNS,
    },
    "Functions/AnswerWithBaseModelRole": {
        "{bucket}/datasets/*/evaluation.jsonl": _DATASETS,
        "{bucket}/runs/*/answers-base.jsonl": _RUNS,
    },
    "Functions/BuyThroughputRole": {
        "{bedrock}:custom-model/*": _IDS,
        "{bedrock}:provisioned-model/*": _IDS,
    },
    "Functions/CheckThroughputRole": {"{bedrock}:provisioned-model/*": _IDS},
    "Functions/AnswerWithTunedModelRole": {
        "{bucket}/datasets/*/evaluation.jsonl": _DATASETS,
        "{bucket}/runs/*/answers-tuned.jsonl": _RUNS,
        "{bedrock}:provisioned-model/*": _IDS,
    },
    "Functions/ReleaseThroughputRole": {"{bedrock}:provisioned-model/*": _IDS},
    "Functions/JudgeAnswersRole": {
        "{bucket}/runs/*/answers-*.jsonl": _RUNS,
        "{bucket}/runs/*/judgements.jsonl": _RUNS,
    },
    "Functions/DecideVerdictRole": {
        "{bucket}/runs/*/judgements.jsonl": _RUNS,
        "{bucket}/runs/*/verdict.json": _RUNS,
    },
    "Functions/WriteReportRole": {
        "{bucket}/datasets/*": _DATASETS,
        "{bucket}/runs/*/judgements.jsonl": _RUNS,
        "{bucket}/runs/*/losses.svg": _RUNS,
        "{bucket}/runs/*/manifest.json": _RUNS,
        "{bucket}/runs/*/report.html": _RUNS,
    },
    "Functions/StopRunRole": {
        "{bedrock}:model-customization-job/*": _IDS,
        "{bedrock}:provisioned-model/*": _IDS,
    },
    "Machine/Role": {"*": _LOG_DELIVERY},
    "Guard/Machine/Role": {"*": _LOG_DELIVERY},
}


@dataclass(frozen=True, order=True)
class Suppression:
    """One finding on one resource, and why it stays."""

    path: str
    finding: str
    reason: str


def check(app: App, environment: Environment) -> None:
    """Make the synth of `app` fail on every finding that is not listed here."""
    for each in suppressions(environment):
        resource = _find(app, each.path)
        Validations.of(resource).acknowledge(
            Acknowledgment(id=f"{_PACK}::{each.finding}", reason=each.reason)
        )
    Validations.of(app).add_plugins(AwsSolutionsChecks(app))


def suppressions(environment: Environment) -> list[Suppression]:
    """Return the findings that stay in this environment."""
    pipeline = Names(environment.name).of("pipeline")
    found = [*_wildcards(environment), *_others(environment)]
    return sorted(
        Suppression(f"{pipeline}/{path}/Resource", finding, reason)
        for path, finding, reason in found
    )


def _wildcards(environment: Environment) -> Iterator[tuple[str, str, str]]:
    account, region = environment.account or "<AWS::AccountId>", environment.region
    bucket = Names(environment.name).bucket(account=account, region=region)
    arns = {"bucket": f"arn:aws:s3:::{bucket}", "bedrock": f"arn:aws:bedrock:{region}:{account}"}
    for path, resources in _all_wildcards(environment).items():
        for resource, reason in resources.items():
            yield path, f"AwsSolutions-IAM5[Resource::{resource.format(**arns)}]", reason


def _all_wildcards(environment: Environment) -> dict[str, dict[str, str]]:
    if not environment.functions.tracing:
        return _WILDCARDS
    functions = (f"Functions/{step.id}Role" for step in STEPS)
    traced: dict[str, dict[str, str]] = {path: {"*": _TRACES} for path in functions}
    return {path: traced.get(path, {}) | _WILDCARDS.get(path, {}) for path in traced | _WILDCARDS}


def _others(environment: Environment) -> Iterator[tuple[str, str, str]]:
    python = environment.functions.python
    for step in STEPS:
        yield (
            f"Functions/{step.id}",
            "AwsSolutions-L1",
            "offline, functions run on the Python of the machine"
            if python == "host"
            else f"Python {python} is the version that the layers are pinned and tested for",
        )
    yield (
        "Guard/Undelivered",
        "AwsSolutions-SQS3",
        "it is a dead-letter queue, of a rule, which the check does not look at",
    )
    if not environment.functions.tracing:
        for path in ("Machine/StateMachine", "Guard/Machine/StateMachine"):
            yield path, "AwsSolutions-SF2", "this environment is not traced"


def _find(app: App, path: str) -> IConstruct:
    node: IConstruct = app
    for part in path.split("/"):
        node = node.node.find_child(part)
    return node
