"""What the texts of a record are called in its file, for findings to name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from lambdas.domain.models.catalogue import RecordFormat
from lambdas.validation.formats.conversation import PAIR_KEYS

Kind = Literal["training", "validation", "evaluation"]
FieldOf = Callable[[int], str]  # of a turn by its position

_EXAMPLE = ("question", "reference_answer")


def content_of(at: int) -> str:
    """Return the path of a message's text."""
    return f"messages[{at}].content"


def field_of(kind: Kind, record_format: RecordFormat) -> FieldOf:
    """Return what names the field of each turn in files of a kind and format."""
    if kind == "evaluation":
        return _EXAMPLE.__getitem__
    return PAIR_KEYS.__getitem__ if record_format == "prompt-completion" else content_of
