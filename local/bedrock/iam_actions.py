"""Which IAM actions on which resources a request needs, as AWS documents it.

Sources: https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonbedrock.html
(read 2026-11-23), and, read 2026-11-28, for a customer's key
https://docs.aws.amazon.com/nova/latest/userguide/customize-fine-tune-encrypt.html
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from local.bedrock.catalogue import by_customization_id, invocable
from local.bedrock.customization import custom_models, jobs
from local.bedrock.hosting import deployments, throughputs
from local.bedrock.protocol import NotFound, Route
from local.bedrock.state import Location, Owned, Region

Check = tuple[str, str, dict[str, Any]]  # action, resource, condition keys
_KINDS: tuple[tuple[str, str, Callable[[Region, str], Owned]], ...] = (
    ("CustomizationJob", "model-customization-job", jobs.find),
    ("ProvisionedModel", "provisioned-model", throughputs.find),
    ("CustomModelDeployment", "custom-model-deployment", deployments.find),
    ("CustomModel", "custom-model", custom_models.find),
)


def needed(region: Region, found: Route, request: dict[str, Any]) -> list[Check]:
    """Return every permission that the request needs; AWS checks all of them."""
    name, location = found.name, region.location
    if name in {"Converse", "InvokeModel"}:
        asked = request["modelId"]
        checks = [("bedrock:InvokeModel", arn, keys) for arn, keys in _invoked(asked, location)]
        return checks + _use_key(_key_behind(region, asked), location)
    if name == "CreateModelCustomizationJob":
        return _create_job(request, location)
    if name == "CreateProvisionedModelThroughput":
        return _create_throughput(region, request)
    if name == "CreateCustomModelDeployment":
        model = request["modelArn"]
        return _create_from_model(name, model, "custom-model-deployment", request)
    if name == "UpdateCustomModelDeployment":
        deployment = request["customModelDeploymentIdentifier"]
        owned = _owned(region, name, deployment)
        return [(f"bedrock:{name}", arn, {}) for arn in (owned, request["modelArn"])]
    keys = _tag_keys(request.get("tags", []))  # of TagResource
    return [(f"bedrock:{name}", _resource(region, name, request), keys)]


def _invoked(identifier: str, location: Location) -> list[tuple[str, dict[str, Any]]]:
    if identifier.startswith("arn:"):
        return [(identifier, {})]
    model = invocable(identifier)
    if model is None or model.model_id == identifier:
        return [(_foundation_model(identifier, location), {})]
    profile = location.arn(f"inference-profile/{identifier}")
    base = _foundation_model(model.model_id, location)
    return [(profile, {}), (base, {"bedrock:InferenceProfileArn": profile})]


def _foundation_model(identifier: str, location: Location) -> str:
    return f"arn:aws:bedrock:{location.region}::foundation-model/{identifier}"


def _tag_keys(tags: list[dict[str, str]]) -> dict[str, Any]:
    if not tags:
        return {}
    keys: dict[str, Any] = {f"aws:RequestTag/{tag['key']}": tag["value"] for tag in tags}
    return {**keys, "aws:TagKeys": [tag["key"] for tag in tags]}


def _create_job(request: dict[str, Any], location: Location) -> list[Check]:
    action = "bedrock:CreateModelCustomizationJob"
    tags = [*request.get("jobTags", []), *request.get("customModelTags", [])]
    keys = _tag_keys(tags)
    base = by_customization_id(request["baseModelIdentifier"])
    base_id = (base and base.customization_id) or request["baseModelIdentifier"]
    job = location.arn("model-customization-job/new")
    model = location.arn("custom-model/new")
    checks: list[Check] = [
        *_use_key(request.get("customModelKmsKeyId"), location, "DescribeKey", "CreateGrant"),
        (action, _foundation_model(base_id, location), keys),
        (action, model, keys),
        (action, job, keys),
        ("iam:PassRole", request["roleArn"], {"iam:PassedToService": "bedrock.amazonaws.com"}),
    ]
    if tags:
        checks += [("bedrock:TagResource", job, keys), ("bedrock:TagResource", model, keys)]
    return checks


def _create_throughput(region: Region, request: dict[str, Any]) -> list[Check]:
    asked = request["modelId"]
    arn = next((each.arn for each in region.models.values() if each.name == asked), asked)
    name = "CreateProvisionedModelThroughput"
    checks = _create_from_model(name, arn, "provisioned-model", request)
    return checks + _use_key(_key_behind(region, arn), region.location)


def _key_behind(region: Region, arn: str) -> str | None:
    """Return the customer's key of a custom model, or of the one that a throughput serves."""
    throughput = region.throughputs.get(arn)
    model = throughput.custom if throughput else region.models.get(arn)
    return model.job.request.get("customModelKmsKeyId") if model else None


def _use_key(key: str | None, location: Location, *more: str) -> list[Check]:
    """Return what Bedrock does with a key in the caller's name."""
    via = {"kms:ViaService": f"bedrock.{location.region}.amazonaws.com"}
    actions = ("Decrypt", "GenerateDataKey", *more)
    return [(f"kms:{action}", key, via) for action in actions] if key else []


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


def _resource(region: Region, name: str, request: dict[str, Any]) -> str:
    """Resolve names to ARNs; what does not exist is checked as a resource of its kind."""
    if "resourceARN" in request:
        return str(request["resourceARN"])
    if name.startswith("List"):
        return "*"
    identifier = str(next(iter(request.values()), ""))
    if name == "GetFoundationModel":
        return _foundation_model(identifier.rpartition("foundation-model/")[2], region.location)
    return _owned(region, name, identifier)


def _owned(region: Region, name: str, identifier: str) -> str:
    for part, kind, find in _KINDS:
        if part in name:
            try:
                return find(region, identifier).arn
            except NotFound:
                return identifier if identifier.startswith("arn:") else region.arn(f"{kind}/none")
    return "*"
