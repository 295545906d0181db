"""What tuning was worth against each untuned model: nothing is left out that would favour it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.domain.evaluation.alternatives import Standing, doubts, standings
from lambdas.domain.evaluation.metrics import Judged
from lambdas.domain.run.contracts import OtherAnswers
from tests.factories import run

RUN = run(also_compare=["few-shot", "nova-lite"])
Said = int | str | None  # a score; an outcome that is no answer, or "not judged"; None: failed


def said(found: Said, *, latency_ms: int | None = 900, characters: int = 40) -> dict[str, Any]:
    if found is None:
        return {}
    tokens = {"asked_tokens": 110, "said_tokens": 70}
    told = {"latency_ms": latency_ms, "characters": characters, **tokens}
    if found == "not judged":
        return {"outcome": "answered", **told}
    if isinstance(found, str):
        return {"outcome": found, "score": 1, **told}
    return {"outcome": "answered", "score": found, **told}


def results(rows: Sequence[tuple[Said, Said, Said]]) -> list[dict[str, Any]]:
    """Return what is known of questions by (tuned, few-shot, nova-lite); the base scores 3."""
    return [
        {
            "id": f"q-{number}",
            "base": said(3),
            "tuned": said(tuned),
            "others": {"few-shot": said(few_shot), "nova-lite": said(lite)},
        }
        for number, (tuned, few_shot, lite) in enumerate(rows)
    ]


def found(
    rows: Sequence[tuple[Said, Said, Said]], aside: Sequence[str] = (), **changes: object
) -> dict[str, Standing]:
    the_run = run(**{"also_compare": ["few-shot", "nova-lite"], **changes})
    made = standings(the_run, results(rows), OtherAnswers(), aside, Judged())
    return {each.key: each for each in made}


def doubted(rows: Sequence[tuple[Said, Said, Said]], **changes: object) -> list[str]:
    the_run = run(**{"also_compare": ["few-shot", "nova-lite"], **changes})
    return [*doubts(the_run, [*found(rows, **changes).values()], Judged())]


def test_every_model_stands_on_its_scores_and_beside_the_tuned_one() -> None:
    made = found([(8, 8, 4), (8, 6, 5)] * 12)
    assert [*made] == ["base", "tuned", "few-shot", "nova-lite"]
    assert {key: each.score.mean for key, each in made.items() if each.score} == {
        "base": 3,
        "tuned": 8,
        "few-shot": 7,
        "nova-lite": 4.5,
    }
    assert made["tuned"].lead is made["tuned"].tuned_is is None
    lead = made["few-shot"].lead
    assert lead
    assert (lead.mean, lead.low, lead.high) == pytest.approx((1, 0.56, 1.44), abs=0.01)
    assert (made["few-shot"].latency_ms, made["few-shot"].characters) == (900, 40)
    assert (made["few-shot"].asked_tokens, made["few-shot"].said_tokens) == (110, 70)
    assert made["few-shot"].scored == 24


def test_what_is_set_aside_decides_nothing_here_either() -> None:
    made = found([(8, 3, 3)] * 10 + [(1, 10, 10)] * 10, [f"q-{n}" for n in range(10, 20)])
    assert made == found([(8, 3, 3)] * 10)


@pytest.mark.parametrize(
    ("tuned", "few_shot", "says"),
    [
        (8, 3, None),
        (8, 8, "The base model with examples is not shown to score less than the tuned model"),
        (3, 8, "The base model with examples scores more than the tuned model"),
    ],
)
def test_a_model_that_tuning_does_not_beat_gets_a_sentence(
    tuned: int, few_shot: int, says: str | None
) -> None:
    told = doubted([(tuned, few_shot, 1)] * 24)
    assert [each.partition(" (")[0] for each in told] == ([says] if says else [])


def test_the_sentence_has_the_figures_and_what_they_mean() -> None:
    [told] = doubted([(7, 7, 1), (7, 8, 1), (8, 7, 1)] * 8)
    assert told == (
        "The base model with examples is not shown to score less than the tuned model (the tuned "
        "model's lead is +0.00, 95 % interval -0.37 to +0.37; 8 better, 8 worse; sign test "
        "p = 1.000): against it, tuning is not shown to be worth it."
    )


def test_a_lead_that_the_signs_do_not_bear_out_says_so() -> None:
    """The interval alone would contradict the sentence."""
    rows = [
        (10, 1, 1),
        (10, 2, 2),
        (8, 1, 1),
        (6, 1, 1),
        (3, 2, 2),
        (2, 1, 1),
        (1, 1, 1),
        (1, 2, 1),
    ]
    [told] = doubted(rows)
    assert "+3.75, 95 % interval +0.42 to +7.08; 6 better, 1 worse; sign test p = 0.125)" in told


def test_questions_too_few_show_nothing() -> None:
    assert [each.partition(" is ")[0] for each in doubted([(9, 2, 1)] * 5)] == [
        "The base model with examples",
        "Amazon Nova Lite",
        "The judge Amazon Nova Pro",
    ]
    assert doubted([(9, None, 1)] * 24)[0] == (
        "The base model with examples has too few scores beside the tuned model's to compare them."
    )


def test_answers_that_are_none_count_and_failures_count_against_their_side() -> None:
    """A model that is silent where it would lose must not look as good as the tuned one."""
    made = found([(8, 8, 8)] * 12 + [(8, "empty", None)] * 12 + [(8, 8, "not judged")])
    assert (made["few-shot"].unanswered, made["few-shot"].not_judged) == (12, 0)
    assert (made["nova-lite"].unanswered, made["nova-lite"].not_judged) == (12, 1)
    assert made["few-shot"].scored == 25
    # The few-shot answers count as 1; without nova-lite's, nobody knows.
    assert (made["few-shot"].tuned_is, made["nova-lite"].tuned_is) == ("better", "not decisive")


rows = st.lists(st.tuples(*[st.integers(1, 10)] * 3), min_size=1, max_size=30)


@pytest.mark.slow
@given(rows, st.integers(0, 20))
def test_the_tuned_models_failures_never_make_tuning_worth_it(
    scores: list[tuple[int, int, int]], failures: int
) -> None:
    with_failures = found([*scores, *[(None, 10, 10)] * failures])["few-shot"].tuned_is
    counted = found([*scores, *[(1, 10, 10)] * failures])["few-shot"].tuned_is
    if with_failures == "better":
        assert counted == "better"


def test_a_model_that_was_given_up_is_said_with_the_reason() -> None:
    others = OtherAnswers(failures={"nova-lite": "AccessDenied: no"})
    rows = results([(8, 3, 3)] * 9)
    for each in rows:
        del each["others"]["nova-lite"]
    made = standings(RUN, rows, others, (), Judged())
    assert [*doubts(RUN, made, Judged())] == [
        "Amazon Nova Lite could not be compared: AccessDenied: no"
    ]
    assert made[-1].score is made[-1].tuned_is is None


def test_what_nobody_came_to_is_said_with_the_reason_too() -> None:
    assert OtherAnswers(rest="x" * 8_000).failure_of("nova-lite") == "x" * 500
    others = OtherAnswers(rest="Runtime.OutOfMemory")
    rows = [{key: each[key] for key in ("id", "base", "tuned")} for each in results([(8, 3, 3)])]
    made = standings(RUN, rows, others, (), Judged())
    assert [each.failure for each in made[2:]] == ["Runtime.OutOfMemory"] * 2


def test_a_model_that_was_given_up_without_a_word_crashes_nothing() -> None:
    rows = [{key: each[key] for key in ("id", "base", "tuned")} for each in results([(8, 3, 3)])]
    made = standings(RUN, rows, OtherAnswers(rest=""), (), Judged())
    assert [each.failure for each in made[2:]] == ["no reason was given"] * 2


def test_a_judge_of_an_untuned_models_family_is_said_where_it_matters() -> None:
    told = doubted([(8, 3, 8)] * 24)  # Nova Pro judges Claude 3 Haiku and Nova Lite
    assert told[1:] == [
        "The judge Amazon Nova Pro is Amazon's, as Amazon Nova Lite is: it may prefer its own kind."
    ]
    assert len(doubted([(8, 3, 3)] * 24)) == 0
    assert len(doubted([(8, 3, 8)] * 24, model="nova-micro")) == 1


def test_without_other_models_base_and_tuned_stand_alone() -> None:
    rows = [{key: each[key] for key in ("id", "base", "tuned")} for each in results([(8, 3, 3)])]
    made = standings(run(), rows, None, (), Judged())
    assert [each.key for each in made] == ["base", "tuned"]
    assert [*doubts(run(), made, Judged())] == []
