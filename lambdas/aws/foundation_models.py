"""The availability of foundation models in this region."""

from __future__ import annotations

from botocore.exceptions import ClientError

from lambdas.aws.clients import client, code_of, translated
from lambdas.domain.errors import RequestRefused
from lambdas.domain.run.preflight import ModelAvailability


def get_foundation_model(model_id: str) -> ModelAvailability | None:
    """Return the model's state in the client's region, or None if Bedrock has no such model."""
    try:
        with translated(f"look up the foundation model {model_id}"):
            answer = client("bedrock").get_foundation_model(modelIdentifier=model_id)
    except RequestRefused:
        return None  # after its end of life, a model's identifier may be invalid
    except ClientError as error:
        if code_of(error) == "ResourceNotFoundException":
            return None
        raise
    details = answer["modelDetails"]
    lifecycle = details.get("modelLifecycle", {})
    return ModelAvailability(
        model_id=details["modelId"],
        status=lifecycle.get("status", "ACTIVE"),
        end_of_life=lifecycle.get("endOfLifeTime"),
        customizations=frozenset(details.get("customizationsSupported", [])),
        inference_types=frozenset(details.get("inferenceTypesSupported", [])),
    )
