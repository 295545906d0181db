from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.domain.evaluation.verdict import SIGNIFICANT_P, compare, reason, sign_test
from lambdas.domain.run.execution_input import ExecutionDefaults


@pytest.mark.parametrize(
    ("wins", "losses", "p"),
    [
        (0, 0, 1.0),
        (1, 0, 1.0),
        (4, 0, 0.125),
        (5, 0, 0.0625),
        (6, 0, 0.03125),
        (0, 6, 0.03125),
        (9, 1, 0.021484375),
        (5, 5, 1.0),
    ],
)
def test_sign_test_by_hand(wins: int, losses: int, p: float) -> None:
    assert sign_test(wins, losses) == pytest.approx(p)


def test_the_least_questions_of_an_environment_are_those_that_can_decide() -> None:
    least = ExecutionDefaults.model_fields["min_evaluation_questions"].default
    assert sign_test(least, 0) < SIGNIFICANT_P <= sign_test(least - 1, 0)


def test_sign_test_of_many_questions_is_exact() -> None:
    assert sign_test(5000, 5000) == 1
    assert sign_test(5200, 4800) == pytest.approx(6.6e-5, rel=0.05)


@given(st.integers(0, 400), st.integers(0, 400))
def test_sign_test_is_a_symmetric_probability(wins: int, losses: int) -> None:
    p = sign_test(wins, losses)
    assert 0 <= p <= 1
    assert p == sign_test(losses, wins)
    if abs(wins - losses) > 1:  # the less even, the less likely
        assert p <= sign_test((wins + losses) // 2, (wins + losses + 1) // 2)


@pytest.mark.parametrize(
    ("pairs", "outcome", "says"),
    [
        # The published report: four questions prove nothing, however clear they look.
        ([(3, 8), (2, 8), (2, 4), (3, 8)], "not decisive", "p = 0.125): chance alone"),
        ([(3, 8)] * 24, "better", "p < 0.001): more than chance explains."),
        ([(3, 8)] * 6, "better", "is 8.00 against 3.00 of the base model (6 better, 0 equal"),
        ([(5, 5)] * 9, "not better", "p = 1.000): tuning did not raise it."),
        ([(8, 3)] * 9, "not better", "tuning did not raise it"),
        ([(5, 9), (5, 1)], "not better", "tuning did not raise it"),
        ([(5, 4)] * 9 + [(1, 10)] * 2, "not decisive", "(2 better, 0 equal, 9 worse"),
        ([(5, 4)] * 14 + [(1, 10)] * 2, "not decisive", "although most questions got worse"),
    ],
)
def test_outcomes(pairs: list[tuple[float, float]], outcome: str, says: str) -> None:
    comparison = compare(pairs)
    assert comparison.outcome == outcome
    assert says in reason(comparison)
    assert reason(comparison).startswith(f"Over {len(pairs)} questions")


@given(st.lists(st.tuples(st.integers(1, 10), st.integers(1, 10)), min_size=1, max_size=60))
def test_better_always_rests_on_more_wins_and_a_higher_mean(pairs: list[tuple[int, int]]) -> None:
    comparison = compare(pairs)
    swapped = compare([(tuned, base) for base, tuned in pairs])
    assert comparison.wins + comparison.ties + comparison.losses == len(pairs)
    if comparison.outcome == "better":
        assert comparison.wins > comparison.losses
        assert comparison.difference > 0
        assert swapped.outcome == "not better"
