"""Custom model deployments: a tuned model served on demand, billed by the token only.

Sources, read 2026-11-23: botocore's service model; Bedrock user guide,
deploy-custom-model-on-demand.html and delete-custom-model-deployment.html. Field reports: about
eight minutes to Active, ten deployments an account, and no deletion while one is being created.
"""

from __future__ import annotations

from typing import Any

from local.bedrock import quotas
from local.bedrock.pagination import filtered, page
from local.bedrock.protocol import NotFound, ValidationError
from local.bedrock.state import CustomModel, CustomModelDeployment, Region


def create(region: Region, request: dict[str, Any]) -> dict[str, Any]:
    def deploy() -> str:
        custom = _model(region, request["modelArn"])
        _check(region, request)
        return add(region, request, custom)

    return {"customModelDeploymentArn": region.once("deployment", request, deploy)}


def add(region: Region, request: dict[str, Any], custom: CustomModel) -> str:
    """Create a deployment of any model; return its ARN."""
    identity = region.new_id("deployment", request["modelDeploymentName"])
    arn = region.arn(f"custom-model-deployment/{identity}")
    now = region.now()
    made = region.deployments[arn] = CustomModelDeployment(
        arn, request, custom, created=now, changed=now
    )
    region.tag(arn, request.get("tags", []))
    _set_up(region, made)
    return arn


def _model(region: Region, arn: str) -> CustomModel:
    custom = region.models.get(arn)
    if custom is None:
        raise NotFound(f"The provided custom model was not found: {arn}")
    base = custom.job.base
    if not base.has_deployments:
        raise ValidationError(f"Custom models of {base.name} cannot be deployed on demand")
    return custom


def _check(region: Region, request: dict[str, Any]) -> None:
    name = request["modelDeploymentName"]
    if any(deployment.name == name for deployment in region.deployments.values()):
        raise ValidationError(f"The provided model deployment name is already in use: {name}")
    for quota in (quotas.DEPLOYMENTS, quotas.DEPLOYMENTS_IN_CREATION):
        quotas.refuse_beyond(region, quota)


def _set_up(region: Region, made: CustomModelDeployment) -> None:
    if region.scenario.deployment_outcome == "never_ready":
        return
    failed = region.scenario.deployment_outcome == "fail"

    def ready() -> None:
        with region.lock:
            if region.deployments.get(made.arn) is made:
                made.status, made.changed = "Failed" if failed else "Active", region.now()
                made.failure = "The model could not be deployed." if failed else None

    region.clock.call_at(region.clock.time() + region.scenario.deployment_minutes * 60, ready)


def find(region: Region, identifier: str) -> CustomModelDeployment:
    for deployment in region.deployments.values():
        if identifier in (deployment.arn, deployment.name):
            return deployment
    raise NotFound(f"The provided custom model deployment was not found: {identifier}")


def get(region: Region, identifier: str) -> dict[str, Any]:
    deployment = find(region, identifier)
    return {
        **_described(deployment),
        "modelDeploymentName": deployment.name,
        "description": deployment.request.get("description"),
    }


def _described(deployment: CustomModelDeployment) -> dict[str, Any]:
    return {
        "customModelDeploymentArn": deployment.arn,
        "modelArn": deployment.custom.arn,
        "createdAt": deployment.created,
        "lastUpdatedAt": deployment.changed,
        "status": deployment.status,
        "failureMessage": deployment.failure,
    }


def list_deployments(region: Region, request: dict[str, Any]) -> dict[str, Any]:
    wanted = request.get("modelArnEquals")
    found = filtered(
        region.deployments.values(),
        request,
        status=lambda deployment: deployment.status,
        matches=lambda deployment: not wanted or deployment.custom.arn == wanted,
    )
    summaries = [
        {**_described(deployment), "customModelDeploymentName": deployment.name}
        for deployment in found
    ]
    return page("modelDeploymentSummaries", summaries, request)


def delete(region: Region, identifier: str) -> dict[str, Any]:
    deployment = find(region, identifier)
    if deployment.status == "Creating":
        raise ValidationError(
            f"The custom model deployment {deployment.name} is in a mutating state "
            f"({deployment.status}); wait until it is Active or Failed"
        )
    del region.deployments[deployment.arn]
    return {}
