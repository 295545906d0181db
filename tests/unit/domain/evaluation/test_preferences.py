from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from lambdas.domain.evaluation.preferences import (
    ComparedAnswers,
    prefer,
    preferences_of,
)
from lambdas.domain.evaluation.prompt_files import preference
from lambdas.domain.evaluation.rubrics import OutOfSchema, ToolCall

JUDGED = [
    {
        "id": f"q-{number}",
        "question": "What?",
        "reference_answer": "That.",
        "base": {"answer": f"base {number}", "outcome": "answered"},
        "tuned": {"answer": f"tuned {number}", "outcome": "answered"},
    }
    for number in range(6)
]


class Kept:
    """A record file in memory."""

    key = uri = "judgements.jsonl"

    def __init__(self) -> None:
        self.records: dict[str, dict[str, Any]] = {}

    def read(self) -> list[dict[str, Any]]:
        return [*self.records.values()]

    def keep(self, name: str, record: dict[str, Any]) -> None:
        self.records[name] = record

    def write(self, records: object) -> None:
        raise AssertionError(records)


def compared(choose: Callable[[str], object], judged: list[dict[str, Any]] = JUDGED) -> Any:
    def call(message: str) -> ToolCall:
        return ToolCall("tool_use", {"better": choose(message), "reason": "x"}, 10, 5)

    found = prefer(judged, file=Kept(), tool=preference("en"), call=call, may_begin=lambda: True)
    assert found.done
    return preferences_of(
        {**each, "preferences": {side: found.records.get((each["id"], side)) for side in SIDES}}
        for each in judged
    )


SIDES = ("base", "tuned")


def the_tuned(message: str) -> str:
    return "first" if re.search("<first_answer-[0-9a-f]{8}>tuned", message) else "second"


def test_a_side_is_preferred_in_both_orders() -> None:
    found = compared(the_tuned)
    assert (found.questions, found.tuned, found.base, found.neither) == (6, 6, 0, 0)
    assert (found.first, found.second) == (6, 6)


@pytest.mark.parametrize("position", ["first", "second"])
def test_a_judge_that_goes_by_position_prefers_neither(position: str) -> None:
    found = compared(lambda _: position)
    assert (found.tuned, found.base, found.neither) == (0, 0, 6)
    assert getattr(found, position) == 12, "and it shows"


def test_equal_is_neither() -> None:
    assert compared(lambda _: " Equal").neither == 6


def test_a_judge_that_gives_none_is_no_failure() -> None:
    assert compared(lambda _: "both").questions == 0


def test_no_answer_is_not_compared() -> None:
    empty = {**JUDGED[0], "tuned": {"answer": "", "outcome": "empty"}}
    failed = {**JUDGED[1], "base": {"error": "Throttled"}}
    assert compared(the_tuned, [empty, failed, *JUDGED[2:]]).questions == 4


def test_the_judge_does_not_learn_the_side() -> None:
    texts = {"question": "Q", "reference_answer": "R", "first_answer": "x", "second_answer": "x"}
    messages = {ComparedAnswers(id="1", first_side=side, **texts).message for side in SIDES}
    assert len(messages) == 1


@pytest.mark.parametrize("given", [None, {}, {"better": None}, {"better": "third"}])
def test_what_leaves_the_schema_is_refused(given: object) -> None:
    with pytest.raises(OutOfSchema):
        preference("en").parse(given)
