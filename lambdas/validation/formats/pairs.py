"""Recognises raw question-and-answer pairs by the usual names of their two keys."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from itertools import product
from typing import Any

# An object may have several: these come first, then the first question with the first answer.
_PAIRS = (
    ("prompt", "completion"),
    ("instruction", "output"),
    ("sentence1", "sentence2"),
    ("user", "assistant"),
    ("q", "a"),
)
_QUESTION_NAMES = """question query prompt instruction problem input_text input human
質問 質問文 質問内容 問 問い 問い合わせ 問題 設問 指示 プロンプト 入力"""
_ANSWER_NAMES = """answer answers response completion output solution target output_text
reference_answer expected_answer referenceresponse reply
回答 回答文 回答内容 答え 答 解答 応答 返答 返信 正解 出力"""
_QUESTIONS, _ANSWERS = _QUESTION_NAMES.split(), _ANSWER_NAMES.split()
RECOGNISED = (
    "question/answer, query/response, prompt/completion, instruction/output, input/output, "
    "sentence1/sentence2, 質問/回答 and similar"
)


def pair_keys(value: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return the object's keys of its question and answer, in the object's own writing."""
    own = {plain_key(str(key)): key for key in value}
    for question, answer in (*_PAIRS, *product(_QUESTIONS, _ANSWERS)):
        if question in own and answer in own:
            return own[question], own[answer]
    return None


def own_keys(value: Mapping[str, Any], names: Iterable[str]) -> Iterator[str]:
    """Yield the object's keys of these names, in the order of the names."""
    own = {plain_key(str(key)): key for key in value}
    return (own[name] for name in names if name in own)


def plain_key(key: str) -> str:
    """Return a key without differences of case, width and separators."""
    return re.sub(r"[\s-]+", "_", unicodedata.normalize("NFKC", key).casefold()).strip("_")
