"""Foundation models as the control plane shows them."""

from __future__ import annotations

from typing import Any

from local.bedrock import model_access
from local.bedrock.catalogue import MODELS, ModelSpec, by_model_id, known_legacy, status_of
from local.bedrock.protocol import NotFound
from local.bedrock.state import Region


def shown(region: Region, model: ModelSpec) -> bool:
    gone = status_of(model, region.now(), ()) == "EOL"
    return not gone or (model.key == "claude-3-haiku" and region.scenario.haiku_arrangement)


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
    return ["PROVISIONED"] if model.has_throughput and region.name in model.regions else []


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
    identifier = request["modelId"]
    model, model_id = _find(region, identifier)
    return {"modelId": identifier, **model_access.availability(region, model, model_id)}


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
