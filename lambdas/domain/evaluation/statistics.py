"""What paired differences show: an interval of their mean, a test of their signs, and their reach.

The interval is Student's, with a little spread added, in squared points of the metric and over all
differences together: of few scores in whole points, many of them equal, the spread that is seen is
often too small. Of many it is nothing. `benchmarks/verdicts.py` measures what intervals cover.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import atan, ceil, cos, pi, sin, sqrt
from statistics import NormalDist, fmean, stdev, variance

POWER = 0.8  # with which a difference is meant to be shown, as is usual


@dataclass(frozen=True)
class Interval:
    """Where the mean difference lies at a confidence such as 0.95."""

    low: float
    high: float

    def within(self, low: float, high: float) -> Interval:
        """Return the same without what lies outside of what is possible."""
        return Interval(max(self.low, low), min(self.high, high))


def interval(
    differences: Sequence[float], confidence: float, added_spread: float
) -> Interval | None:
    """Return the interval of the mean; None for fewer than two differences."""
    if len(differences) < 2:  # noqa: PLR2004  # one has no spread
        return None
    quantile = t_quantile((1 + confidence) / 2, len(differences) - 1)
    mean, reach = fmean(differences), quantile * _error(differences, added_spread)
    return Interval(mean - reach, mean + reach)


def _error(differences: Sequence[float], added_spread: float) -> float:
    """Return the standard error of the mean."""
    n = len(differences)
    return sqrt((variance(differences) + added_spread / n) / n)


def sign_test(wins: int, losses: int) -> float:
    """Return the exact two-sided p of so uneven a split if both sides were equally likely."""
    flips = wins + losses
    ways = tail = 1  # of the binomial coefficients up to the rarer outcome's count
    for count in range(min(wins, losses)):
        ways = ways * (flips - count) // (count + 1)
        tail += ways
    return min(1.0, 2 * tail / (1 << flips))


def least_questions(confidence: float) -> int:
    """Return the fewest questions that can be decisive: all won, the sign test says so."""
    questions = 1
    while sign_test(questions, 0) > 1 - confidence:
        questions += 1
    return questions


def least_difference(
    differences: Sequence[float], confidence: float, added_spread: float
) -> float | None:
    """Return the least mean difference that so many questions of this spread would mostly show."""
    if len(differences) < 2:  # noqa: PLR2004  # one has no spread
        return None
    return _sum_of_quantiles(confidence) * _error(differences, added_spread)


def questions_for(difference: float, differences: Sequence[float], confidence: float) -> int | None:
    """Return how many questions of this spread would mostly show the difference."""
    if len(differences) < 2 or difference <= 0:  # noqa: PLR2004  # one has no spread
        return None
    needed = (_sum_of_quantiles(confidence) * stdev(differences) / difference) ** 2
    return max(ceil(needed), least_questions(confidence))


def _sum_of_quantiles(confidence: float) -> float:
    normal = NormalDist()
    return normal.inv_cdf((1 + confidence) / 2) + normal.inv_cdf(POWER)


def t_quantile(p: float, freedom: int) -> float:
    """Return Student's quantile for p above 0.5 and so many degrees of freedom."""
    low, high = 0.0, 2.0
    while _t_within(high, freedom) < 2 * p - 1:
        high *= 2
    while high - low > 1e-9 * high:
        middle = (low + high) / 2
        if _t_within(middle, freedom) < 2 * p - 1:
            low = middle
        else:
            high = middle
    return high


def _t_within(t: float, freedom: int) -> float:
    """Return the probability of being within ±t.

    Abramowitz and Stegun, Handbook of Mathematical Functions, 26.7.3 and 26.7.4.
    """
    angle = atan(t / sqrt(freedom))
    term = total = cos(angle) if freedom % 2 else 1.0
    for k in range(3 if freedom % 2 else 2, freedom, 2):
        term *= cos(angle) ** 2 * (k - 1) / k
        total += term
    if freedom == 1:
        return 2 * angle / pi
    return 2 / pi * (angle + sin(angle) * total) if freedom % 2 else sin(angle) * total
