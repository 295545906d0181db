"""Reads raw pairs of a question and an answer, and what else stands beside a conversation."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lambdas.domain.models.lookup import nearest
from lambdas.validation import Turn
from lambdas.validation.formats.conversation import ROLES
from lambdas.validation.formats.pairs import RECOGNISED, own_keys, pair_keys
from lambdas.validation.jsonl.display import shortened

SYSTEM = ("system", "system_prompt", "システム", "システムプロンプト")
ID = ("id", "番号")
TOPIC = ("topic", "category", "トピック", "カテゴリ", "カテゴリー", "分類")
_CONTEXT = (
    *("context", "contexts", "passage", "passages", "input"),
    *("文脈", "コンテキスト", "背景", "背景情報", "本文", "入力"),
)
_HISTORY = ("history", "履歴", "会話履歴")
REASONING = ("reasoning_content", "reasoning", "thinking", "思考", "推論")


class RecordInvalid(ValueError):
    """A value is not a record that can be read; says which part of it, and why."""


@dataclass(frozen=True)
class Keys:
    """The keys of an object's parts, with what each part is; None: the usual names."""

    prompt: str | None = field(default=None, metadata={"of": "question"})
    completion: str | None = field(default=None, metadata={"of": "answer"})
    context: str | None = field(default=None, metadata={"of": "passage that a question is about"})
    system: str | None = field(default=None, metadata={"of": "system prompt of a record"})
    id: str | None = field(default=None, metadata={"of": "id of an example"})
    topic: str | None = field(default=None, metadata={"of": "topic"})


USUAL = Keys()


@dataclass
class Reading:
    """An object, what was read of it so far, and what was not."""

    value: Mapping[str, Any]
    keys: Keys = USUAL
    used: set[str] = field(default_factory=set)  # keys of the object
    ignored: list[str] = field(default_factory=list)  # paths below keys that were used

    def unread(self) -> tuple[str, ...]:
        """Return the paths that nothing was read from, but not those of blank values."""
        unused = (key for key, value in self.value.items() if not is_blank(value))
        own = (str(key) for key in unused if key not in self.used)
        return (*own, *dict.fromkeys(self.ignored))

    def ignore(self, path: str, value: Mapping[str, Any], used: Collection[str]) -> None:
        """Note the keys of an object below that are not used, whatever its place in a list."""
        place = re.sub(r"\[\d+\]", "[]", path)
        self.ignored += (
            f"{place}.{key}" for key in value if key not in used and not is_blank(value[key])
        )

    def find(
        self, names: Sequence[str], own: str | None = None, types: Collection[type] = ()
    ) -> Iterator[tuple[str, Any]]:
        """Read what the object has under its own or the usual names, is not blank, of any type."""
        for key in [own] if own else own_keys(self.value, names):
            value = self.value.get(key)
            is_fit = not is_blank(value) and (not types or type(value) in types)
            if is_fit and (own or key not in self.used):
                self.used.add(key)
                yield key, value

    def label(self, names: Sequence[str], own: str | None) -> str | None:
        """Read a text or number under the given key, else under the first of the usual names."""
        return next((str(label) for _, label in self.find(names, own, {str, int})), None)


def is_blank(value: object) -> bool:
    """Say whether a value says nothing: null, an empty list or object, or blank text."""
    return value is None or value in ([], {}) or (isinstance(value, str) and not value.strip())


def read_pair(reading: Reading) -> tuple[Turn, ...]:
    """Read the turns of a pair: those of its history, its question with its context, its answer.

    Texts are unchanged.

    Raises
    ------
    RecordInvalid
        It has no known pair of keys, or a text is missing or blank.
    """
    question_key, answer_key = _pair_keys(reading.value, reading.keys)
    reading.used |= {question_key, answer_key}
    question = _text(reading.value[question_key], question_key)
    answer = _answer(answer_key, reading)
    contexts = [*_contexts(reading)]
    key, reasoning = next(reading.find(REASONING), (None, None))
    return (
        *_history(reading),
        Turn("user", "\n\n".join([question, *contexts])),
        Turn("assistant", answer, _text(reasoning, key) if key else None),
    )


def _pair_keys(value: Mapping[str, Any], keys: Keys) -> tuple[str, str]:
    if keys.prompt and keys.completion:
        return _given(value, keys.prompt), _given(value, keys.completion)
    recognised = pair_keys(value)
    if recognised is None:
        raise RecordInvalid(
            f"{_its_keys(value)}; recognised pairs of keys are {RECOGNISED}; for others, give "
            "--prompt-key and --completion-key"
        )
    return recognised


def _given(value: Mapping[str, Any], key: str) -> str:
    if key in value:
        return key
    guess = nearest(key, map(str, value))
    hint = f"did you mean {guess!r}? " if guess else ""
    raise RecordInvalid(f"no key {key!r}: {hint}{_its_keys(value)}")


def _its_keys(value: Mapping[str, Any]) -> str:
    return f"its keys are {shortened(', '.join(map(str, value))) or 'none'}"


def _text(text: object, path: str) -> str:
    if not isinstance(text, str) or is_blank(text):
        raise RecordInvalid(f"{path} is not a text, or is blank")
    return text


def _answer(key: str, reading: Reading) -> str:
    """Read an answer, or the first of several: SQuAD has a list of objects, or an object of lists.

    https://huggingface.co/datasets/rajpurkar/squad_v2, read 2026-11-28.
    """
    answers, path = reading.value[key], key
    if isinstance(answers, dict) and "text" in answers:
        reading.ignore(key, answers, ("text",))
        answers, path = answers["text"], f"{key}.text"
    if not isinstance(answers, list):
        return _text(answers, path)
    texts = [each.get("text") if isinstance(each, dict) else each for each in answers]
    for each in answers:
        if isinstance(each, dict):
            reading.ignore(f"{path}[]", each, ("text",))
    if any(text != texts[0] for text in texts):
        reading.ignored.append(f"{path}[1:]")
    return _text(texts[0] if texts else None, path)


def _contexts(reading: Reading) -> Iterator[str]:
    for key, context in reading.find(_CONTEXT, reading.keys.context):
        for text in context if isinstance(context, list) else [context]:
            if not is_blank(text):
                yield _text(text, key)


def _history(reading: Reading) -> Iterator[Turn]:
    """Read earlier turns as Alpaca has them: a list of pairs, each a question and its answer."""
    for key, history in reading.find(_HISTORY):
        for at, turns in enumerate(history if isinstance(history, list) else [history]):
            path = f"{key}[{at}]"
            if not isinstance(turns, list) or len(turns) != len(ROLES):
                raise RecordInvalid(f"{path} is not a question and its answer")
            for role, text in zip(ROLES, turns, strict=True):
                yield Turn(role, _text(text, path))
