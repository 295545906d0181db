"""One environment as a CDK application: four stacks, in the order in which they are deployed."""

from __future__ import annotations

import json
from pathlib import Path

import aws_cdk as cdk

from stacks.constructs.target import Target, target_of, this_machine
from stacks.environment import Environment
from stacks.guards.stack import GuardsStack
from stacks.names import ENVIRONMENT_TAG, PROJECT, Names
from stacks.operations.stack import OperationsStack
from stacks.pipeline.stack import PipelineStack
from stacks.review.nag import check
from stacks.storage.stack import StorageStack

_CDK_JSON = Path(__file__).parent.parent / "cdk.json"


def new_app(folder: Path | None = None) -> cdk.App:
    """Return an empty application with the project's feature flags, whoever starts it."""
    flags = json.loads(_CDK_JSON.read_text(encoding="utf-8"))["context"]
    return cdk.App(context=flags, outdir=str(folder) if folder else None, analytics_reporting=False)


def populate(
    app: cdk.App,
    environment: Environment,
    *,
    host: Target | None = None,
    checked: bool = True,
) -> None:
    """Add the environment's stacks; `host` is what its "host" settings mean.

    Unless `checked` is False, the synth fails on findings of cdk-nag.
    """
    names = Names(environment.name)
    env = cdk.Environment(account=environment.account, region=environment.region)
    tags = {"project": PROJECT, ENVIRONMENT_TAG: environment.name}
    storage = StorageStack(app, names.of("storage"), environment=environment, env=env, tags=tags)
    target = target_of(environment, host or this_machine())
    guards = GuardsStack(
        app,
        names.of("guards"),
        environment=environment,
        target=target,
        storage=storage,
        env=env,
        tags=tags,
    )
    pipeline = PipelineStack(
        app,
        names.of("pipeline"),
        environment=environment,
        target=target,
        storage=storage,
        env=env,
        tags=tags,
    )
    pipeline.add_stack_dependency(storage, reason="it names the bucket")
    pipeline.add_stack_dependency(guards, reason="nothing is bought before it is guarded")
    operations = OperationsStack(
        app, names.of("operations"), environment=environment, storage=storage, env=env, tags=tags
    )
    operations.add_stack_dependency(pipeline, reason="it watches the pipeline by name")
    if checked:
        check(app, environment)
