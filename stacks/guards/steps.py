"""The steps of the guards: one declaration each, as in the pipeline."""

from __future__ import annotations

from lambdas.domain.run.variables import (
    EnvironmentVariables,
    ListResourcesVariables,
    MeterStoppedRunVariables,
    ReapLeftoversVariables,
    TopicVariables,
)
from stacks.constructs.access import Access
from stacks.constructs.permission import Permission, every_resource
from stacks.constructs.step import Step
from stacks.environment import Environment

_ACCOUNT_SECONDS = 300  # reads the tags of all that the account has, one by one


def _list(access: Access, *, models: bool = True) -> list[Permission]:
    actions = [
        "bedrock:ListCustomModelDeployments",
        "bedrock:ListModelCustomizationJobs",
        "bedrock:ListProvisionedModelThroughputs",
        *(["bedrock:ListCustomModels"] if models else []),
    ]
    kinds = [
        access.bedrock("provisioned-model"),
        access.bedrock("custom-model-deployment"),
        access.bedrock("model-customization-job"),
        *([access.bedrock("custom-model")] if models else []),
    ]
    return [
        Permission(actions, every_resource("listing")),
        Permission(["bedrock:ListTagsForResource"], kinds),
    ]


def _stop_jobs(access: Access) -> Permission:
    return access.end_own("bedrock:StopModelCustomizationJob", "model-customization-job")


REAP_LEFTOVERS = Step(
    "Reap leftovers",
    variables=ReapLeftoversVariables,
    timeout_seconds=_ACCOUNT_SECONDS,
    permissions=lambda access: [
        *_list(access, models=False),
        access.list_executions(),
        access.describe_executions(),
        *access.delete_hosting(),
        _stop_jobs(access),
        *access.publish(),
    ],
)
_INSPECT_PURCHASE = Step("Inspect purchase", variables=TopicVariables, permissions=Access.publish)
_ALWAYS = (
    Step(
        "Stop run",
        variables=EnvironmentVariables,
        timeout_seconds=180,  # of its calls one after another, three may hang
        permissions=lambda access: [
            access.describe_executions(),
            *access.stop_job(),
            *access.release_hosting(),
        ],
    ),
    Step(
        "Meter stopped run",
        variables=MeterStoppedRunVariables,
        permissions=lambda access: access.publish() + access.meter_unfinished(),
    ),
    REAP_LEFTOVERS,
    Step(
        "List resources",
        variables=ListResourcesVariables,
        timeout_seconds=_ACCOUNT_SECONDS,
        permissions=lambda access: [
            *_list(access),
            access.list_executions(),
            access.describe_executions(),
        ],
    ),
    Step(
        "Delete resources",
        variables=EnvironmentVariables,
        timeout_seconds=_ACCOUNT_SECONDS,
        permissions=lambda access: [
            *_list(access),
            *access.delete_hosting(),
            access.end_own("bedrock:DeleteCustomModel", "custom-model"),
            _stop_jobs(access),
        ],
    ),
)
GUARD_STEPS = (*_ALWAYS, _INSPECT_PURCHASE)


def guard_steps(environment: Environment) -> tuple[Step, ...]:
    """Return the steps that an environment has: only the watch inspects purchases."""
    return GUARD_STEPS if environment.spending.watch_purchases else _ALWAYS
