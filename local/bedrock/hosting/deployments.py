"""Custom model deployments: a tuned model served on demand, billed by the token only.

Sources, read 2026-11-23: botocore's service model; Bedrock user guide,
deploy-custom-model-on-demand.html and delete-custom-model-deployment.html. Field reports: about
eight minutes to Active, ten deployments an account, two in creation, and no deletion meanwhile.
The API's text for Failed: it could not be created, or became unavailable later.

A limit counts the requests and tokens of the last sixty seconds of simulated time. As a request
arrives it counts with its input and with the most that it may be answered; once answered, with what
it was (a field report of 2026: maxTokens unset reserves the model's maximum). AWS documents neither
the minute's bounds nor the words for a deployment: they are those of base models.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from local.bedrock import quotas
from local.bedrock.catalogue import DeploymentLimits
from local.bedrock.pagination import listed
from local.bedrock.protocol import NotFound, ServiceError, ValidationError
from local.bedrock.state import CustomModel, CustomModelDeployment, DeploymentUpdate, Region
from local.bedrock.tags import refuse_tags

_MINUTE_SECONDS = 60.0
_OF_OTHERS = DeploymentLimits(requests=2_000, tokens=4_000_000)  # a base that AWS does not deploy


def create(region: Region, request: dict[str, Any]) -> dict[str, Any]:
    def deploy() -> str:
        custom = _model(region, request["modelArn"])
        _check(region, request)
        return _add(region, request, custom)

    return {"customModelDeploymentArn": region.once("deployment", request, deploy)}


def _add(region: Region, request: dict[str, Any], custom: CustomModel) -> str:
    identity = region.new_id("deployment", request["modelDeploymentName"])
    arn = region.arn(f"custom-model-deployment/{identity}")
    now = region.now()
    made = region.deployments[arn] = CustomModelDeployment(
        arn, request, custom, created=now, changed=now
    )
    region.tag(arn, request.get("tags", []))
    region.meter.deploy(arn, made.name, region.clock.time())
    _set_up(region, made)
    return arn


def _model(region: Region, arn: str) -> CustomModel:
    custom = region.models.get(arn)
    if custom is None:
        raise NotFound(f"The provided custom model was not found: {arn}")
    base = custom.job.base
    if base.deployment_limits is None:
        raise ValidationError(f"Custom models of {base.name} cannot be deployed on demand")
    return custom


def _check(region: Region, request: dict[str, Any]) -> None:
    refuse_tags(request.get("tags", []))
    name = request["modelDeploymentName"]
    if any(deployment.name == name for deployment in region.deployments.values()):
        raise ValidationError(f"The provided model deployment name is already in use: {name}")
    for quota in (quotas.DEPLOYMENTS, quotas.DEPLOYMENTS_IN_CREATION):
        quotas.refuse_beyond(region, quota)


def _set_up(region: Region, made: CustomModelDeployment) -> None:
    def ready() -> None:
        if region.scenario.deployment_outcome == "fail":
            _fail(region, made, "The model could not be deployed.")
            return
        made.status, made.changed = "Active", region.now()
        if region.scenario.deployment_fails_after_minutes is not None:
            minutes = region.scenario.deployment_fails_after_minutes
            region.later(minutes, lambda: _fail(region, made, "It became unavailable."))

    _at_its_end(region, ready)


def _fail(region: Region, deployment: CustomModelDeployment, why: str) -> None:
    deployment.status, deployment.failure, deployment.changed = "Failed", why, region.now()


def _at_its_end(region: Region, act: Callable[[], None]) -> None:
    """End a creation or an update when its time has come, unless the scenario says never.

    Of a deployment that is deleted meanwhile nobody sees it.
    """
    if region.scenario.deployment_outcome != "never_ready":
        region.later(region.scenario.deployment_minutes, act)


def find(region: Region, identifier: str) -> CustomModelDeployment:
    for deployment in region.deployments.values():
        if identifier in (deployment.arn, deployment.name):
            return deployment
    raise NotFound(f"The provided custom model deployment was not found: {identifier}")


def get(region: Region, request: dict[str, Any]) -> dict[str, Any]:
    deployment = find(region, request["customModelDeploymentIdentifier"])
    return {
        **_described(deployment),
        "modelDeploymentName": deployment.name,
        "description": deployment.request.get("description"),
        "updateDetails": _update_details(deployment),
    }


def _update_details(deployment: CustomModelDeployment) -> dict[str, Any] | None:
    if deployment.update is None:
        return None
    return {"modelArn": deployment.update.custom.arn, "updateStatus": deployment.update.status}


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
    return listed(
        region,
        request,
        "modelDeploymentSummaries",
        region.deployments,
        lambda each: {**_described(each), "customModelDeploymentName": each.name},
        lambda each: not wanted or each.custom.arn == wanted,
    )


def update(region: Region, request: dict[str, Any]) -> dict[str, Any]:
    """Put another custom model of the same base behind the ARN; the old one answers meanwhile.

    Neither that, nor that both need the same base, is documented: it is how it can be used.
    """
    deployment = find(region, request["customModelDeploymentIdentifier"])
    custom = _model(region, request["modelArn"])
    _refuse_mutating(deployment)
    if custom.job.base is not deployment.custom.job.base:
        raise ValidationError(f"The custom model must be of {deployment.custom.job.base.name}")
    latest = deployment.update = DeploymentUpdate(custom)
    deployment.changed = region.now()

    def ready() -> None:
        failed = region.scenario.deployment_outcome == "fail"
        latest.status = "UpdateFailed" if failed else "UpdateCompleted"
        if not failed:
            deployment.custom = custom
        deployment.changed = region.now()

    _at_its_end(region, ready)
    return {"customModelDeploymentArn": deployment.arn}


def _refuse_mutating(deployment: CustomModelDeployment) -> None:
    if deployment.mutating:
        # The words: a field report of 2026-11, of a deletion while it was being created.
        raise ValidationError(
            f"Custom model deployment is in a mutating state: {deployment.name} is "
            f"{deployment.mutating}"
        )


def delete(region: Region, request: dict[str, Any]) -> dict[str, Any]:
    """Delete at once: there is no status of a deletion under way."""
    deployment = find(region, request["customModelDeploymentIdentifier"])
    _refuse_mutating(deployment)
    del region.deployments[deployment.arn]
    region.meter.deployed[deployment.arn]["deleted"] = region.clock.time()
    return {}


def refuse_too_many(region: Region, deployment: CustomModelDeployment, tokens: int) -> None:
    """Refuse a request that may take so many tokens, where it is one too many in this minute.

    Raises
    ------
    ServiceError
        AWS's ThrottlingException.
    """
    limits = _limits(region, deployment)
    begun = region.clock.time() - _MINUTE_SECONDS
    deployment.answered = [each for each in deployment.answered if each[0] > begun]
    if len(deployment.answered) >= limits.requests:
        raise _throttled("requests")
    if sum(each for _, each in deployment.answered) + tokens > limits.tokens:
        raise _throttled("tokens")


def _limits(region: Region, deployment: CustomModelDeployment) -> DeploymentLimits:
    usual = deployment.custom.job.base.deployment_limits or _OF_OTHERS
    requests, tokens = region.scenario.requests_per_minute, region.scenario.tokens_per_minute
    return DeploymentLimits(
        requests=usual.requests if requests is None else requests,
        tokens=usual.tokens if tokens is None else tokens,
    )


def _throttled(what: str) -> ServiceError:
    message = f"Too many {what}, please wait before trying again."
    return ServiceError("ThrottlingException", message)


def note_answer(region: Region, deployment: CustomModelDeployment, tokens: int) -> None:
    """Count an answered request against the next minute."""
    deployment.answered.append((region.clock.time(), tokens))
