"""Values of a dataset as messages show them: a word or a number, and never a text.

Messages reach logs, mails and the causes of failed executions; the place they name has the text.
"""

from __future__ import annotations

import json
import re

# "assitant", "bedrock-conversation-2023", "system ": anything longer is a text, or may be a secret.
_WORD = re.compile(r"\s{0,2}\S{0,32}\s{0,2}")


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
    """Quote one word or a number for a message; of anything else say what it is."""
    if isinstance(value, dict | list):
        return type_name(value)
    if isinstance(value, str) and not _WORD.fullmatch(value):
        return f"a text of {len(value)} characters"
    text = json.dumps(value, ensure_ascii=False, default=repr)
    return text.encode(errors="backslashreplace").decode()


def quantity(count: int, noun: str) -> str:
    """Return, for example, "1 record" or "2,000 records"."""
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def shortened(text: str, most: int = 200) -> str:
    """Return the text, cut after so many characters."""
    return text if len(text) <= most else text[:most] + "…"


def quoted_key(key: str) -> str:
    return key if key.isidentifier() and _WORD.fullmatch(key) else quoted(key)
