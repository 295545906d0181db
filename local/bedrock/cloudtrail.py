"""Purchases as CloudTrail reports them to EventBridge, in an account that has a trail.

The shape is that of a CloudTrail record inside an event (read 2026-11-23):
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-service-event-cloudtrail.html and
https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html
A refused call is an event too: it has an errorCode, and no responseElements.
"""

from __future__ import annotations

import json
import uuid
from typing import Any

from local.bedrock.protocol import ServiceError
from local.bedrock.state import Region

_RECORDED = frozenset({"CreateProvisionedModelThroughput", "CreateCustomModelDeployment"})
_KINDS = {"assumed-role": "AssumedRole", "user": "IAMUser", "root": "Root"}


def record(
    region: Region,
    *,
    operation: str,
    request: dict[str, Any],
    outcome: dict[str, Any] | ServiceError,
) -> None:
    """Publish the call as an event, if the scenario has a trail and the call creates capacity."""
    if not region.scenario.cloudtrail or operation not in _RECORDED:
        return
    detail = {
        "eventVersion": "1.11",
        "userIdentity": _identity(region.caller(), region.location.account),
        "eventTime": region.now().strftime("%Y-%m-%dT%H:%M:%SZ"),
        "eventSource": "bedrock.amazonaws.com",
        "eventName": operation,
        "awsRegion": region.name,
        "requestParameters": request,
        **_outcome(outcome),
        "readOnly": False,
        "eventType": "AwsApiCall",
        "managementEvent": True,
        "recipientAccountId": region.location.account,
        "eventCategory": "Management",
    }
    detail["eventID"] = str(uuid.uuid5(uuid.NAMESPACE_OID, json.dumps(detail, default=str)))
    region.publish("AWS API Call via CloudTrail", detail, [])


def _identity(caller: str, account: str) -> dict[str, str]:
    kind = caller.rpartition(":")[2].partition("/")[0]
    return {"type": _KINDS.get(kind, "Unknown"), "arn": caller, "accountId": account}


def _outcome(outcome: dict[str, Any] | ServiceError) -> dict[str, Any]:
    if isinstance(outcome, ServiceError):
        return {
            "errorCode": outcome.code,
            "errorMessage": outcome.message,
            "responseElements": None,
        }
    return {"responseElements": outcome}
