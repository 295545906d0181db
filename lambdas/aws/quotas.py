"""The account's quotas for Bedrock, from Service Quotas."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError

from lambdas.aws.clients import client, translated
from lambdas.domain.errors import AccessDenied, RequestRefused, ServiceUnavailable, Throttled
from lambdas.domain.preflight.quotas import Quota

_NO_ANSWER = (AccessDenied, ClientError, RequestRefused, ServiceUnavailable, Throttled)


def read_quotas(service_quotas: Any) -> list[Quota]:  # noqa: ANN401  # boto3's client
    """Return all quotas of Bedrock in the client's region; raises botocore's errors."""
    pages = service_quotas.get_paginator("list_service_quotas")
    return [
        Quota(each["QuotaCode"], each["QuotaName"], float(each["Value"]))
        for page in pages.paginate(ServiceCode="bedrock")
        for each in page["Quotas"]
    ]


def bedrock_quotas() -> list[Quota]:
    """Return all quotas in the client's region, or none if they cannot be read.

    An unknown quota does not stop a run: the purchase itself would fail.
    """
    try:
        with translated("read the quotas of Bedrock"):
            return read_quotas(client("service-quotas"))
    except _NO_ANSWER:
        return []
