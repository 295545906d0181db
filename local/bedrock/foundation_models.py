"""Foundation models as the control plane shows them."""

from __future__ import annotations

from typing import Any

from local.bedrock.catalogue import MODELS, ModelSpec, by_model_id, status_of
from local.bedrock.protocol import NotFound
from local.bedrock.state import World


def shown(world: World, model: ModelSpec) -> bool:
    gone = status_of(model, world.now(), ()) == "EOL"
    return not gone or (model.key == "claude-3-haiku" and world.scenario.haiku_arrangement)


def _details(world: World, model: ModelSpec, model_id: str, region: str) -> dict[str, Any]:
    status = status_of(model, world.now(), world.scenario.legacy_models)
    tunable = model_id == model.customization_id and region in model.regions
    return {
        "modelArn": f"arn:aws:bedrock:{region}::foundation-model/{model_id}",
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


def get(world: World, identifier: str, region: str) -> dict[str, Any]:
    model = by_model_id(identifier)
    if model is None or not shown(world, model):
        raise NotFound(f"Could not resolve the foundation model from the identifier {identifier}")
    model_id = identifier.rpartition("foundation-model/")[2]
    return {"modelDetails": _details(world, model, model_id, region)}


def availability(world: World, identifier: str, region: str) -> dict[str, Any]:
    get(world, identifier, region)
    return {
        "modelId": identifier,
        "agreementAvailability": {"status": "AVAILABLE"},
        "authorizationStatus": "AUTHORIZED",
        "entitlementAvailability": "AVAILABLE",
        "regionAvailability": "AVAILABLE",
    }


def list_models(world: World, request: dict[str, Any], region: str) -> dict[str, Any]:
    found = [
        _details(world, model, model_id, region)
        for model in MODELS
        if shown(world, model)
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
