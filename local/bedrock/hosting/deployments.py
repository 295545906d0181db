"""Custom model deployments: a tuned model served on demand, billed by the token only.

Sources, read 2026-11-23: botocore's service model; Bedrock user guide,
deploy-custom-model-on-demand.html and delete-custom-model-deployment.html. Field reports: about
eight minutes to Active, ten deployments an account, and no deletion while one is being created.
"""

from __future__ import annotations

from typing import Any

from local.bedrock.pagination import filtered, page
from local.bedrock.protocol import NotFound, ServiceError, ValidationError
from local.bedrock.state import CustomModel, CustomModelDeployment, Location, World


def create(world: World, location: Location, request: dict[str, Any]) -> dict[str, Any]:
    def deploy() -> str:
        custom = _model(world, request["modelArn"])
        _check(world, request)
        return add(world, location, request, custom)

    return {"customModelDeploymentArn": world.once("deployment", request, deploy)}


def add(world: World, location: Location, request: dict[str, Any], custom: CustomModel) -> str:
    """Create a deployment of any model; return its ARN."""
    identity = world.new_id("deployment", request["modelDeploymentName"])
    arn = location.arn(f"custom-model-deployment/{identity}")
    now = world.now()
    made = world.deployments[arn] = CustomModelDeployment(
        arn, request, custom, created=now, changed=now
    )
    world.tag(arn, request.get("tags", []))
    _set_up(world, made)
    return arn


def _model(world: World, arn: str) -> CustomModel:
    custom = world.models.get(arn)
    if custom is None:
        raise NotFound(f"The provided custom model was not found: {arn}")
    base = custom.job.base
    if not base.has_deployments:
        raise ValidationError(f"Custom models of {base.name} cannot be deployed on demand")
    return custom


def _check(world: World, request: dict[str, Any]) -> None:
    name = request["modelDeploymentName"]
    if any(deployment.name == name for deployment in world.deployments.values()):
        raise ValidationError(f"The provided model deployment name is already in use: {name}")
    if len(world.deployments) >= world.scenario.deployments:
        raise ServiceError(
            "ServiceQuotaExceededException",
            "Your account has reached the quota of custom model deployments: "
            f"{world.scenario.deployments}",
        )


def _set_up(world: World, made: CustomModelDeployment) -> None:
    if world.scenario.deployment_outcome == "never_ready":
        return
    failed = world.scenario.deployment_outcome == "fail"

    def ready() -> None:
        with world.lock:
            if world.deployments.get(made.arn) is made:
                made.status, made.changed = "Failed" if failed else "Active", world.now()
                made.failure = "The model could not be deployed." if failed else None

    world.clock.call_at(world.clock.time() + world.scenario.deployment_minutes * 60, ready)


def find(world: World, identifier: str) -> CustomModelDeployment:
    for deployment in world.deployments.values():
        if identifier in (deployment.arn, deployment.name):
            return deployment
    raise NotFound(f"The provided custom model deployment was not found: {identifier}")


def get(world: World, identifier: str) -> dict[str, Any]:
    deployment = find(world, identifier)
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


def list_deployments(world: World, request: dict[str, Any]) -> dict[str, Any]:
    wanted = request.get("modelArnEquals")
    found = filtered(
        world.deployments.values(),
        request,
        status=lambda deployment: deployment.status,
        matches=lambda deployment: not wanted or deployment.custom.arn == wanted,
    )
    summaries = [
        {**_described(deployment), "customModelDeploymentName": deployment.name}
        for deployment in found
    ]
    return page("modelDeploymentSummaries", summaries, request)


def delete(world: World, identifier: str) -> dict[str, Any]:
    deployment = find(world, identifier)
    if deployment.status == "Creating":
        raise ValidationError(
            f"The custom model deployment {deployment.name} is in a mutating state "
            f"({deployment.status}); wait until it is Active or Failed"
        )
    del world.deployments[deployment.arn]
    return {}
