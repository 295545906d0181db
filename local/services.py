"""AWS services that MiniStack lacks, besides Bedrock: Amazon Comprehend, and Service Quotas.

Comprehend finds personal data by patterns in the text. Names are capitalised words after a title or
beside a word such as "name is"; addresses are a number with a street. It finds less than the
service, and nothing that is not there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from local.bedrock import Quota, ServiceError

Json = dict[str, Any]
_MOST_BYTES = 100_000  # API_DetectPiiEntities.html, read 2026-11-23
_SCORE = 0.99
_WORD = r"[A-Z\u00c0-\u00de][\w'\u2019-]+"
_PATTERNS = {
    "NAME": re.compile(
        rf"(?:\b(?:Mr|Mrs|Ms|Dr|Prof)\.? |\b[Mm]y name is |\bcalled )({_WORD}(?: {_WORD})*)"
    ),
    "ADDRESS": re.compile(
        rf"\b(\d{{1,5}} (?:{_WORD} ){{1,3}}(?:Street|St|Road|Rd|Avenue|Ave|Lane|Drive|Boulevard))\b"
    ),
    "EMAIL": re.compile(r"\b([\w.+-]+@[\w-]+(?:\.[\w-]+)+)"),
}


def comprehend(action: str, request: Json) -> Json:
    """Answer DetectPiiEntities."""
    if action != "DetectPiiEntities":
        raise ServiceError("UnknownOperationException", f"not in the offline AWS: {action}")
    text, language = request.get("Text"), request.get("LanguageCode")
    if not isinstance(text, str) or not text:
        raise ServiceError("InvalidRequestException", "Text must have at least one character")
    if language not in {"en", "es"}:
        why = f"PII detection does not know {language}"
        raise ServiceError("UnsupportedLanguageException", why)
    if len(text.encode(errors="surrogatepass")) > _MOST_BYTES:
        raise ServiceError("TextSizeLimitExceededException", "Input text size exceeds limit")
    return {"Entities": [*_entities(text)]}


def _entities(text: str) -> Iterator[Json]:
    for kind, pattern in _PATTERNS.items():
        for found in pattern.finditer(text):
            begin, end = found.span(1)
            yield {"Type": kind, "Score": _SCORE, "BeginOffset": begin, "EndOffset": end}


def service_quotas(action: str, request: Json, bedrock: Sequence[Quota]) -> Json:
    """Answer ListServiceQuotas and GetServiceQuota by what the offline Bedrock enforces."""
    quotas = [_shown(quota) for quota in bedrock if request.get("ServiceCode") == "bedrock"]
    if action == "ListServiceQuotas":
        return {"Quotas": quotas}
    found = [quota for quota in quotas if quota["QuotaCode"] == request.get("QuotaCode")]
    if action == "GetServiceQuota" and found:
        return {"Quota": found[0]}
    raise ServiceError("NoSuchResourceException", "no such quota in the offline AWS")


def _shown(quota: Quota) -> Json:
    return {
        "ServiceCode": "bedrock",
        "QuotaCode": quota.code,
        "QuotaName": quota.name,
        "Value": float(quota.value),
    }
