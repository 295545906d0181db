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

from stacks.constructs.steps import PIPELINE_STEPS, Step
from stacks.environment import Environment
from stacks.guards.stack import guard_steps
from stacks.names import Names

_PACK = "AwsSolutions"

_RUNS = "a run's prefix carries the name of its execution, which is not known before"
_DATASETS = "people choose the names of their datasets"
_IDS = "AWS chooses the ids, when it makes the resource"
_QUOTAS = "Service Quotas knows no resource for reading quotas"
_TRACES = "X-Ray knows no resource for traces"
_LISTING = "Bedrock knows no resource for listing"
_COMPREHEND = "Amazon Comprehend knows no resource for looking at a text"
_LOG_DELIVERY = "setting up the delivery of logs knows no resource"

# Wildcard resources by the construct whose role has them: all that IAM policies here contain.
_PIPELINE: dict[str, dict[str, str]] = {
    "BedrockServiceRole/Role": {
        "{bucket}/datasets/*": _DATASETS,
        "{bucket}/runs/*/training/*": _RUNS,
    },
    "Functions/CheckPreflightRole": {"*": _QUOTAS},
    "Functions/ValidateDatasetRole": {
        "{bucket}/datasets/*": _DATASETS,
        "{bucket}/runs/*/validation.json": _RUNS,
    },
    "Functions/PlanReviewRole": {
        "{bucket}/datasets/*": _DATASETS,
        "{bucket}/runs/*/review/items.jsonl": _RUNS,
    },
    "Functions/ReviewRecordsRole": {"{bucket}/runs/*/review/batches/*": _RUNS},
    "Functions/SummariseReviewRole": {
        "{bucket}/runs/*/review/*": _RUNS,
        "{bucket}/runs/*/review/rows.jsonl": _RUNS,
        "{bucket}/runs/*/review.json": _RUNS,
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
        "{bucket}/runs/*/quote.json": _RUNS,
        "{bucket}/runs/*/review.json": _RUNS,
        "{bucket}/runs/*/manifest.json": _RUNS,
        "{bucket}/runs/*/report.html": _RUNS,
    },
    "Functions/QuoteCostRole": {"{bucket}/runs/*/quote.json": _RUNS},
    "Functions/ApproveSpendRole": {
        "{bucket}/approvals/*": _RUNS,
        "{bucket}/approvals/*/request.json": _RUNS,
    },
    "Functions/DecideSpendRole": {
        "{bucket}/approvals/*": _RUNS,
        "{bucket}/approvals/*/decision.json": _RUNS,
        "{execution}:*": _RUNS,
    },
    "Machine/Role": {
        "*": _LOG_DELIVERY,
        "{bucket}/runs/*/review/*": _RUNS,
        "{execution}:*": _RUNS,
        "{execution}/ReviewData:*": _RUNS,
    },
    "DecideSpend/Machine/Role": {"*": _LOG_DELIVERY},
}
_LISTED = {
    "*": _LISTING,
    "{execution}:*": _RUNS,
    "{bedrock}:model-customization-job/*": _IDS,
    "{bedrock}:provisioned-model/*": _IDS,
    "{bedrock}:custom-model-deployment/*": _IDS,
}
_GUARDS: dict[str, dict[str, str]] = {
    "Functions/StopRunRole": {
        "{bedrock}:model-customization-job/*": _IDS,
        "{bedrock}:provisioned-model/*": _IDS,
    },
    "Functions/ReapLeftoversRole": _LISTED,
    "Functions/ListResourcesRole": {**_LISTED, "{bedrock}:custom-model/*": _IDS},
    "Functions/DeleteResourcesRole": {**_LISTED, "{bedrock}:custom-model/*": _IDS},
    "Guard/Machine/Role": {"*": _LOG_DELIVERY},
    "Cleanup/Machine/Role": {"*": _LOG_DELIVERY},
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
    names = Names(environment.name)
    return sorted(
        Suppression(f"{names.of(stack)}/{path}/Resource", finding, reason)
        for stack, steps, wildcards in _stacks(environment)
        for path, finding, reason in (
            *_wildcards(environment, steps, wildcards),
            *_others(environment, stack, steps),
        )
    )


def _stacks(
    environment: Environment,
) -> Iterator[tuple[str, tuple[Step, ...], dict[str, dict[str, str]]]]:
    yield "pipeline", PIPELINE_STEPS, _pipeline(environment)
    yield "guards", guard_steps(environment), _GUARDS


def _pipeline(environment: Environment) -> dict[str, dict[str, str]]:
    if not environment.validation.comprehend_max_usd:
        return _PIPELINE
    path = "Functions/ValidateDatasetRole"
    return {**_PIPELINE, path: {**_PIPELINE[path], "*": _COMPREHEND}}


def _wildcards(
    environment: Environment, steps: tuple[Step, ...], wildcards: dict[str, dict[str, str]]
) -> Iterator[tuple[str, str, str]]:
    account, region = environment.account or "<AWS::AccountId>", environment.region
    names = Names(environment.name)
    machine = names.machine_arn(account=account, region=region)
    arns = {
        "bucket": f"arn:aws:s3:::{names.bucket(account=account, region=region)}",
        "bedrock": f"arn:aws:bedrock:{region}:{account}",
        "execution": machine.replace(":stateMachine:", ":execution:"),
    }
    for path, resources in _with_traces(environment, steps, wildcards).items():
        for resource, reason in resources.items():
            yield path, f"AwsSolutions-IAM5[Resource::{resource.format(**arns)}]", reason


def _with_traces(
    environment: Environment, steps: tuple[Step, ...], wildcards: dict[str, dict[str, str]]
) -> dict[str, dict[str, str]]:
    if not environment.functions.tracing:
        return wildcards
    functions = (f"Functions/{step.id}Role" for step in steps)
    traced: dict[str, dict[str, str]] = {path: {"*": _TRACES} for path in functions}
    return {path: traced.get(path, {}) | wildcards.get(path, {}) for path in traced | wildcards}


def _others(
    environment: Environment, stack: str, steps: tuple[Step, ...]
) -> Iterator[tuple[str, str, str]]:
    python = environment.functions.python
    for step in steps:
        yield (
            f"Functions/{step.id}",
            "AwsSolutions-L1",
            "offline, functions run on the Python of the machine"
            if python == "host"
            else f"Python {python} is the version that the layers are pinned and tested for",
        )
    if stack == "guards":
        yield (
            "Guard/Undelivered",
            "AwsSolutions-SQS3",
            "it is a dead-letter queue, of a rule, which the check does not look at",
        )
    if not environment.functions.tracing:
        for path in _MACHINES[stack]:
            yield f"{path}/StateMachine", "AwsSolutions-SF2", "this environment is not traced"


_MACHINES = {
    "pipeline": ("Machine", "DecideSpend/Machine"),
    "guards": ("Guard/Machine", "Cleanup/Machine"),
}


def _find(app: App, path: str) -> IConstruct:
    node: IConstruct = app
    for part in path.split("/"):
        node = node.node.find_child(part)
    return node
