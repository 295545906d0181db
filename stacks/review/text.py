"""Values of a template on one line, read more easily than JSON and as exact."""

from __future__ import annotations

import json
import re

_PLAIN = re.compile(r"[^\s\"'{}\[\],#-][^\n\"'{}\[\],]*(?<! )")
_LITERALS = {"true", "false", "null"}


def flow(value: object) -> str:
    """Return the value on one line; text that could be read otherwise is quoted."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(flow, value)) + "]"
    if isinstance(value, str) and _is_plain(value):
        return value
    return json.dumps(value, ensure_ascii=False)


def _is_plain(text: str) -> bool:
    plain = text.replace("${", "$").replace("}", "")
    return bool(_PLAIN.fullmatch(plain)) and text not in _LITERALS and not _is_number(text)


def _is_number(text: str) -> bool:
    return text.lstrip("-").replace(".", "", 1).isdigit()
