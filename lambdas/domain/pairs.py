"""Raw question-and-answer pairs, recognised by the names that people give to their two halves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

# In order of preference, where an object holds several.
_KEYS = (
    ("question", "answer"),
    ("question", "reference_answer"),
    ("question", "expected_answer"),
    ("question", "response"),
    ("question", "completion"),
    ("query", "answer"),
    ("query", "response"),
    ("prompt", "completion"),
    ("prompt", "response"),
    ("prompt", "answer"),
    ("prompt", "referenceResponse"),
    ("instruction", "output"),
    ("instruction", "response"),
    ("input", "output"),
    ("input", "target"),
    ("sentence1", "sentence2"),
    ("user", "assistant"),
    ("q", "a"),
)
RECOGNISED = ", ".join(f"{question}/{answer}" for question, answer in _KEYS)


class PairInvalid(ValueError):
    """A raw pair cannot be read; says why."""


@dataclass(frozen=True)
class Pair:
    """One question and its answer; the rest belongs to evaluation data only."""

    question: str
    answer: str
    id: str | None = None
    topic: str | None = None


def pair_keys(value: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return the object's own names of its question and its answer, whatever their case."""
    own = {str(key).lower(): key for key in value}
    for question, answer in _KEYS:
        if question in own and answer.lower() in own:
            return own[question], own[answer.lower()]
    return None


def read_pair(value: object) -> Pair:
    """Read one raw pair.

    Raises
    ------
    PairInvalid
        It is no object, names no known pair of keys, or one half is no text.
    """
    if not isinstance(value, dict):
        raise PairInvalid(f"it is no object but {type(value).__name__}")
    keys = pair_keys(value)
    if keys is None:
        seen = ", ".join(map(str, value)) or "none"
        raise PairInvalid(f"its keys are {seen}; recognised pairs of keys are {RECOGNISED}")
    question, answer = (_half(value, key) for key in keys)
    return Pair(
        _with_context(question, value, keys),
        answer,
        _label(value, ("id",)),
        _label(value, ("topic", "category")),
    )


def _half(value: Mapping[str, Any], key: str) -> str:
    text = value[key]
    if not isinstance(text, str) or not text.strip():
        raise PairInvalid(f"{key} is no text, or blank")
    return text.strip()


def _with_context(question: str, value: Mapping[str, Any], keys: tuple[str, str]) -> str:
    """Append what an instruction works on: instruction/input/output data keeps it in `input`."""
    context = value.get("input")
    if keys[0].lower() != "instruction" or not isinstance(context, str) or not context.strip():
        return question
    return f"{question}\n\n{context.strip()}"


def _label(value: Mapping[str, Any], names: Iterable[str]) -> str | None:
    for name in names:
        label = value.get(name)
        if isinstance(label, str | int) and not isinstance(label, bool) and str(label).strip():
            return str(label).strip()
    return None
