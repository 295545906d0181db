"""Values of a dataset as messages show them: short, on one line, and always encodable."""

from __future__ import annotations

import json
from json.encoder import encode_basestring

_SHOWN_CHARACTERS = 60


def type_name(value: object) -> str:
    """Return the JSON type of a value, in words."""
    names = {
        type(None): "null",
        bool: "true or false",
        int: "a number",
        float: "a number",
        str: "text",
        list: "a list",
        dict: "an object",
    }
    return names.get(type(value), type(value).__name__)


def quoted(value: object) -> str:
    """Quote a value for a message: shortened, on one line, lone surrogates escaped."""
    if isinstance(value, dict | list):
        return type_name(value)
    if isinstance(value, str):
        text = encode_basestring(value[: _SHOWN_CHARACTERS + 1])
    else:
        text = json.dumps(value, default=repr)
    if len(text) > _SHOWN_CHARACTERS:
        text = text[:_SHOWN_CHARACTERS] + "…"
    return text.encode(errors="backslashreplace").decode()


def quoted_key(key: str) -> str:
    return key if len(key) <= _SHOWN_CHARACTERS and key.isidentifier() else quoted(key)
