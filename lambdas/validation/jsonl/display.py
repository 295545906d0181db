"""How values of a dataset are shown in messages: short, on one line, and always encodable."""

from __future__ import annotations

import json
from json.encoder import encode_basestring

_SHOWN_CHARACTERS = 60


def kind_of(value: object) -> str:
    """Name a JSON value's type as a person would."""
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


def shown(value: object) -> str:
    """Quote a value for a message: short, on one line, and free of what cannot be encoded."""
    if isinstance(value, dict | list):
        return kind_of(value)
    if isinstance(value, str):
        text = encode_basestring(value[: _SHOWN_CHARACTERS + 1])
    else:
        text = json.dumps(value, default=repr)
    if len(text) > _SHOWN_CHARACTERS:
        text = text[:_SHOWN_CHARACTERS] + "…"
    return text.encode(errors="backslashreplace").decode()


def shown_key(key: str) -> str:
    return key if len(key) <= _SHOWN_CHARACTERS and key.isidentifier() else shown(key)
