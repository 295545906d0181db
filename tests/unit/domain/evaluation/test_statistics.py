from __future__ import annotations

import random
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.domain.evaluation.metrics import ExactMatch, Judged, Metric
from lambdas.domain.evaluation.statistics import (
    interval,
    least_difference,
    least_questions,
    questions_for,
    sign_test,
    t_quantile,
)


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
    ("p", "freedom", "quantile"),  # Abramowitz and Stegun, table 26.10, and scipy.stats.t.ppf
    [
        (0.975, 1, 12.7062047),
        (0.975, 2, 4.3026527),
        (0.975, 3, 3.1824463),
        (0.995, 7, 3.4994833),
        (0.975, 23, 2.0686576),
        (0.9, 30, 1.3104150),
        (0.975, 199, 1.9719565),
        (0.975, 4_999, 1.9604386),
    ],
)
def test_students_quantile(p: float, freedom: int, quantile: float) -> None:
    assert t_quantile(p, freedom) == pytest.approx(quantile, abs=1e-6)


def test_the_interval_of_four_scores_by_hand() -> None:
    """Mean 4.75, variance 1.583 and 0.5 added, 3.182 standard errors each way."""
    found = interval([5, 6, 3, 5], 0.95, 2)
    assert found is not None
    assert (found.low, found.high) == pytest.approx((2.454, 7.046), abs=0.001)


def test_equal_differences_are_no_certainty() -> None:
    found = interval([1.0] * 6, 0.95, 0.5)
    assert found is not None
    assert found.low < 1 < found.high


def test_one_difference_has_no_interval() -> None:
    assert interval([3.0], 0.95, 2) is None
    assert least_difference([3.0], 0.95, 2) is None
    assert questions_for(0.5, [3.0], 0.95) is None


JUDGED = [-3, -1, 0, 1, 2, 4, 7], [2, 8, 40, 22, 14, 9, 5]  # skewed, with ties, as judges give
RIGHT_OR_WRONG = [-1, 0, 1], [10, 65, 25]


@pytest.mark.slow
@pytest.mark.parametrize(("questions", "trials"), [(4, 1_500), (24, 1_500), (200, 400)])
@pytest.mark.parametrize(
    ("kind", "metric"), [(JUDGED, Judged), (RIGHT_OR_WRONG, ExactMatch)], ids=["judged", "right"]
)
def test_the_interval_holds_the_mean_as_often_as_it_says(
    questions: int, trials: int, kind: tuple[list[int], list[int]], metric: type[Metric]
) -> None:
    """benchmarks/verdicts.py has many more trials."""
    values, weights = kind
    mean = fmean(v * w for v, w in zip(values, weights, strict=True)) * len(values) / sum(weights)
    chance = random.Random(7)  # noqa: S311  # repeatable, not secret
    held = 0
    for _ in range(trials):
        drawn = chance.choices(values, weights, k=questions)
        found = interval(drawn, 0.95, metric.added_spread)
        held += found is not None and found.low <= mean <= found.high
    assert held / trials > 0.92
    assert questions == 4 or held / trials < 0.975


def test_the_fewest_questions_that_can_be_decisive() -> None:
    assert least_questions(0.95) == 6
    assert least_questions(0.99) == 8
    assert sign_test(5, 0) > 0.05 >= sign_test(6, 0)


def test_how_far_questions_reach() -> None:
    """Of spread 2: 126 show half a point, as the normal approximation says."""
    spread = [2.0, -2.0] * 1_000
    assert questions_for(0.5, spread, 0.95) == pytest.approx(126, abs=1)
    assert least_difference(spread[:200], 0.95, 2) == pytest.approx(0.4, abs=0.005)
    assert questions_for(50, spread, 0.95) == 6
