"""What the judge is asked about a training record."""

from __future__ import annotations

import json
import re

import pytest

from lambdas.domain.data_review.tasks import (
    CRITERIA,
    ReviewTask,
    fingerprint,
    most_input_tokens,
)
from lambdas.domain.evaluation.prompt_files import review
from lambdas.domain.evaluation.rubrics import OutOfSchema
from lambdas.domain.models.lookup import find_model
from tests.unit.domain.data_review.made_up_records import GOOD


def test_the_judge_sees_system_prompt_prompt_and_answer() -> None:
    turns = ("user", "Hi?"), ("assistant", "Hello."), ("user", "And?"), ("assistant", "Bye.")
    messages = [{"role": role, "content": text} for role, text in turns]
    record = {"system": "Be brief.", "messages": messages}
    task = ReviewTask.of(3, record, find_model("claude-3-haiku"))
    assert task
    assert task.line == 3
    asked = re.sub("-[0-9a-f]{8}>", ">", task.message)
    assert "<system_prompt>Be brief.</system_prompt>" in asked
    assert "<prompt>user: Hi?\n\nassistant: Hello.\n\nuser: And?</prompt>" in asked
    assert asked.endswith("<answer>Bye.</answer>")


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (None, "did not call record_review"),
        ({**GOOD, "clear": 11}, "clear is 11"),
        ({**GOOD, "grounded": "high"}, "grounded is not a whole number"),
        ({**GOOD, "consistent": None}, "consistent is not a whole number"),
    ],
)
def test_what_leaves_the_schema_is_refused(wrong: object, says: str) -> None:
    with pytest.raises(OutOfSchema, match=says):
        review("en").parse(wrong)


def test_a_record_is_as_good_as_its_worst_side() -> None:
    found = review("en").parse({**GOOD, "clear": "4", "correct": 9.0})
    assert found["scores"] == {"correct": 9, "grounded": 8, "clear": 4, "consistent": 9}
    assert found["score"] == 4


def test_the_schema_asks_for_the_four_scores_and_the_reason() -> None:
    assert set(review("en").tool_schema["required"]) == {*CRITERIA, "reason"}


def test_the_estimate_covers_all_that_is_sent() -> None:
    task = ReviewTask(1, "Be brief.", "日本語の質問" * 50, "答え" * 50)
    rubric = task.rubric
    sent = rubric.system_prompt + json.dumps(rubric.tool_schema) + task.message
    assert most_input_tokens(task) > len(sent) / 4 + 340  # Anthropic's words for a tool
    longer = ReviewTask(1, "Be brief.", "日本語の質問" * 100, "答え" * 50)
    assert most_input_tokens(longer) > most_input_tokens(task)


def test_a_fingerprint_names_judge_and_record_but_not_the_line() -> None:
    task = ReviewTask(1, None, "a", "b")
    assert fingerprint("nova-pro", task) == fingerprint("nova-pro", ReviewTask(9, None, "a", "b"))
    others = [ReviewTask(1, "s", "a", "b"), ReviewTask(1, None, "a", "c")]
    names = {fingerprint("nova-pro", each) for each in (task, *others)}
    assert len(names | {fingerprint("claude-haiku-4-5", task)}) == 4
