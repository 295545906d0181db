"""Custom model deployments: a tuned model served on demand, billed by the token only.

Sources, read 2026-11-23: botocore's service model; Bedrock user guide,
deploy-custom-model-on-demand.html and delete-custom-model-deployment.html. Field reports: about
eight minutes to Active, ten deployments an account, and no deletion while one is being created.
"""

from __future__ import annotations

from typing import Any

from local.bedrock.pagination import filtered, page
from local.bedrock.protocol import NotFound, ServiceError, ValidationError
from local.bedrock.state import CustomModel, Deployment, Location, World


def create(world: World, location: Location, request: dict[str, Any]) -> dict[str, Any]:
    token = request.get("clientRequestToken")
    if token and (arn := world.tokens.get(("deployment", token))):
        return {"customModelDeploymentArn": arn}
    custom = _model(world, request["modelArn"])
    _check(world, request)
    arn = add(world, location, request, custom)
    if token:
        world.tokens["deployment", token] = arn
    return {"customModelDeploymentArn": arn}


def add(world: World, location: Location, request: dict[str, Any], custom: CustomModel) -> str:
    """Make a deployment, of whatever model; return its ARN."""
    identity = world.new_id("deployment", request["modelDeploymentName"])
    arn = location.arn(f"custom-model-deployment/{identity}")
    now = world.now()
    made = world.deployments[arn] = Deployment(arn, request, custom, created=now, changed=now)
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
    if any(each.name == name for each in world.deployments.values()):
        raise ValidationError(f"The provided model deployment name is already in use: {name}")
    if len(world.deployments) >= world.scenario.deployments:
        raise ServiceError(
            "ServiceQuotaExceededException",
            "Your account has reached the quota of custom model deployments: "
            f"{world.scenario.deployments}",
        )


def _set_up(world: World, made: Deployment) -> None:
    if world.scenario.deployment_outcome == "never_ready":
        return
    failed = world.scenario.deployment_outcome == "fail"

    def ready() -> None:
        with world.lock:
            if world.deployments.get(made.arn) is made:
                made.status, made.changed = "Failed" if failed else "Active", world.now()
                made.failure = "The model could not be deployed." if failed else None

    world.clock.call_at(world.clock.time() + world.scenario.deployment_minutes * 60, ready)


def find(world: World, identifier: str) -> Deployment:
    for each in world.deployments.values():
        if identifier in (each.arn, each.name):
            return each
    raise NotFound(f"The provided custom model deployment was not found: {identifier}")


def get(world: World, identifier: str) -> dict[str, Any]:
    each = find(world, identifier)
    return {
        **_described(each),
        "modelDeploymentName": each.name,
        "description": each.request.get("description"),
    }


def _described(each: Deployment) -> dict[str, Any]:
    return {
        "customModelDeploymentArn": each.arn,
        "modelArn": each.custom.arn,
        "createdAt": each.created,
        "lastUpdatedAt": each.changed,
        "status": each.status,
        "failureMessage": each.failure,
    }


def list_deployments(world: World, request: dict[str, Any]) -> dict[str, Any]:
    wanted = request.get("modelArnEquals")
    found = filtered(
        world.deployments.values(),
        request,
        status=lambda each: each.status,
        matches=lambda each: not wanted or each.custom.arn == wanted,
    )
    summaries = [{**_described(each), "customModelDeploymentName": each.name} for each in found]
    return page("modelDeploymentSummaries", summaries, request)


def delete(world: World, identifier: str) -> dict[str, Any]:
    each = find(world, identifier)
    if each.status == "Creating":
        raise ValidationError(
            f"The custom model deployment {each.name} is in a mutating state ({each.status}); wait "
            "until it is Active or Failed"
        )
    del world.deployments[each.arn]
    return {}
