"""Whether the account may use a foundation model, as asked for and as refused.

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

from local.bedrock.catalogue import ModelSpec
from local.bedrock.protocol import ServiceError
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


def availability(region: Region, model: ModelSpec, model_id: str) -> dict[str, Any]:
    """Return the four parts of GetFoundationModelAvailability's answer."""
    why = region.scenario.without_access.get(model.key)
    gap = _GAPS[why] if why else _Gap()
    here = model.knows(model_id, region.name)
    return {
        "agreementAvailability": {"status": gap.agreement},
        "authorizationStatus": gap.authorization,
        "entitlementAvailability": gap.entitlement,
        "regionAvailability": "AVAILABLE" if here else "NOT_AVAILABLE",
    }
