"""Amazon Comprehend's DetectPiiEntities, by patterns in the text.

Names are capitalised words after a title or beside a word such as "name is"; addresses are a number
with a street. It finds less than the service, and nothing that is not there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

TARGET = "Comprehend_20171127"
_HEADERS = {"Content-Type": "application/x-amz-json-1.1"}
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


def answer(action: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
    """Answer DetectPiiEntities."""
    request: dict[str, Any] = json.loads(body or b"{}")
    if action != "DetectPiiEntities":
        return _refusal("UnknownOperationException", f"not in the offline AWS: {action}")
    text, language = request.get("Text"), request.get("LanguageCode")
    if not isinstance(text, str) or not text:
        return _refusal("InvalidRequestException", "Text must have at least one character")
    if language not in {"en", "es"}:
        return _refusal("UnsupportedLanguageException", f"PII detection does not know {language}")
    if len(text.encode(errors="surrogatepass")) > _MOST_BYTES:
        return _refusal("TextSizeLimitExceededException", "Input text size exceeds limit")
    return 200, _HEADERS, json.dumps({"Entities": [*_entities(text)]}).encode()


def _entities(text: str) -> Iterator[dict[str, Any]]:
    for kind, pattern in _PATTERNS.items():
        for found in pattern.finditer(text):
            begin, end = found.span(1)
            yield {"Type": kind, "Score": _SCORE, "BeginOffset": begin, "EndOffset": end}


def _refusal(code: str, message: str) -> tuple[int, dict[str, str], bytes]:
    return 400, _HEADERS, json.dumps({"__type": code, "Message": message}).encode()
