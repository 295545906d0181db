"""Service Quotas for Bedrock: what the offline Bedrock enforces, under the names AWS lists."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from local.bedrock import Quota

TARGET = "ServiceQuotasV20190624"
_HEADERS = {"Content-Type": "application/x-amz-json-1.1"}


def answer(action: str, body: bytes, bedrock: Sequence[Quota]) -> tuple[int, dict[str, str], bytes]:
    """Answer ListServiceQuotas and GetServiceQuota for the service code `bedrock`."""
    request: dict[str, Any] = json.loads(body or b"{}")
    quotas = [_shown(quota) for quota in bedrock if request.get("ServiceCode") == "bedrock"]
    if action == "ListServiceQuotas":
        return 200, _HEADERS, json.dumps({"Quotas": quotas}).encode()
    found = [quota for quota in quotas if quota["QuotaCode"] == request.get("QuotaCode")]
    if action == "GetServiceQuota" and found:
        return 200, _HEADERS, json.dumps({"Quota": found[0]}).encode()
    missing = {"__type": "NoSuchResourceException", "Message": "no such quota in the offline AWS"}
    return 400, _HEADERS, json.dumps(missing).encode()


def _shown(quota: Quota) -> dict[str, Any]:
    return {
        "ServiceCode": "bedrock",
        "QuotaCode": quota.code,
        "QuotaName": quota.name,
        "Value": float(quota.value),
    }
