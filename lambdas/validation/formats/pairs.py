"""Raw question-and-answer pairs, recognised by the usual names of their two keys."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

# In order of preference, if an object has several.
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
    """A raw pair cannot be read; the message says why."""


@dataclass(frozen=True)
class Keys:
    """The keys of an object's parts; None: the usual names."""

    prompt: str | None = None
    completion: str | None = None
    system: str | None = None
    id: str | None = None
    topic: str | None = None


USUAL = Keys()


@dataclass(frozen=True)
class Labels:
    """What an object says beside its question and answer, or its conversation."""

    system: str | None
    id: str | None
    topic: str | None
    keys: tuple[str, ...]  # that these were read from


@dataclass(frozen=True)
class RawPair:
    """One question and its answer, unchanged."""

    question: str
    answer: str
    system: str | None = None
    id: str | None = None
    topic: str | None = None
    ignored: tuple[str, ...] = ()  # keys that were not read


def pair_keys(value: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return the object's keys of its question and answer, in the object's own case."""
    own = {str(key).lower(): key for key in value}
    for question, answer in _KEYS:
        if question in own and answer.lower() in own:
            return own[question], own[answer.lower()]
    return None


def read_pair(value: object, keys: Keys = USUAL) -> RawPair:
    """Read one raw pair; texts are unchanged.

    Raises
    ------
    PairInvalid
        It is not an object, has no known pair of keys, or a text is missing or blank.
    """
    if not isinstance(value, dict):
        raise PairInvalid(f"it is not an object but {type(value).__name__}")
    own = _keys_of(value, keys)
    labels = read_labels(value, keys)
    question, answer = (_half(value, key) for key in own)
    context = _context(value, own[0])
    used = {*own, *labels.keys, *([_CONTEXT] if context else [])}
    return RawPair(
        f"{question}\n\n{context}" if context else question,
        answer,
        labels.system,
        labels.id,
        labels.topic,
        tuple(str(key) for key in value if key not in used),
    )


def read_labels(value: Mapping[str, Any], keys: Keys = USUAL) -> Labels:
    """Read system prompt, id and topic; None for what is absent or blank."""
    system = next(_texts(value, (keys.system,) if keys.system else _SYSTEM), None)
    label = next(_texts(value, (keys.id,) if keys.id else _ID), None)
    topic = next(_texts(value, (keys.topic,) if keys.topic else _TOPIC), None)
    found = filter(None, (system, label, topic))
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
        raise PairInvalid(f"{key} is not a text, or is blank")
    return text


def _context(value: Mapping[str, Any], question_key: str) -> str | None:
    """Return the context of an instruction: instruction/input/output data has it in `input`."""
    context = value.get(_CONTEXT) if question_key.lower() == _CONTEXT_OF else None
    return context if isinstance(context, str) and context.strip() else None


def _texts(value: Mapping[str, Any], names: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    for name in names:
        label = value.get(name)
        if isinstance(label, str | int) and not isinstance(label, bool) and str(label).strip():
            yield name, str(label)
