"""What Bedrock says of foundation models in this region, and whether they answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from lambdas.aws.clients import client, get, translated
from lambdas.domain.errors import AccessDenied, QuotaExceeded, RequestRefused
from lambdas.domain.preflight.access import ModelAccess
from lambdas.domain.preflight.models import ModelAvailability


@dataclass(frozen=True)
class FoundationModels:
    """Models in the client's region; each method raises the named errors of `translated`."""

    bedrock: Any = field(default_factory=lambda: client("bedrock"))

    def find(self, model_id: str) -> ModelAvailability | None:
        """Return the model's state, or None if Bedrock has no such model."""
        doing = f"look up the foundation model {model_id}"
        found = _get(doing, self.bedrock.get_foundation_model, modelIdentifier=model_id)
        if found is None:
            return None
        details = found["modelDetails"]
        lifecycle = details.get("modelLifecycle", {})
        return ModelAvailability(
            model_id=details["modelId"],
            status=lifecycle.get("status", "ACTIVE"),
            end_of_life=lifecycle.get("endOfLifeTime"),
            customizations=frozenset(details.get("customizationsSupported", [])),
            inference_types=frozenset(details.get("inferenceTypesSupported", [])),
        )

    def access(self, model_id: str) -> ModelAccess | None:
        """Return whether the account may use the model, or None if Bedrock does not say."""
        doing = f"look up the access to {model_id}"
        found = _get(doing, self.bedrock.get_foundation_model_availability, modelId=model_id)
        return found and ModelAccess(
            agreement=found["agreementAvailability"]["status"],
            agreement_error=found["agreementAvailability"].get("errorMessage", ""),
            authorization=found["authorizationStatus"],
            entitlement=found["entitlementAvailability"],
            region=found["regionAvailability"],
        )


def _get(doing: str, call: Any, **arguments: str) -> Any:  # noqa: ANN401  # boto3's own
    try:
        return get(doing, call, **arguments)
    except RequestRefused:
        return None  # after its end of life, a model's identifier may be invalid


def refusal_of(model_id: str, runtime: Any) -> str | None:  # noqa: ANN401  # boto3's client
    """Ask the model for one token; return in AWS's words why it refuses, or None if it answers.

    Raises
    ------
    Throttled, ServiceUnavailable
        As long as AWS may answer later.
    """
    request: Mapping[str, Any] = {
        "messages": [{"role": "user", "content": [{"text": "Hi"}]}],
        "inferenceConfig": {"maxTokens": 1},
    }
    try:
        with translated(f"ask {model_id}"):
            runtime.converse(modelId=model_id, **request)
    except (AccessDenied, ClientError, QuotaExceeded, RequestRefused) as error:
        return str(error)
    return None
