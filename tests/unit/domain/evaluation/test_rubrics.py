from __future__ import annotations

import math

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.domain.evaluation.judge import CORRECTNESS
from lambdas.domain.evaluation.rubrics import Assessment, OutOfSchema

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


@given(st.integers(1, 10), st.text())
def test_every_score_in_the_schema_is_read(score: int, text: str) -> None:
    given_input = {"score": score, "reason": text}
    SCHEMA.validate(given_input)
    assert CORRECTNESS.parse(given_input) == Assessment({"score": score}, text.strip())
    assert CORRECTNESS.parse({"score": float(score), "reason": text}).score == score
    assert CORRECTNESS.parse({"score": f" {score} ", "reason": text}).score == score
