"""The availability of foundation models in this region."""

from __future__ import annotations

from lambdas.aws.clients import client, get
from lambdas.domain.errors import RequestRefused
from lambdas.domain.preflight.models import ModelAvailability


def get_foundation_model(model_id: str) -> ModelAvailability | None:
    """Return the model's state in the client's region, or None if Bedrock has no such model."""
    try:
        answer = get(
            f"look up the foundation model {model_id}",
            client("bedrock").get_foundation_model,
            modelIdentifier=model_id,
        )
    except RequestRefused:
        return None  # after its end of life, a model's identifier may be invalid
    if answer is None:
        return None
    details = answer["modelDetails"]
    lifecycle = details.get("modelLifecycle", {})
    return ModelAvailability(
        model_id=details["modelId"],
        status=lifecycle.get("status", "ACTIVE"),
        end_of_life=lifecycle.get("endOfLifeTime"),
        customizations=frozenset(details.get("customizationsSupported", [])),
        inference_types=frozenset(details.get("inferenceTypesSupported", [])),
    )
