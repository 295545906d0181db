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
    "GetModelCustomizationJob": jobs.get,
    "ListModelCustomizationJobs": jobs.list_jobs,
    "StopModelCustomizationJob": jobs.stop,
    "GetCustomModel": custom_models.get,
    "ListCustomModels": custom_models.list_models,
    "DeleteCustomModel": custom_models.delete,
    "CreateCustomModelDeployment": deployments.create,
    "GetCustomModelDeployment": deployments.get,
    "ListCustomModelDeployments": deployments.list_deployments,
    "UpdateCustomModelDeployment": deployments.update,
    "DeleteCustomModelDeployment": deployments.delete,
    "CreateProvisionedModelThroughput": throughputs.create,
    "GetProvisionedModelThroughput": throughputs.get,
    "ListProvisionedModelThroughputs": throughputs.list_throughputs,
    "UpdateProvisionedModelThroughput": throughputs.update,
    "DeleteProvisionedModelThroughput": throughputs.delete,
    "GetFoundationModel": foundation_models.get,
    "GetFoundationModelAvailability": foundation_models.availability,
    "ListFoundationModels": foundation_models.list_models,
    "TagResource": _tag,
    "UntagResource": _untag,
    "ListTagsForResource": _tags,
    "Converse": runtime.converse,
    "InvokeModel": runtime.invoke,
}
