"""What each operation of the control plane and of the runtime does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from local.bedrock import foundation_models
from local.bedrock.customization import custom_models, jobs
from local.bedrock.hosting import deployments, throughputs
from local.bedrock.inference import runtime
from local.bedrock.protocol import NotFound
from local.bedrock.state import Region
from local.bedrock.tags import refuse_tags

Request = dict[str, Any]
Operation = Callable[[Region, Request], Request]


def _tagged(region: Region, request: Request) -> str:
    arn = str(request["resourceARN"])
    known = {*region.jobs, *region.models, *region.throughputs, *region.deployments}
    if arn not in known:
        raise NotFound(f"The resource {arn} was not found")
    return arn


def _tag(region: Region, request: Request) -> Request:
    arn = _tagged(region, request)
    refuse_tags(request["tags"], region.tags.get(arn, ()))
    region.tag(arn, request["tags"])
    return {}


def _untag(region: Region, request: Request) -> Request:
    for key in request["tagKeys"]:
        region.tags.get(_tagged(region, request), {}).pop(key, None)
    return {}


def _tags(region: Region, request: Request) -> Request:
    tags = region.tags.get(_tagged(region, request), {})
    return {"tags": [{"key": key, "value": value} for key, value in tags.items()]}


OPERATIONS: dict[str, Operation] = {
    "CreateModelCustomizationJob": jobs.create,
    "GetModelCustomizationJob": lambda r, q: jobs.get(r, q["jobIdentifier"]),
    "ListModelCustomizationJobs": jobs.list_jobs,
    "StopModelCustomizationJob": lambda r, q: jobs.stop(r, q["jobIdentifier"]),
    "GetCustomModel": lambda r, q: custom_models.get(r, q["modelIdentifier"]),
    "ListCustomModels": custom_models.list_models,
    "DeleteCustomModel": lambda r, q: custom_models.delete(r, q["modelIdentifier"]),
    "CreateCustomModelDeployment": deployments.create,
    "GetCustomModelDeployment": lambda r, q: deployments.get(
        r, q["customModelDeploymentIdentifier"]
    ),
    "ListCustomModelDeployments": deployments.list_deployments,
    "UpdateCustomModelDeployment": deployments.update,
    "DeleteCustomModelDeployment": lambda r, q: deployments.delete(
        r, q["customModelDeploymentIdentifier"]
    ),
    "CreateProvisionedModelThroughput": throughputs.create,
    "GetProvisionedModelThroughput": lambda r, q: throughputs.get(r, q["provisionedModelId"]),
    "ListProvisionedModelThroughputs": throughputs.list_throughputs,
    "UpdateProvisionedModelThroughput": lambda r, q: throughputs.update(
        r, q["provisionedModelId"], q
    ),
    "DeleteProvisionedModelThroughput": lambda r, q: throughputs.delete(r, q["provisionedModelId"]),
    "GetFoundationModel": lambda r, q: foundation_models.get(r, q["modelIdentifier"]),
    "GetFoundationModelAvailability": lambda r, q: foundation_models.availability(r, q["modelId"]),
    "ListFoundationModels": foundation_models.list_models,
    "TagResource": _tag,
    "UntagResource": _untag,
    "ListTagsForResource": _tags,
    "Converse": runtime.converse,
    "InvokeModel": runtime.invoke,
}
