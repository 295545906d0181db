from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.domain.evaluation.metrics import Judged
from lambdas.domain.evaluation.verdict import Comparison, Rules, decide
from lambdas.domain.run.contracts import Verdict
from tests.factories import run

RULES = Rules(confidence=0.95, margin=0.45)
REPORT = [(3, 8), (2, 8), (2, 4), (3, 8)]  # the published report's four questions, judged again
scores = st.tuples(st.integers(1, 10), st.integers(1, 10))

Side = int | str | None  # a score; an outcome that is no answer; None: missing


def judgement(number: int, base: Side, tuned: Side) -> dict[str, Any]:
    return {"id": f"q-{number}", "topic": None, "base": side(base), "tuned": side(tuned)}


def side(found: Side) -> dict[str, Any]:
    if found is None:
        return {"error": "Throttled: too many requests"}
    if isinstance(found, str):
        return {"answer": "", "outcome": found, "score": 1, "reason": f"{found}: no answer"}
    return {"answer": "…", "outcome": "answered", "score": found, "reason": "…"}


def decided(
    pairs: Iterable[tuple[Side, Side]], aside: Sequence[str] = (), **changes: object
) -> Verdict:
    judgements = [judgement(number, *pair) for number, pair in enumerate(pairs)]
    set_aside = dict.fromkeys(aside, "in training or validation")
    verdict, _ = decide(
        run(**changes), judgements, "ab" * 32, set_aside, metric=Judged(), others=(), shards=1
    )
    return verdict


@pytest.mark.parametrize(
    ("pairs", "outcome", "says"),
    [
        (REPORT, "not decisive", "So few cannot be decisive: ask at least 6"),
        ([(3, 8)] * 24, "better", "+5.00 (95 % interval"),
        ([(3, 8)] * 6, "better", "6 better, 0 equal, 0 worse; sign test p = 0.031"),
        ([(3, 8)] * 5, "not decisive", "ask at least 6, and about 6 to show"),
        ([(8, 3)] * 9, "worse", "-5.00"),
        ([(5, 5)] * 9, "no difference shown", "0 better, 9 equal, 0 worse"),
        ([(5, 5)] * 24, "no difference shown", "So many mostly show a difference of 0.17 or more"),
        ([(5, 9), (5, 1)] * 6, "no difference shown", "So many mostly show a difference of"),
        # Most got worse by a little, and a few much better: the two tests disagree.
        ([(5, 4)] * 14 + [(1, 10)] * 3, "no difference shown", "3 better, 0 equal, 14 worse"),
        ([(5, 4)] * 30 + [(1, 10)] * 12, "no difference shown", "12 better, 0 equal, 30 worse"),
        # Real, and too small to matter.
        ([(5, 5)] * 400 + [(5, 6)] * 40, "no difference shown", "the least that counts"),
    ],
)
def test_outcomes(pairs: list[tuple[Side, Side]], outcome: str, says: str) -> None:
    verdict = decided(pairs)
    assert verdict.verdict == outcome
    assert says in verdict.reason
    assert verdict.questions == len(pairs)


def test_a_difference_below_the_margin_is_not_called_none() -> None:
    verdict = decided([(5, 5)] * 400 + [(5, 6)] * 40)
    assert verdict.sentence == (
        "These questions show a difference between tuned and base model, but too small a one to "
        "count."
    )
    assert verdict.reason.endswith("; one of 0.45 is the least that counts.")
    assert decided([(5, 5)] * 24).sentence.startswith("These questions show no difference")


def test_where_answers_are_missing_no_more_questions_are_asked_for() -> None:
    verdict = decided([(5, None)] * 24)
    assert verdict.verdict == "not decisive"
    assert "24 of 24 questions lack an answer or a judgement" in verdict.reason
    assert "So few" not in verdict.reason


def test_the_reason_has_what_the_judge_prefers_and_how_often_the_first() -> None:
    tuned = {"base": {"better": "second"}, "tuned": {"better": "first"}}
    equal = {"base": {"better": "equal"}, "tuned": {"better": "equal"}}
    assert preferred(tuned, tuned, equal).endswith(
        "the judge prefers the tuned model's in 2 of 3 questions, the base model's in 0 and "
        "neither in 1; where it prefers one, that is the one shown first in 50 %."
    )
    assert preferred(equal).endswith("the base model's in 0 and neither in 1."), "it leans nowhere"


def preferred(*preferences: dict[str, Any]) -> str:
    judgements = [
        judgement(number, 3, 8) | {"preferences": each} for number, each in enumerate(preferences)
    ]
    verdict, _ = decide(run(), judgements, "ab" * 32, {}, metric=Judged(), others=(), shards=1)
    return verdict.reason


def test_the_report_learns_how_many_questions_would_do() -> None:
    verdict = decided(REPORT)
    assert (verdict.base_mean, verdict.tuned_mean) == (2.5, 7)
    assert "ask at least 6, and about 117 to show a difference as small as 0.45." in verdict.reason
    assert verdict.sentence == "These questions cannot decide between tuned and base model."


@pytest.mark.slow
@given(st.lists(scores, min_size=1, max_size=60))
def test_worse_is_better_seen_from_the_other_side(pairs: list[tuple[int, int]]) -> None:
    outcome = Comparison(pairs, RULES).outcome
    swapped = Comparison([(tuned, base) for base, tuned in pairs], RULES).outcome
    assert swapped == {"better": "worse", "worse": "better"}.get(outcome, outcome)
    if outcome == "better":
        assert Comparison(pairs, RULES).wins > Comparison(pairs, RULES).losses
        assert Comparison(pairs, RULES).difference >= RULES.margin


@pytest.mark.slow
@given(st.lists(scores, min_size=1, max_size=30), st.data())
def test_questions_that_are_set_aside_decide_nothing(
    pairs: list[tuple[int, int]], data: st.DataObject
) -> None:
    """However well the tuned model does on what it was trained on."""
    leaks = data.draw(st.integers(0, 40))
    aside = [f"q-{len(pairs) + number}" for number in range(leaks)]
    with_leaks = decided([*pairs, *[(1, 10)] * leaks], aside)
    alone = decided(pairs)
    assert with_leaks.verdict == alone.verdict
    assert (with_leaks.low, with_leaks.high) == (alone.low, alone.high)
    assert (f"{leaks} in training or validation." in with_leaks.reason) is (leaks > 0)


def test_nothing_left_is_not_decisive() -> None:
    verdict = decided([(1, 10)] * 12, [f"q-{number}" for number in range(12)])
    assert verdict.verdict == "not decisive"
    assert verdict.reason.startswith("No question is left to compare the models with.")
    assert verdict.base_mean is verdict.low is None


@pytest.mark.slow
@given(st.lists(scores, min_size=1, max_size=40), st.integers(0, 40), st.booleans())
def test_leaving_out_a_sides_failures_never_helps_it(
    pairs: list[tuple[int, int]],
    failures: int,
    of_tuned: bool,  # noqa: FBT001  # drawn
) -> None:
    """A side that fails on what it would lose on must not win for that."""
    failed: list[tuple[Side, Side]] = [(10, None) if of_tuned else (None, 10)] * failures
    verdict = decided([*pairs, *failed])
    assert verdict.missing == failures
    if verdict.verdict == ("better" if of_tuned else "worse"):
        counted = [*pairs, *[(10, 1) if of_tuned else (1, 10)] * failures]
        assert decided(counted).verdict == verdict.verdict


def test_failures_that_could_turn_it_make_it_not_decisive() -> None:
    verdict = decided([(3, 8)] * 12 + [(9, None)] * 6)
    assert verdict.verdict == "not decisive"
    assert "6 of 18 questions lack an answer or a judgement; were each the worst for its side" in (
        verdict.reason
    )
    assert "it would be 'no difference shown' instead of 'better'" in verdict.reason
    assert decided([(3, 8)] * 24 + [(9, None)]).verdict == "better"


def test_an_empty_answer_is_no_answer_and_counts() -> None:
    verdict = decided([(6, "empty")] * 12 + [(6, 10)] * 3)
    assert verdict.verdict == "worse"
    assert verdict.caveats[0] == (
        "Of 15 answers of the tuned model are 12 empty: no answer, which scores 1."
    )


def test_a_judge_of_the_tuned_models_family_is_a_caveat() -> None:
    own = decided([(3, 8)] * 9, model="nova-micro", judge_model="nova-pro")
    assert own.caveats == (
        "The judge Amazon Nova Pro is Amazon's, as the tuned model is: it may prefer its own kind.",
    )
    assert decided([(3, 8)] * 9, model="nova-micro", judge_model="claude-haiku-4-5").caveats == ()


@pytest.mark.slow
@pytest.mark.parametrize("questions", [6, 24, 200])
def test_the_same_model_twice_is_rarely_better_or_worse(questions: int) -> None:
    """With a noisy judge, in at most one of twenty comparisons."""
    chance = random.Random(questions)  # noqa: S311  # repeatable, not secret
    wrong = 0
    for _ in range(600):
        level = [chance.gauss(6, 2) for _ in range(questions)]
        pairs = [
            tuple(min(10, max(1, round(each + chance.gauss(0, 1)))) for _ in "bt") for each in level
        ]
        wrong += Comparison(pairs, RULES).outcome in {"better", "worse"}  # type: ignore[arg-type]
    assert wrong / 600 <= 0.05
