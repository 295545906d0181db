from __future__ import annotations

import math

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.domain.data_review.tasks import TRAINING_QUALITY
from lambdas.domain.evaluation.judge import CORRECTNESS
from lambdas.domain.evaluation.rubrics import Assessment, OutOfSchema, Rubric

SCHEMA = jsonschema.Draft202012Validator(CORRECTNESS.tool_schema)


@pytest.mark.parametrize(
    "tool_input",
    [
        None,
        "8",
        {},
        {"score": 8},
        {"score": 0, "reason": "x"},
        {"score": 11, "reason": "x"},
        {"score": 7.5, "reason": "x"},
        {"score": True, "reason": "x"},
        {"score": math.nan, "reason": "x"},
        {"score": math.inf, "reason": "x"},
        {"score": None, "reason": "x"},
        {"score": "-3", "reason": "x"},
        {"score": 8, "reason": None},
    ],
)
def test_scores_out_of_schema(tool_input: object) -> None:
    with pytest.raises(OutOfSchema):
        CORRECTNESS.parse(tool_input)


@pytest.mark.parametrize("rubric", [CORRECTNESS, TRAINING_QUALITY])
def test_a_schema_has_only_what_every_family_documents(rubric: Rubric) -> None:
    assert {*rubric.tool_schema} == {"type", "properties", "required"}


def test_what_a_judge_adds_is_ignored() -> None:
    added = {"score": 8, "reason": "x", "confidence": "high"}
    SCHEMA.validate(added)
    assert CORRECTNESS.parse(added) == Assessment({"score": 8}, "x")


@given(st.integers(1, 10), st.text())
def test_every_score_in_the_schema_is_read(score: int, text: str) -> None:
    given_input = {"score": score, "reason": text}
    SCHEMA.validate(given_input)
    assert CORRECTNESS.parse(given_input) == Assessment({"score": score}, text.strip())
    assert CORRECTNESS.parse({"score": float(score), "reason": text}).score == score
    assert CORRECTNESS.parse({"score": f" {score} ", "reason": text}).score == score
