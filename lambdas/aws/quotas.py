"""The account's quotas for Bedrock, from Service Quotas."""

from __future__ import annotations

from botocore.exceptions import ClientError

from lambdas.aws.clients import client, translated
from lambdas.domain.errors import AccessDenied, RequestRefused, ServiceUnavailable, Throttled

_NO_ANSWER = (AccessDenied, ClientError, RequestRefused, ServiceUnavailable, Throttled)


def bedrock_quota(code: str) -> float | None:
    """Return the quota's value in the client's region, or None if it cannot be read.

    An unknown quota does not stop a run: the purchase itself would fail.
    """
    try:
        with translated(f"read the quota {code}"):
            pages = client("service-quotas").get_paginator("list_service_quotas")
            for page in pages.paginate(ServiceCode="bedrock"):
                for quota in page["Quotas"]:
                    if quota["QuotaCode"] == code:
                        return float(quota["Value"])
    except _NO_ANSWER:
        return None
    return None
