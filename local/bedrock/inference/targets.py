"""What a request's model identifier stands for, and whether it can answer here and now."""

from __future__ import annotations

from dataclasses import dataclass

from local.bedrock.catalogue import ModelSpec, by_model_id, without_profile
from local.bedrock.foundation_models import refuse_without_access, shown
from local.bedrock.hosting import deployments, throughputs
from local.bedrock.meter import INCLUDED, TokenPrice
from local.bedrock.protocol import NotFound, ServiceError, ValidationError
from local.bedrock.state import CustomModel, CustomModelDeployment, Region

_INVALID = "The provided model identifier is invalid."


@dataclass(frozen=True)
class Target:
    """The model that answers, its price, whether it is a custom one, and in a deployment."""

    base: ModelSpec
    price: TokenPrice | None
    custom: CustomModel | None = None
    deployment: CustomModelDeployment | None = None

    @property
    def name(self) -> str:
        return f"tuned {self.base.name}" if self.custom else self.base.name


def find(region: Region, identifier: str) -> Target:
    """Find the model.

    Raises
    ------
    ServiceError
        As Bedrock refuses: it is unknown here, cannot be asked so, or is not ready.
    """
    if ":provisioned-model/" in identifier or ":custom-model-deployment/" in identifier:
        return _hosted(region, identifier)
    profile, model = _base_model(region, identifier)
    refuse_without_access(region, model)
    return Target(model, model.price_through(profile))


def _base_model(region: Region, identifier: str) -> tuple[str, ModelSpec]:
    """Return the profile's prefix, or none, and the model that the region serves by it.

    The words of the refusals: reports in https://github.com/mlcommons/modelbench/issues/1654 and
    https://github.com/strands-agents/harness-sdk/issues/38 (read 2026-11-28).
    """
    prefix, bare = without_profile(identifier.rpartition("/")[2])
    model = by_model_id(bare)
    if model is None or not _is_here(region, identifier, prefix) or not shown(region, model):
        raise ValidationError(_INVALID)
    if bare == model.customization_id:  # it takes throughput
        if model.on_demand:
            raise NotFound("Model not found.")
        raise ValidationError("The provided model doesn't support on-demand throughput.")
    served = model.profiles.get(prefix, ()) if prefix else model.on_demand
    if region.name not in served:
        if prefix or not model.called_from(region.name):
            raise ValidationError(_INVALID)
        raise ValidationError(
            f"Invocation of model ID {identifier} with on-demand throughput isn\u2019t supported. "
            "Retry your request with the ID or ARN of an inference profile that contains this "
            "model."
        )
    return prefix, model


def _is_here(region: Region, identifier: str, prefix: str) -> bool:
    """Say whether an ARN is of the region, and a profile's of the account too."""
    if not identifier.startswith("arn:"):
        return True
    owner, kind = (
        (region.location.account, "inference-profile") if prefix else ("", "foundation-model")
    )
    there = f"arn:aws:bedrock:{region.name}:{owner}:{kind}/"
    return identifier.startswith(there)


def _hosted(region: Region, identifier: str) -> Target:
    try:
        if ":custom-model-deployment/" in identifier:
            return _deployed(region, deployments.find(region, identifier))
        throughput = throughputs.find(region, identifier)
    except NotFound:
        raise ValidationError(_INVALID) from None
    if throughput.status != "InService":
        raise _not_ready()
    return Target(throughput.base, INCLUDED, throughput.custom)


def _deployed(region: Region, deployment: CustomModelDeployment) -> Target:
    if deployment.status != "Active":
        raise _not_ready()
    if deployment.not_ready_answers < region.scenario.not_ready_calls:
        deployment.not_ready_answers += 1
        raise _not_ready()
    custom, base = deployment.custom, deployment.custom.job.base
    return Target(base, base.token_price, custom, deployment)


def _not_ready() -> ServiceError:
    return ServiceError("ModelNotReadyException", "The model is not ready for serving requests.")
