"""What the base model is shown before each question: few, short, evenly spread, the same."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.domain.errors import DatasetInvalid
from lambdas.domain.evaluation.few_shot import (
    EXAMPLES,
    FIRST_RECORDS,
    MOST_TOKENS,
    choose_examples,
    turns_of,
)
from lambdas.domain.models.catalogue import MODELS
from lambdas.domain.models.lookup import find_model
from lambdas.validation import make_record
from lambdas.validation.formats.conversation import (
    Conversation,
    Turn,
    make_conversation,
)
from lambdas.validation.formats.tokens import estimated_tokens

HAIKU = find_model("claude-3-haiku")


def records(count: int, answer: str = "Yes.") -> list[dict[str, Any]]:
    return [make_record("claude-messages", "S", f"Question {n}?", answer) for n in range(count)]


def asked(found: list[dict[str, Any]]) -> list[str]:
    return [turn.text for turn in choose_examples(found, HAIKU).turns if turn.role == "user"]


def test_they_are_evenly_spread_over_the_first_records() -> None:
    assert asked(records(40)) == [f"Question {n}?" for n in (0, 8, 16, 24, 32)]
    assert asked(records(3)) == [f"Question {n}?" for n in range(3)]
    assert asked(records(10_000)) == [f"Question {n}?" for n in (0, 100, 200, 300, 400)]


def test_long_ones_are_left_out() -> None:
    found = records(20)
    found[4:20] = records(20, "word " * 2_000)[4:20]
    assert asked(found) == [f"Question {n}?" for n in range(4)]
    with pytest.raises(DatasetInvalid, match="none of the first 500 training records has 1,000"):
        choose_examples(records(9, "word " * 2_000), HAIKU)


@given(st.lists(st.integers(0, 3_000), min_size=1, max_size=30))
def test_together_they_never_take_more_than_so_many_tokens(letters: list[int]) -> None:
    found = [make_record("claude-messages", None, "Why?", "é" * each + "!") for each in letters]
    try:
        shown = choose_examples(found, HAIKU)
    except DatasetInvalid:
        return
    assert 0 < shown.examples <= EXAMPLES
    assert shown.tokens == estimated_tokens([each.text for each in shown.turns])
    assert shown.tokens < EXAMPLES * (MOST_TOKENS + 1)


@pytest.mark.parametrize("key", sorted(MODELS))
def test_every_format_can_be_shown(key: str) -> None:
    model = find_model(key)
    record = make_record(model.record_format, None, "Who?", "She.")
    assert turns_of(choose_examples([record], model)) == (
        Turn("user", "Who?"),
        Turn("assistant", "She."),
    )


def test_a_conversation_is_shown_whole_and_what_was_thought_is_not() -> None:
    turns = (
        Turn("user", "Who?"),
        Turn("assistant", "She."),
        Turn("user", "Why?"),
        Turn("assistant", "Because.", reasoning="I wonder."),
    )
    record = make_conversation("converse", Conversation("S", turns))
    shown = turns_of(choose_examples([record], find_model("nova-2-lite")))
    assert [turn.text for turn in shown] == ["Who?", "She.", "Why?", "Because."]


def test_no_more_is_read_than_is_needed() -> None:
    read = iter(records(FIRST_RECORDS + 10))
    choose_examples(read, HAIKU)
    assert len([*read]) == 10
