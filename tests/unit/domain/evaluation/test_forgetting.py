from __future__ import annotations

from typing import Any

import pytest

from lambdas.domain.evaluation.forgetting import forgetting_of
from lambdas.domain.evaluation.metrics import ExactMatch, JsonSchema, Judged
from lambdas.domain.evaluation.results import as_general
from lambdas.domain.run.contracts import Forgetting
from lambdas.validation.formats.answer_schema import AnswerSchema
from tests.factories import run


def general(number: int, base: int | None, tuned: int | None, key: str = "score") -> dict[str, Any]:
    sides = {"base": base, "tuned": tuned}
    said = {side: {} if score is None else {key: score} for side, score in sides.items()}
    return {**as_general({"id": f"g-{number}"}), **said, "label": "x"}


def forgotten(
    pairs: list[tuple[int | None, int | None]], aside: tuple[str, ...] = ()
) -> Forgetting:
    results = [general(number, *pair) for number, pair in enumerate(pairs)]
    found = forgetting_of(run(), results, aside, Judged())
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("pairs", "outcome", "begins"),
    [
        ([(9, 3)] * 24, "worse", "It has forgotten: its answers to general questions got"),
        ([(9, 3)] * 4, "not decisive", "It may have forgotten"),
        ([(9, 9)] * 24, "no difference shown", ""),
        ([(3, 9)] * 24, "better", ""),
        # The failed ones are all of one side: leaving them out must not help it.
        ([(9, 9)] * 12 + [(9, None)] * 12, "not decisive", "It may have forgotten: too many"),
        ([(9, 9)] * 23 + [(9, None)], "no difference shown", ""),
        # Lower by less than the margin.
        ([(9, 9)] * 23 + [(9, 8)], "no difference shown", ""),
    ],
)
def test_a_drop_beyond_the_margin_has_a_sentence(
    pairs: list[tuple[int | None, int | None]], outcome: str, begins: str
) -> None:
    found = forgotten(pairs)
    assert found.outcome == outcome
    assert found.sentence.startswith(begins)
    assert bool(found.sentence) is bool(begins)
    scored = sum(None not in pair for pair in pairs)
    assert f"Over {scored} general questions the tuned model scores" in found.reason


def test_what_is_set_aside_or_lacks_a_score_is_counted_apart() -> None:
    found = forgotten([(9, 9)] * 6 + [(9, 1), (9, None)], aside=("g-6",))
    assert (found.questions, found.set_aside, found.missing) == (6, 1, 1)
    assert found.difference == 0
    assert found.reason.endswith("1 more lack a score. 1 more are set aside.")


def test_without_general_questions_nothing_is_said() -> None:
    assert forgetting_of(run(), [], (), Judged()) is None


def test_without_a_score_of_both_nothing_is_measured() -> None:
    found = forgotten([(None, 9)] * 8)
    assert (found.questions, found.difference, found.sentence) == (0, None, "")


def test_where_no_judge_is_asked_general_answers_have_to_be_the_references() -> None:
    schema = AnswerSchema.parse(b"{}")
    results = [general(number, 1, 0, ExactMatch.name) for number in range(24)]
    found = forgetting_of(run(metric="json-schema"), results, (), JsonSchema(schema))
    assert found is not None
    assert (found.metric, found.outcome, found.difference) == ("exact-match", "worse", -1)


def test_answers_that_are_never_the_reference_show_nothing_and_that_is_said() -> None:
    results = [general(number, 0, 0, ExactMatch.name) for number in range(24)]
    found = forgetting_of(run(metric="exact-match"), results, (), ExactMatch())
    assert found is not None
    assert found.reason.startswith("Neither model gives a reference answer verbatim")
