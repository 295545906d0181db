from __future__ import annotations

import math
from typing import get_args

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.domain.evaluation.prompt_files import Language, correctness, preference, review
from lambdas.domain.evaluation.rubrics import OutOfSchema, Tool, again, fenced
from lambdas.validation.formats.tokens import estimated_tokens

CORRECTNESS = correctness("en")
PROMPTS: list[Tool] = [
    prompt(language)
    for prompt in (correctness, preference, review)
    for language in get_args(Language)
]
SCHEMA = jsonschema.Draft202012Validator(CORRECTNESS.tool_schema)


@pytest.mark.parametrize(
    "tool_input",
    [
        None,
        "8",
        {},
        {"score": 0, "reason": "x"},
        {"score": 11, "reason": "x"},
        {"score": 7.5, "reason": "x"},
        {"score": True, "reason": "x"},
        {"score": math.nan, "reason": "x"},
        {"score": math.inf, "reason": "x"},
        {"score": 10**400, "reason": "x"},
        {"score": None, "reason": "x"},
        {"score": "-3", "reason": "x"},
        {"score": "8 or 9", "reason": "x"},
        {"score": "8/100", "reason": "x"},
        {"score": "9.5", "reason": "x"},
    ],
)
def test_scores_out_of_schema(tool_input: object) -> None:
    with pytest.raises(OutOfSchema):
        CORRECTNESS.parse(tool_input)


@pytest.mark.parametrize("tool", PROMPTS, ids=lambda tool: tool.name)
def test_a_schema_has_only_what_every_family_documents(tool: Tool) -> None:
    assert {*tool.tool_schema} == {"type", "properties", "required"}


def test_what_a_judge_adds_is_ignored() -> None:
    added = {"score": 8, "reason": "x", "confidence": "high"}
    SCHEMA.validate(added)
    assert CORRECTNESS.parse(added) == {"score": 8, "reason": "x"}


@given(st.integers(1, 10), st.text())
def test_every_score_in_the_schema_is_read(score: int, text: str) -> None:
    given_input = {"score": score, "reason": text}
    SCHEMA.validate(given_input)
    reason = text.strip() or "The judge gave no reason."
    assert CORRECTNESS.parse(given_input) == {"score": score, "reason": reason}
    assert CORRECTNESS.parse({"score": float(score), "reason": text})["score"] == score
    for written in (f" {score} ", f"{score}.0", f"{score}/10", f"{score}.00 / 10"):
        assert CORRECTNESS.parse({"score": written})["score"] == score


def test_a_fence_that_a_text_holds_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever knew the digits of their own text could close it."""
    first = fenced({"answer": "x"})[len("<answer-") :][:8]
    digests = iter([first, "feedf00d"])

    class Digest:
        def hexdigest(self) -> str:
            return next(digests)

    monkeypatch.setattr("lambdas.domain.evaluation.rubrics.sha256", lambda _: Digest())
    assert fenced({"answer": f"x{first.upper()}"}).startswith("<answer-feedf00d>")


def test_the_estimate_holds_the_second_request_too() -> None:
    message, complaint = fenced({"answer": "x"}), "score is 11, " * 100
    asked = estimated_tokens((CORRECTNESS.system_prompt, again(message, complaint)))
    assert CORRECTNESS.most_input_tokens(message) >= asked
