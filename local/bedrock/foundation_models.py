"""Foundation models as the control plane shows them, and whether the account may use them.

Sources, read 2026-11-28: https://docs.aws.amazon.com/bedrock/latest/userguide/model-access.html
("AVAILABLE if access exists, NOT_AVAILABLE if access does not exist"); the words of the refusals:
reports of the error in https://github.com/andrewyng/aisuite/issues/174 (access not requested),
https://github.com/ministryofjustice/modernisation-platform-environments/pull/18323 (Marketplace)
and https://github.com/anthropics/claude-code/issues/51183 (refused although all four say yes).
Which of the four says no in which case is documented for the agreement only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from local.bedrock.catalogue import MODELS, ModelSpec, by_model_id, known_legacy, status_of
from local.bedrock.protocol import NotFound, ServiceError
from local.bedrock.scenario import AccessGap
from local.bedrock.state import Region

_NO_ACCESS = "You don't have access to the model with the specified model ID."


@dataclass(frozen=True)
class _Gap:
    """What GetFoundationModelAvailability says, and what a use of the model is refused with."""

    agreement: str = "AVAILABLE"
    authorization: str = "AUTHORIZED"
    entitlement: str = "AVAILABLE"
    message: str = _NO_ACCESS
    code: str = "AccessDeniedException"


_GAPS: dict[AccessGap, _Gap] = {
    "not_requested": _Gap(agreement="NOT_AVAILABLE", entitlement="NOT_AVAILABLE"),
    "pending": _Gap(agreement="PENDING"),
    "not_authorized": _Gap(authorization="NOT_AUTHORIZED"),
    "use_case_form": _Gap(
        agreement="NOT_AVAILABLE",
        code="ResourceNotFoundException",
        message=(
            "Model use case details have not been submitted for this account. Fill out the "
            "Anthropic use case details form before using the model. If you have already filled "
            "out the form, try again in 15 minutes."
        ),
    ),
    "marketplace": _Gap(
        agreement="NOT_AVAILABLE",
        message=(
            "Model access is denied due to IAM user or service role is not authorized to perform "
            "the required AWS Marketplace actions (aws-marketplace:ViewSubscriptions, "
            "aws-marketplace:Subscribe) to enable access to this model. Refer to the Amazon "
            "Bedrock documentation for further details. Your AWS Marketplace subscription for "
            "this model cannot be completed at this time. If you recently fixed this issue, try "
            "again after 5 minutes."
        ),
    ),
    "unexplained": _Gap(),
}


def shown(region: Region, model: ModelSpec) -> bool:
    gone = status_of(model, region.now(), ()) == "EOL"
    return not gone or (model.key == "claude-3-haiku" and region.scenario.haiku_arrangement)


def refuse_without_access(region: Region, model: ModelSpec) -> None:
    """Refuse the use of a model to which the scenario gives the account no access.

    Raises
    ------
    ServiceError
        As AWS refuses it: mostly AccessDeniedException, without the use-case form
        ResourceNotFoundException.
    """
    if why := region.scenario.without_access.get(model.key):
        gap = _GAPS[why]
        raise ServiceError(gap.code, gap.message)


def _details(region: Region, model: ModelSpec, model_id: str) -> dict[str, Any]:
    tunable = model_id == model.customization_id and region.name in model.regions
    is_base = model_id == model.model_id
    return {
        "modelArn": f"arn:aws:bedrock:{region.name}::foundation-model/{model_id}",
        "modelId": model_id,
        "modelName": model.name,
        "providerName": model.provider,
        "inputModalities": ["TEXT"],
        "outputModalities": ["TEXT"],
        "responseStreamingSupported": True,
        "customizationsSupported": [*model.customizations] if tunable else [],
        "inferenceTypesSupported": _asked(model, region) if is_base else _hosted(model, region),
        "modelLifecycle": _lifecycle(region, model),
    }


def _asked(model: ModelSpec, region: Region) -> list[str]:
    by_profile = any(region.name in regions for regions in model.profiles.values())
    on_demand = ["ON_DEMAND"] if region.name in model.on_demand else []
    return [*on_demand, *(["INFERENCE_PROFILE"] if by_profile else [])]


def _hosted(model: ModelSpec, region: Region) -> list[str]:
    """Return how custom models are served; the API has no word for deployments on demand."""
    return ["PROVISIONED"] if model.is_sold_by_the_hour(region.name) else []


def _lifecycle(region: Region, model: ModelSpec) -> dict[str, Any]:
    """Return status and dates; a LEGACY that the scenario asks for comes without dates."""
    status = status_of(model, region.now(), region.scenario.legacy_models)
    dated = known_legacy(model, region.now())
    return {
        "status": "ACTIVE" if status == "ACTIVE" else "LEGACY",
        "legacyTime": model.legacy if dated else None,
        "endOfLifeTime": model.end_of_life if dated else None,
    }


def _find(region: Region, identifier: str) -> tuple[ModelSpec, str]:
    model = by_model_id(identifier)
    if model is None or not shown(region, model):
        raise NotFound(f"Could not resolve the foundation model from the identifier {identifier}")
    return model, identifier.rpartition("foundation-model/")[2]


def get(region: Region, request: dict[str, Any]) -> dict[str, Any]:
    identifier = request["modelIdentifier"]
    model, model_id = _find(region, identifier)
    if not model.knows(model_id, region.name):
        raise NotFound(f"Could not resolve the foundation model from the identifier {identifier}")
    return {"modelDetails": _details(region, model, model_id)}


def availability(region: Region, request: dict[str, Any]) -> dict[str, Any]:
    model, model_id = _find(region, request["modelId"])
    why = region.scenario.without_access.get(model.key)
    gap = _GAPS[why] if why else _Gap()
    here = model.knows(model_id, region.name)
    return {
        "modelId": request["modelId"],
        "agreementAvailability": {"status": gap.agreement},
        "authorizationStatus": gap.authorization,
        "entitlementAvailability": gap.entitlement,
        "regionAvailability": "AVAILABLE" if here else "NOT_AVAILABLE",
    }


def list_models(region: Region, request: dict[str, Any]) -> dict[str, Any]:
    found = [
        _details(region, model, model_id)
        for model in MODELS
        if shown(region, model)
        for model_id in filter(None, (model.model_id, model.customization_id))
        if model.knows(model_id, region.name)
    ]
    for field, member in (
        ("byProvider", "providerName"),
        ("byCustomizationType", "customizationsSupported"),
        ("byInferenceType", "inferenceTypesSupported"),
        ("byOutputModality", "outputModalities"),
    ):
        if wanted := request.get(field):
            found = [details for details in found if wanted in details[member]]
    return {"modelSummaries": found}
