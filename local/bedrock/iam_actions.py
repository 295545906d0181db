"""Which IAM actions on which resources a request needs, as AWS documents it.

Source: https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonbedrock.html
(read 2026-11-23).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from local.bedrock.catalogue import by_customization_id, invocable
from local.bedrock.customization import custom_models, jobs
from local.bedrock.hosting import deployments, throughputs
from local.bedrock.protocol import NotFound, Route
from local.bedrock.state import (
    CustomizationJob,
    CustomModel,
    Deployment,
    ProvisionedThroughput,
    World,
)

Check = tuple[str, str, dict[str, Any]]  # action, resource, condition keys
_Owned = CustomizationJob | ProvisionedThroughput | CustomModel | Deployment
_KINDS: tuple[tuple[str, str, Callable[[World, str], _Owned]], ...] = (
    ("CustomizationJob", "model-customization-job", jobs.find),
    ("ProvisionedModel", "provisioned-model", throughputs.find),
    ("CustomModelDeployment", "custom-model-deployment", deployments.find),
    ("CustomModel", "custom-model", custom_models.find),
)
_INVOKES = {"Converse", "InvokeModel"}
_STREAMS = {"ConverseStream", "InvokeModelWithResponseStream"}


def needed(
    world: World, found: Route, request: dict[str, Any], account: str, region: str
) -> list[Check]:
    """Return every permission that the request needs; AWS checks all of them."""
    here = f"arn:aws:bedrock:{region}:{account}"
    name = found.name
    if name in _INVOKES | _STREAMS:
        action = "InvokeModel" if name in _INVOKES else "InvokeModelWithResponseStream"
        return [
            (f"bedrock:{action}", arn, keys)
            for arn, keys in _invoked(request["modelId"], here, region)
        ]
    if name == "CreateModelCustomizationJob":
        return _create_job(request, here, region)
    if name == "CreateProvisionedModelThroughput":
        return _create_throughput(world, request)
    if name == "CreateCustomModelDeployment":
        model = request["modelArn"]
        return _create_from_model(name, model, "custom-model-deployment", request)
    return [(f"bedrock:{name}", _resource(world, name, request, here, region), {})]


def _invoked(identifier: str, here: str, region: str) -> list[tuple[str, dict[str, Any]]]:
    if identifier.startswith("arn:"):
        return [(identifier, {})]
    model = invocable(identifier)
    if model is None or model.model_id == identifier:
        return [(f"arn:aws:bedrock:{region}::foundation-model/{identifier}", {})]
    profile = f"{here}:inference-profile/{identifier}"
    base = f"arn:aws:bedrock:{region}::foundation-model/{model.model_id}"
    return [(profile, {}), (base, {"bedrock:InferenceProfileArn": profile})]


def _tag_keys(tags: list[dict[str, str]]) -> dict[str, Any]:
    if not tags:
        return {}
    keys: dict[str, Any] = {f"aws:RequestTag/{each['key']}": each["value"] for each in tags}
    return {**keys, "aws:TagKeys": [each["key"] for each in tags]}


def _create_job(request: dict[str, Any], here: str, region: str) -> list[Check]:
    action = "bedrock:CreateModelCustomizationJob"
    tags = [*request.get("jobTags", []), *request.get("customModelTags", [])]
    keys = _tag_keys(tags)
    base = by_customization_id(request["baseModelIdentifier"])
    base_id = base.customization_id if base else request["baseModelIdentifier"]
    job, model = f"{here}:model-customization-job/new", f"{here}:custom-model/new"
    checks: list[Check] = [
        (action, f"arn:aws:bedrock:{region}::foundation-model/{base_id}", keys),
        (action, model, keys),
        (action, job, keys),
        ("iam:PassRole", request["roleArn"], {"iam:PassedToService": "bedrock.amazonaws.com"}),
    ]
    if tags:
        checks += [("bedrock:TagResource", job, keys), ("bedrock:TagResource", model, keys)]
    return checks


def _create_throughput(world: World, request: dict[str, Any]) -> list[Check]:
    arn = request["modelId"]
    for model in world.models.values():
        if arn == model.name:
            arn = model.arn
    return _create_from_model("CreateProvisionedModelThroughput", arn, "provisioned-model", request)


def _create_from_model(
    name: str, model_arn: str, kind: str, request: dict[str, Any]
) -> list[Check]:
    """Check the model whose capacity is created, and, where it is tagged, the new capacity."""
    keys = _tag_keys(request.get("tags", []))
    checks: list[Check] = [(f"bedrock:{name}", model_arn, keys)]
    if request.get("tags"):
        new = f"{':'.join(model_arn.split(':')[:5])}:{kind}/new"
        checks.append(("bedrock:TagResource", new, keys))
    return checks


def _resource(world: World, name: str, request: dict[str, Any], here: str, region: str) -> str:
    """Names are resolved to ARNs; what does not exist is checked on a resource of its kind."""
    if "resourceARN" in request:
        return str(request["resourceARN"])
    if name.startswith("List"):
        return "*"
    identifier = str(next(iter(request.values()), ""))
    if name in {"GetFoundationModel", "CountTokens"}:
        model_id = identifier.rpartition("foundation-model/")[2]
        return f"arn:aws:bedrock:{region}::foundation-model/{model_id}"
    return _owned(world, name, identifier, here)


def _owned(world: World, name: str, identifier: str, here: str) -> str:
    for part, kind, find in _KINDS:
        if part in name:
            try:
                return find(world, identifier).arn
            except NotFound:
                return identifier if identifier.startswith("arn:") else f"{here}:{kind}/none"
    return "*"
