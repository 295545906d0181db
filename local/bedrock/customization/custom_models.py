"""Custom models, the output of customization jobs."""

from __future__ import annotations

from typing import Any

from local.bedrock.pagination import listed
from local.bedrock.protocol import Conflict, NotFound
from local.bedrock.state import CustomModel, Region


def find(region: Region, identifier: str) -> CustomModel:
    for model in region.models.values():
        if identifier in (model.arn, model.name):
            return model
    raise NotFound(f"The provided custom model was not found: {identifier}")


def get(region: Region, request: dict[str, Any]) -> dict[str, Any]:
    model = find(region, request["modelIdentifier"])
    job = model.job
    return {
        **_described(model),
        "jobName": job.name,
        "jobArn": job.arn,
        "hyperParameters": job.request.get("hyperParameters", {}),
        "trainingDataConfig": job.request["trainingDataConfig"],
        "validationDataConfig": job.request.get("validationDataConfig"),
        "outputDataConfig": job.request["outputDataConfig"],
        "modelKmsKeyArn": job.request.get("customModelKmsKeyId"),
        "trainingMetrics": {"trainingLoss": model.fitted.training[-1].loss},
        "validationMetrics": [
            {"validationLoss": step.loss} for step in model.fitted.validation[-1:]
        ],
    }


def _described(model: CustomModel) -> dict[str, Any]:
    return {
        "modelArn": model.arn,
        "modelName": model.name,
        "creationTime": model.created,
        "baseModelArn": _base_arn(model),
        "customizationType": "FINE_TUNING",
        "modelStatus": model.status,
    }


def _base_arn(model: CustomModel) -> str:
    return model.job.base.arn(model.job.location.region)


def list_models(region: Region, request: dict[str, Any]) -> dict[str, Any]:
    """List; every model here is owned by the account."""
    bases = {request.get("baseModelArnEquals"), request.get("foundationModelArnEquals")} - {None}
    return listed(
        region,
        request,
        "modelSummaries",
        region.models,
        _summary,
        lambda model: bases <= {_base_arn(model)} and request.get("isOwned", True),
    )


def _summary(model: CustomModel) -> dict[str, Any]:
    job = model.job
    made_by = {"baseModelName": job.base.name, "ownerAccountId": job.location.account}
    return {**_described(model), **made_by}


def delete(region: Region, request: dict[str, Any]) -> dict[str, Any]:
    """Delete a model that nothing serves.

    The order is AWS's: throughputs and deployments first, then their model. Source:
    https://docs.aws.amazon.com/bedrock/latest/userguide/model-customization-delete.html (read
    2026-11-23); which error refuses it is not documented, the operation has ConflictException.
    """
    model = find(region, request["modelIdentifier"])
    hosts = {each.arn: [each.custom] for each in region.throughputs.values()}
    for each in region.deployments.values():
        next_one = [each.update.custom] if each.update and each.mutating else []
        hosts[each.arn] = [each.custom, *next_one]
    for arn, served in hosts.items():
        if model in served:
            raise Conflict(f"The custom model {model.name} is used by {arn}; delete that first")
    del region.models[model.arn]
    return {}
