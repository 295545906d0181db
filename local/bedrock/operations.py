"""What each operation of the control plane and of the runtime does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from local.bedrock import foundation_models
from local.bedrock.customization import custom_models, jobs
from local.bedrock.hosting import deployments, throughputs
from local.bedrock.inference import runtime
from local.bedrock.protocol import NotFound
from local.bedrock.state import Location, World

Request = dict[str, Any]
Operation = Callable[[World, Location, Request], Request]


def _tagged(world: World, request: Request) -> str:
    arn = str(request["resourceARN"])
    known = {*world.jobs, *world.models, *world.throughputs, *world.deployments}
    if arn not in known:
        raise NotFound(f"The resource {arn} was not found")
    return arn


def _tag(world: World, _: Location, request: Request) -> Request:
    world.tag(_tagged(world, request), request["tags"])
    return {}


def _untag(world: World, _: Location, request: Request) -> Request:
    for key in request["tagKeys"]:
        world.tags.get(_tagged(world, request), {}).pop(key, None)
    return {}


def _tags(world: World, _: Location, request: Request) -> Request:
    tags = world.tags.get(_tagged(world, request), {})
    return {"tags": [{"key": key, "value": value} for key, value in tags.items()]}


OPERATIONS: dict[str, Operation] = {
    "CreateModelCustomizationJob": jobs.create,
    "GetModelCustomizationJob": lambda w, _, q: jobs.get(w, q["jobIdentifier"]),
    "ListModelCustomizationJobs": lambda w, _, q: jobs.list_jobs(w, q),
    "StopModelCustomizationJob": lambda w, _, q: jobs.stop(w, q["jobIdentifier"]),
    "GetCustomModel": lambda w, _, q: custom_models.get(w, q["modelIdentifier"]),
    "ListCustomModels": lambda w, _, q: custom_models.list_models(w, q),
    "DeleteCustomModel": lambda w, _, q: custom_models.delete(w, q["modelIdentifier"]),
    "CreateCustomModelDeployment": deployments.create,
    "GetCustomModelDeployment": lambda w, _, q: deployments.get(
        w, q["customModelDeploymentIdentifier"]
    ),
    "ListCustomModelDeployments": lambda w, _, q: deployments.list_deployments(w, q),
    "DeleteCustomModelDeployment": lambda w, _, q: deployments.delete(
        w, q["customModelDeploymentIdentifier"]
    ),
    "CreateProvisionedModelThroughput": throughputs.create,
    "GetProvisionedModelThroughput": lambda w, _, q: throughputs.get(w, q["provisionedModelId"]),
    "ListProvisionedModelThroughputs": lambda w, _, q: throughputs.list_throughputs(w, q),
    "UpdateProvisionedModelThroughput": lambda w, _, q: throughputs.update(
        w, q["provisionedModelId"], q
    ),
    "DeleteProvisionedModelThroughput": lambda w, _, q: throughputs.delete(
        w, q["provisionedModelId"]
    ),
    "GetFoundationModel": lambda w, at, q: foundation_models.get(
        w, q["modelIdentifier"], at.region
    ),
    "GetFoundationModelAvailability": lambda w, at, q: foundation_models.availability(
        w, q["modelId"], at.region
    ),
    "ListFoundationModels": lambda w, at, q: foundation_models.list_models(w, q, at.region),
    "TagResource": _tag,
    "UntagResource": _untag,
    "ListTagsForResource": _tags,
    "Converse": lambda w, _, q: runtime.converse(w, q),
    "InvokeModel": lambda w, _, q: runtime.invoke(w, q),
}
