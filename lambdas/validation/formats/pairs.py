"""Raw question-and-answer pairs, recognised by the names that people give to their two halves."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
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
_SYSTEM, _ID, _TOPIC = ("system", "system_prompt"), ("id",), ("topic", "category")
_CONTEXT_OF, _CONTEXT = "instruction", "input"
RECOGNISED = ", ".join(f"{question}/{answer}" for question, answer in _KEYS)


class PairInvalid(ValueError):
    """A raw pair cannot be read; says why."""


@dataclass(frozen=True)
class Keys:
    """What an object calls its parts; None: by the names that people usually give."""

    prompt: str | None = None
    completion: str | None = None
    system: str | None = None
    id: str | None = None
    topic: str | None = None


USUAL = Keys()


@dataclass(frozen=True)
class Labels:
    """What stands beside a question and its answer, or beside a conversation."""

    system: str | None
    id: str | None
    topic: str | None
    keys: tuple[str, ...]  # where they were found


@dataclass(frozen=True)
class Pair:
    """One question and its answer, both as they stand in the object."""

    question: str
    answer: str
    system: str | None = None
    id: str | None = None
    topic: str | None = None
    ignored: tuple[str, ...] = ()  # keys that nothing was read from


def pair_keys(value: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return the object's own names of its question and its answer, whatever their case."""
    own = {str(key).lower(): key for key in value}
    for question, answer in _KEYS:
        if question in own and answer.lower() in own:
            return own[question], own[answer.lower()]
    return None


def read_pair(value: object, keys: Keys = USUAL) -> Pair:
    """Read one raw pair; its texts come unchanged.

    Raises
    ------
    PairInvalid
        It is no object, lacks a key, names no known pair of keys, or one half is no text.
    """
    if not isinstance(value, dict):
        raise PairInvalid(f"it is no object but {type(value).__name__}")
    own = _keys_of(value, keys)
    labels = read_labels(value, keys)
    question, answer = (_half(value, key) for key in own)
    context = _context(value, own[0])
    used = {*own, *labels.keys, *([_CONTEXT] if context else [])}
    return Pair(
        f"{question}\n\n{context}" if context else question,
        answer,
        labels.system,
        labels.id,
        labels.topic,
        tuple(str(key) for key in value if key not in used),
    )


def read_labels(value: Mapping[str, Any], keys: Keys = USUAL) -> Labels:
    """Read what stands beside the texts; what is absent or blank is None."""
    system = next(_texts(value, (keys.system,) if keys.system else _SYSTEM), None)
    label = next(_texts(value, (keys.id,) if keys.id else _ID), None)
    topic = next(_texts(value, (keys.topic,) if keys.topic else _TOPIC), None)
    found = [each for each in (system, label, topic) if each]
    return Labels(
        system and system[1],
        label and label[1].strip(),
        topic and topic[1].strip(),
        tuple(key for key, _ in found),
    )


def _keys_of(value: Mapping[str, Any], keys: Keys) -> tuple[str, str]:
    if keys.prompt and keys.completion:
        return _own_key(value, keys.prompt), _own_key(value, keys.completion)
    recognised = pair_keys(value)
    if recognised is None:
        seen = ", ".join(map(str, value)) or "none"
        raise PairInvalid(f"its keys are {seen}; recognised pairs of keys are {RECOGNISED}")
    return recognised


def _own_key(value: Mapping[str, Any], key: str) -> str:
    if key in value:
        return key
    guess = difflib.get_close_matches(key, map(str, value), n=1)
    hint = f"did you mean {guess[0]!r}? " if guess else ""
    raise PairInvalid(f"no key {key!r}: {hint}its keys are {', '.join(map(str, value)) or 'none'}")


def _half(value: Mapping[str, Any], key: str) -> str:
    text = value[key]
    if not isinstance(text, str) or not text.strip():
        raise PairInvalid(f"{key} is no text, or blank")
    return text


def _context(value: Mapping[str, Any], question_key: str) -> str | None:
    """Return what an instruction works on: instruction/input/output data keeps it in `input`."""
    context = value.get(_CONTEXT) if question_key.lower() == _CONTEXT_OF else None
    return context if isinstance(context, str) and context.strip() else None


def _texts(value: Mapping[str, Any], names: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    for name in names:
        label = value.get(name)
        if isinstance(label, str | int) and not isinstance(label, bool) and str(label).strip():
            yield name, str(label)
