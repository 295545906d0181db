"""Languages that pairs can be requested in by code, and what they are detected as."""

from __future__ import annotations

import re

from lambdas.validation.warnings.language import LANGUAGES

_NAMES = {
    "ar": "Arabic", "cs": "Czech", "da": "Danish", "de": "German", "el": "Greek", "en": "English",
    "es": "Spanish", "fi": "Finnish", "fr": "French", "he": "Hebrew", "hi": "Hindi",
    "id": "Indonesian", "it": "Italian", "ja": "Japanese", "ko": "Korean", "nl": "Dutch",
    "no": "Norwegian", "pl": "Polish", "pt": "Portuguese", "ru": "Russian", "sv": "Swedish",
    "th": "Thai", "tr": "Turkish", "uk": "Ukrainian", "vi": "Vietnamese", "zh": "Chinese",
}  # fmt: skip
_DETECTED = {part: name for name in LANGUAGES for part in re.split(r", | or ", name)}


def language_name(text: str) -> str:
    """Return the name for a code like "ja" or "pt-BR"; other texts are names already."""
    return _NAMES.get(text.partition("-")[0].lower(), text)


def detected_as(name: str) -> str | None:
    """Return what a text in this language is detected as; None if it cannot be detected."""
    return _DETECTED.get(name)
