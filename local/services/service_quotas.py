"""Service Quotas for Bedrock, with the scenario's values."""

from __future__ import annotations

import json
from typing import Any

from local.bedrock import Scenario

TARGET = "ServiceQuotasV20190624"
_HEADERS = {"Content-Type": "application/x-amz-json-1.1"}
_UNITS = "Model units no-commitment Provisioned Throughputs across custom models"
_JOBS = "(Model customization) Scheduled customization jobs"


def answer(action: str, body: bytes, scenario: Scenario) -> tuple[int, dict[str, str], bytes]:
    """Answer ListServiceQuotas and GetServiceQuota for the service code `bedrock`."""
    request: dict[str, Any] = json.loads(body or b"{}")
    quotas = _quotas(scenario) if request.get("ServiceCode") == "bedrock" else []
    if action == "ListServiceQuotas":
        return 200, _HEADERS, json.dumps({"Quotas": quotas}).encode()
    found = [quota for quota in quotas if quota["QuotaCode"] == request.get("QuotaCode")]
    if action == "GetServiceQuota" and found:
        return 200, _HEADERS, json.dumps({"Quota": found[0]}).encode()
    missing = {"__type": "NoSuchResourceException", "Message": "no such quota in the offline AWS"}
    return 400, _HEADERS, json.dumps(missing).encode()


def _quotas(scenario: Scenario) -> list[dict[str, Any]]:
    values = {
        ("L-BE77399C", _UNITS): scenario.no_commitment_units,
        ("L-0406044C", _JOBS): scenario.running_jobs,
    }
    return [
        {"ServiceCode": "bedrock", "QuotaCode": code, "QuotaName": name, "Value": float(value)}
        for (code, name), value in values.items()
    ]
