"""The two quotas of provisioned throughput: of all custom models, and of one model's.

Both start at 0, and a purchase needs both; field reports of 2026, read 2026-11-23.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lambdas.domain.models.model import Model

CUSTOM_MODELS = "L-BE77399C"
CUSTOM_MODELS_NAME = "Model units no-commitment Provisioned Throughputs across custom models"
_PER_MODEL = "model units per provisioned model for"


@dataclass(frozen=True)
class Quota:
    """A quota of Bedrock as Service Quotas lists it."""

    code: str
    name: str
    value: float


def across_custom_models(quotas: Sequence[Quota]) -> Quota | None:
    return next((quota for quota in quotas if quota.code == CUSTOM_MODELS), None)


def of_model(quotas: Sequence[Quota], model: Model) -> Quota | None:
    """Return the model's own quota by its name, for its code is not documented.

    Of several, such as one per context length, the highest: what may work is not refused.
    """
    own = [
        quota
        for quota in quotas
        if quota.name.lower().startswith(_PER_MODEL) and model.name.lower() in quota.name.lower()
    ]
    return max(own, key=lambda quota: quota.value, default=None)
