"""Languages that pairs can be requested in by code, and what they are detected as."""

from __future__ import annotations

import re

from lambdas.validation.warnings.language import CODES, LANGUAGES

_BETWEEN_NAMES = re.compile(", | or ")
_NAMES = {"ja": "Japanese"} | {
    code: name
    for names, codes in CODES.items()
    for code, name in zip(codes.split(), _BETWEEN_NAMES.split(names), strict=False)
}
_DETECTED = {name: names for names in LANGUAGES for name in _BETWEEN_NAMES.split(names)}


def language_name(text: str) -> str:
    """Return the name for a code like "ja" or "pt-BR"; other texts are names already."""
    return _NAMES.get(text.partition("-")[0].lower(), text)


def detected_as(name: str) -> str | None:
    """Return what a text in this language is detected as; None if it cannot be detected."""
    return _DETECTED.get(name)
