"""Foundation models as the control plane shows them."""

from __future__ import annotations

from typing import Any

from local.bedrock.catalogue import MODELS, ModelSpec, by_model_id, status_of
from local.bedrock.protocol import NotFound
from local.bedrock.state import Region


def shown(region: Region, model: ModelSpec) -> bool:
    gone = status_of(model, region.now(), ()) == "EOL"
    return not gone or (model.key == "claude-3-haiku" and region.scenario.haiku_arrangement)


def _details(region: Region, model: ModelSpec, model_id: str) -> dict[str, Any]:
    status = status_of(model, region.now(), region.scenario.legacy_models)
    tunable = model_id == model.customization_id and region.name in model.regions
    return {
        "modelArn": f"arn:aws:bedrock:{region.name}::foundation-model/{model_id}",
        "modelId": model_id,
        "modelName": model.name,
        "providerName": model.provider,
        "inputModalities": ["TEXT"],
        "outputModalities": ["TEXT"],
        "responseStreamingSupported": True,
        "customizationsSupported": ["FINE_TUNING"] if tunable else [],
        "inferenceTypesSupported": _inference_types(model, tunable=tunable),
        "modelLifecycle": {
            "status": "LEGACY" if status != "ACTIVE" else "ACTIVE",
            "legacyTime": model.legacy,
            "endOfLifeTime": model.end_of_life,
        },
    }


def _inference_types(model: ModelSpec, *, tunable: bool) -> list[str]:
    if not tunable:
        return ["ON_DEMAND"]
    return ["PROVISIONED"] if model.has_throughput else []


def get(region: Region, identifier: str) -> dict[str, Any]:
    model = by_model_id(identifier)
    if model is None or not shown(region, model):
        raise NotFound(f"Could not resolve the foundation model from the identifier {identifier}")
    model_id = identifier.rpartition("foundation-model/")[2]
    return {"modelDetails": _details(region, model, model_id)}


def availability(region: Region, identifier: str) -> dict[str, Any]:
    get(region, identifier)
    return {
        "modelId": identifier,
        "agreementAvailability": {"status": "AVAILABLE"},
        "authorizationStatus": "AUTHORIZED",
        "entitlementAvailability": "AVAILABLE",
        "regionAvailability": "AVAILABLE",
    }


def list_models(region: Region, request: dict[str, Any]) -> dict[str, Any]:
    found = [
        _details(region, model, model_id)
        for model in MODELS
        if shown(region, model)
        for model_id in filter(None, (model.model_id, model.customization_id))
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
