"""Field paths of a record's texts, by kind of file and record format."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, get_args

from lambdas.domain.models.model import RecordFormat
from lambdas.validation.formats.conversation import PAIR_KEYS

FileKind = Literal["training", "validation", "evaluation", "general"]
FILE_KINDS: tuple[FileKind, ...] = get_args(FileKind)
ASKED: tuple[FileKind, ...] = ("evaluation", "general")  # of questions, which nothing trains on
FieldOf = Callable[[int], str]  # field path of a turn, by its position

_EXAMPLE = ("question", "reference_answer")


def content_of(at: int) -> str:
    """Return the path of a message's text."""
    return f"messages[{at}].content"


def field_of(kind: FileKind, record_format: RecordFormat) -> FieldOf:
    """Return the function that names the field of each turn."""
    if kind in ASKED:
        return _EXAMPLE.__getitem__
    return PAIR_KEYS.__getitem__ if record_format == "prompt-completion" else content_of
