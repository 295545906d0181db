"""Pairs by the names of their keys: question, context, history and answer, and what is no pair."""

from __future__ import annotations

from typing import Any

import pytest

from dataset.sources.pairs import USUAL, Keys, Reading, RecordInvalid, is_blank, read_pair


def read(value: dict[str, Any], keys: Keys = USUAL) -> tuple[list[str], tuple[str, ...]]:
    """Return the texts of the turns, and the keys that nothing was read from."""
    reading = Reading(value, keys)
    return [turn.text for turn in read_pair(reading)], reading.unread()


@pytest.mark.parametrize(
    "keys",
    [
        *(("question", "answer"), ("Question", "Answer"), ("query", "response")),
        *(("sentence1", "sentence2"), ("prompt", "completion"), ("prompt", "referenceResponse")),
        *(("instruction", "output"), ("input", "output"), ("input", "target"), ("q", "a")),
        *(("problem", "solution"), ("input_text", "output_text"), ("user", "assistant")),
        *(("question", "Reference Answer"), ("question", "expected-answer")),
        *(("質問", "回答"), ("問い", "答え"), ("問題", "解答"), ("指示", "出力"), ("入力", "出力")),
        *(("\uff31", "\uff21"), ("質問文", "回答文"), ("プロンプト", "応答")),
    ],
    ids="/".join,
)
def test_pairs_are_recognised(keys: tuple[str, str]) -> None:
    assert read(dict(zip(keys, ("Q", "A"), strict=True))) == (["Q", "A"], ())


@pytest.mark.parametrize(
    "value",
    [
        {"question": "Q", "context": "C", "answer": "A"},
        {"instruction": "Q", "input": "C", "output": "A"},
        {"question": "Q", "passages": ["C"], "answer": "A"},
        {"question": "Q", "contexts": ["C", " "], "input": "", "answer": "A"},
        {"質問": "Q", "文脈": "C", "回答": "A"},
        {"指示": "Q", "入力": "C", "出力": "A"},
        {"question": "Q", "context": "C", "answers": {"text": ["A", "A"], "answer_start": []}},
    ],
    ids=str,
)
def test_what_a_question_is_about_joins_it(value: dict[str, Any]) -> None:
    assert read(value)[0] == ["Q\n\nC", "A"]


def test_a_given_key_of_the_context_stands_over_the_usual_ones() -> None:
    value = {"question": "Q", "context": "C", "law": "L", "answer": "A"}
    assert read(value, Keys(context="law")) == (["Q\n\nL", "A"], ("context",))


def test_the_first_of_several_answers_is_read_and_the_others_named() -> None:
    answers = [{"text": "A", "answer_start": 1}, {"text": "B", "answer_start": 2}]
    value = {"question": "Q", "answers": answers, "is_impossible": False}
    assert read(value) == (
        ["Q", "A"],
        ("is_impossible", "answers[].answer_start", "answers[1:]"),
    )


def test_history_becomes_turns() -> None:
    value = {"instruction": "Q", "input": "C", "output": "A", "history": [["q", "a"], ["r", "b"]]}
    assert read(value) == (["q", "a", "r", "b", "Q\n\nC", "A"], ())
    assert read({**value, "history": []})[0] == ["Q\n\nC", "A"]


def test_blank_keys_are_not_named() -> None:
    value = {"question": "Q", "answer": "A", "note": " ", "tags": [], "more": None, "n": 0}
    assert read(value)[1] == ("n",)
    assert not is_blank(value={"a": 1})


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ({"ask": "Q", "reply": "A"}, "its keys are ask, reply; recognised"),
        ({}, "its keys are none"),
        ({"question": "Q", "answer": None}, "answer is not a text, or is blank"),
        ({"question": "", "answer": "A"}, "question is not a text, or is blank"),
        ({"question": "Q", "answers": {"text": []}}, r"answers\.text is not a text, or is blank"),
        ({"question": "Q", "context": {"a": "b"}, "answer": "A"}, "context is not a text"),
        ({"q": "Q", "a": "A", "history": [["only"]]}, r"history\[0\] is not a question and its"),
        ({"q": "Q", "a": "A", "history": [["q", ""]]}, r"history\[0\] is not a text"),
    ],
    ids=str,
)
def test_what_is_no_pair(value: dict[str, Any], says: str) -> None:
    with pytest.raises(RecordInvalid, match=says):
        read(value)
