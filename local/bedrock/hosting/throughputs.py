"""Provisioned throughputs."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from local.bedrock import quotas
from local.bedrock.catalogue import MODELS, ModelSpec, by_customization_id, status_of
from local.bedrock.meter import Lease
from local.bedrock.pagination import listed
from local.bedrock.protocol import Conflict, NotFound, ValidationError
from local.bedrock.state import CustomModel, ProvisionedModel, Region
from local.bedrock.tags import refuse_tags

_COMMITMENT_DAYS = {"OneMonth": 30, "SixMonths": 180}


def create(region: Region, request: dict[str, Any]) -> dict[str, Any]:
    arn = region.once("throughput", request, lambda: _create(region, request))
    return {"provisionedModelArn": arn}


def _create(region: Region, request: dict[str, Any]) -> str:
    custom, base = _model(region, request["modelId"])
    _check(region, request, custom, base)
    bought = _add(region, request, custom, base)
    _provision(region, bought)
    return bought.arn


def _add(
    region: Region, request: dict[str, Any], custom: CustomModel | None, base: ModelSpec
) -> ProvisionedModel:
    identity = region.new_id("throughput", request["provisionedModelName"])
    arn = region.arn(f"provisioned-model/{identity}")
    now = region.now()
    model_arn = custom.arn if custom else base.arn(region.name)
    bought = ProvisionedModel(arn, request, base, model_arn, custom, created=now, changed=now)
    if term := request.get("commitmentDuration"):
        bought.committed_until = now + timedelta(days=_COMMITMENT_DAYS[term])
    region.throughputs[arn] = bought
    region.tag(arn, request.get("tags", []))
    price, began = base.usd_per_unit_hour, region.clock.time()
    region.meter.leases.append(Lease(arn, base.name, bought.units, price, began))
    return bought


def add(region: Region, request: dict[str, Any], status: str) -> str:
    """Put in what somebody else bought earlier: no quota, lifecycle or provisioning applies."""
    model_id = request.get("modelId") or next(
        model.customization_id for model in MODELS if model.is_sold_by_the_hour(region.name)
    )
    custom, base = _model(region, str(model_id))
    bought = _add(region, request, custom, base)
    bought.status = status
    if status == "Failed":
        region.meter.end(bought.arn, region.clock.time())
    return bought.arn


def _model(region: Region, identifier: str) -> tuple[CustomModel | None, ModelSpec]:
    for model in region.models.values():
        if identifier in (model.arn, model.name):
            return model, model.job.base
    base = by_customization_id(identifier)
    if base is None or region.name not in base.regions:
        raise NotFound(f"The provided model was not found: {identifier}")
    return None, base


def _check(
    region: Region, request: dict[str, Any], custom: CustomModel | None, base: ModelSpec
) -> None:
    refuse_tags(request.get("tags", []))
    name = request["provisionedModelName"]
    if any(throughput.name == name for throughput in region.throughputs.values()):
        raise ValidationError(f"The provided provisioned model name is already in use: {name}")
    if not base.has_throughput:
        raise ValidationError(f"Provisioned throughput is not available for {base.name}")
    if status_of(base, region.now(), region.scenario.legacy_models) == "LEGACY":
        raise ValidationError(f"{base.name} is a legacy model; no new provisioned throughput")
    quotas.refuse_units(
        region,
        base,
        request["modelUnits"],
        custom=custom is not None,
        committed="commitmentDuration" in request,
    )


def _provision(region: Region, bought: ProvisionedModel) -> None:
    if region.scenario.throughput_outcome == "never_ready":
        return

    def ready() -> None:
        if region.throughputs.get(bought.arn) is bought:
            bought.failure, bought.changed = _failure(region, bought), region.now()
            bought.status = "Failed" if bought.failure else "InService"
            if bought.failure:
                region.meter.end(bought.arn, region.clock.time())

    region.later(region.scenario.provisioning_minutes, ready)


def _failure(region: Region, bought: ProvisionedModel) -> str | None:
    """Return why it cannot serve; for a customer's key in KMS's words, as Bedrock has none.

    https://docs.aws.amazon.com/nova/latest/userguide/customize-fine-tune-encrypt.html (read
    2026-11-28): Bedrock itself has to be allowed in the key's policy.
    """
    if region.scenario.throughput_outcome == "fail":
        return "There is not enough capacity to provision the model units."
    key = bought.custom.job.request.get("customModelKmsKeyId") if bought.custom else None
    if key is not None and not region.grants.serves(region.location, key):
        return f"bedrock.amazonaws.com is not authorized to perform: kms:Decrypt on resource: {key}"
    return None


def find(region: Region, identifier: str) -> ProvisionedModel:
    for throughput in region.throughputs.values():
        if identifier in (throughput.arn, throughput.name, throughput.arn.rpartition("/")[2]):
            return throughput
    raise NotFound(f"The provided provisioned model was not found: {identifier}")


def _described(throughput: ProvisionedModel) -> dict[str, Any]:
    term = throughput.request.get("commitmentDuration")
    return {
        "modelUnits": throughput.units,
        "desiredModelUnits": throughput.units,
        "provisionedModelName": throughput.name,
        "provisionedModelArn": throughput.arn,
        "modelArn": throughput.model_arn,
        "desiredModelArn": throughput.model_arn,
        "foundationModelArn": throughput.base.arn(throughput.arn.split(":")[3]),
        "status": throughput.status,
        "creationTime": throughput.created,
        "lastModifiedTime": throughput.changed,
        "commitmentDuration": term,
        "commitmentExpirationTime": throughput.committed_until,
    }


def get(region: Region, request: dict[str, Any]) -> dict[str, Any]:
    throughput = find(region, request["provisionedModelId"])
    return {**_described(throughput), "failureMessage": throughput.failure}


def list_throughputs(region: Region, request: dict[str, Any]) -> dict[str, Any]:
    wanted = request.get("modelArnEquals")
    return listed(
        region,
        request,
        "provisionedModelSummaries",
        region.throughputs,
        _described,
        lambda throughput: not wanted or throughput.model_arn == wanted,
    )


def update(region: Region, request: dict[str, Any]) -> dict[str, Any]:
    throughput = find(region, request["provisionedModelId"])
    if name := request.get("desiredProvisionedModelName"):
        throughput.request = {**throughput.request, "provisionedModelName": name}
    if model := request.get("desiredModelId"):
        custom, base = _model(region, model)
        if base is not throughput.base:
            raise ValidationError("The desired model must be of the same base model")
        throughput.custom, throughput.model_arn = custom, custom.arn if custom else model
    throughput.changed = region.now()
    return {}


def delete(region: Region, request: dict[str, Any]) -> dict[str, Any]:
    """Delete at once; a committed one only after its term.

    AWS says that of a term in prov-thru-delete.html of its user guide (read 2026-11-23), and names
    neither the error nor what refuses while one is being created; the operation has
    ConflictException.
    """
    throughput = find(region, request["provisionedModelId"])
    if throughput.status in {"Creating", "Updating"}:
        raise Conflict(
            f"The provisioned model {throughput.name} is {throughput.status}; try again later"
        )
    if throughput.committed_until and region.now() < throughput.committed_until:
        raise Conflict(
            f"The provisioned model {throughput.name} is committed: it can't be deleted before its "
            f"term is over at {throughput.committed_until.isoformat(timespec='seconds')}"
        )
    region.meter.end(throughput.arn, region.clock.time())
    del region.throughputs[throughput.arn]
    return {}
