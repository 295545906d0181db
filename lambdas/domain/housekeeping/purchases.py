"""Purchases of throughput that CloudTrail recorded: which of them to warn about."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lambdas.domain.run.tags import ENVIRONMENT


def concern(detail: Mapping[str, Any]) -> str | None:
    """Return what is wrong with a CreateProvisionedModelThroughput, or None.

    Parameters
    ----------
    detail
        CloudTrail's record: https://docs.aws.amazon.com/bedrock/latest/userguide/logging-using-cloudtrail.html
    """
    if detail.get("errorCode"):
        return None  # it was refused: nothing was bought
    request = detail.get("requestParameters") or {}
    commitment = request.get("commitmentDuration")
    if commitment:
        return (
            f"a commitment ({commitment}) was bought: it bills until its end, and AWS does not "
            "delete it sooner"
        )
    tags = {each.get("key") for each in request.get("tags") or []}
    if ENVIRONMENT not in tags:
        return f"a throughput was bought without the tag {ENVIRONMENT}: no reaper will release it"
    return None


def subject(detail: Mapping[str, Any]) -> str:
    name = (detail.get("requestParameters") or {}).get("provisionedModelName", "throughput")
    return f"check this purchase: {name}"


def body(detail: Mapping[str, Any], what: str, account: str, region: str) -> str:
    request = detail.get("requestParameters") or {}
    who = (detail.get("userIdentity") or {}).get("arn", "unknown")
    arn = (detail.get("responseElements") or {}).get("provisionedModelArn", "unknown")
    return (
        f"In account {account}, {region}, {what}.\n\n"
        f"Name: {request.get('provisionedModelName', 'unknown')}\n"
        f"ARN: {arn}\nModel: {request.get('modelId', 'unknown')}\n"
        f"Model units: {request.get('modelUnits', 'unknown')}\n"
        f"By: {who}\nAt: {detail.get('eventTime', 'unknown')}\n\n"
        "If nobody intended it: aws bedrock delete-provisioned-model-throughput "
        f"--provisioned-model-id {arn} --region {region}\n"
    )
