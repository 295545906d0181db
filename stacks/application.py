"""One environment as a CDK application: four stacks, each after those that it needs."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import aws_cdk as cdk
from cdk_nag import AwsSolutionsChecks

from lambdas.domain.run.arns import OFFLINE_ACCOUNT
from lambdas.domain.run.names import PROJECT
from stacks.constructs.target import Target, this_machine
from stacks.environment import Environment
from stacks.guards.stack import GuardsStack
from stacks.operations.stack import OperationsStack
from stacks.pipeline.stack import PipelineStack
from stacks.storage.stack import StorageStack

_CDK_JSON = Path(__file__).parent.parent / "cdk.json"


def new_app(folder: Path | None = None, *, checked: bool = True) -> cdk.App:
    """Return an empty application with the project's feature flags, whoever starts it.

    Where it is `checked`, its synth warns of what the CDK's rules for templates find, and fails on
    a finding of cdk-nag that no construct explains.
    """
    flags = json.loads(_CDK_JSON.read_text(encoding="utf-8"))["context"]
    app = cdk.App(
        context=flags,
        outdir=str(folder) if folder else None,
        analytics_reporting=False,
        builtin_cloud_formation_validation=checked,
    )
    if checked:
        cdk.Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    return app


def populate(
    app: cdk.App,
    environment: Environment,
    *,
    host: Target | None = None,
    warnings: Iterable[str] = (),
) -> None:
    """Add the environment's stacks; in the offline account its functions run on `host`.

    The CDK CLI shows the warnings; no template has them.
    """
    target = _target_of(environment, host or this_machine())
    storage = StorageStack(app, environment)
    key_arn = storage.key.key_arn if storage.key else None
    operations = OperationsStack(app, environment, key=storage.key)
    guards = GuardsStack(app, environment, target=target, key_arn=key_arn)
    pipeline = PipelineStack(app, environment, target=target, key_arn=key_arn)
    for warning in warnings:
        cdk.Annotations.of(pipeline).add_warning_v2(f"{PROJECT}:environment", warning)
    # "cdk destroy" goes the other way: what buys is the first to go.
    operations.add_stack_dependency(storage, reason="it may need the key")
    guards.add_stack_dependency(operations, reason="what a guard finds, somebody is told")
    pipeline.add_stack_dependency(guards, reason="nothing is bought before it is guarded")


def _target_of(environment: Environment, host: Target) -> Target:
    """Return what the environment's functions run on: `host`, in the offline account."""
    if environment.account == OFFLINE_ACCOUNT:
        return host
    functions = environment.functions
    return Target(functions.python, functions.architecture, on_host=False)
