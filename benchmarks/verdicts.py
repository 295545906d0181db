"""How often the verdict is right: coverage of its interval, A/A, and power.

    python -m benchmarks.verdicts [--trials N]

Scores are drawn as judges give them: whole points from 1 to 10, skewed, many of both sides equal.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from lambdas.domain.evaluation.metrics import ExactMatch, Judged, LabelF1, Metric, influences
from lambdas.domain.evaluation.rubrics import HIGHEST_SCORE, LOWEST_SCORE
from lambdas.domain.evaluation.statistics import interval
from lambdas.domain.evaluation.verdict import Comparison, Rules

_RULES = Rules(confidence=0.95, margin=0.45)
_SIZES = (4, 24, 200, 5_000)
_SEED = 20261128
Pair = tuple[int, int]
Draw = Callable[[random.Random], Pair]


def _score(value: float) -> int:
    return min(HIGHEST_SCORE, max(LOWEST_SCORE, round(value)))


def _report(chance: random.Random) -> Pair:
    """Draw as the published report: 2.5 against 7, widely spread."""
    return _score(chance.gauss(2.5, 1.5)), _score(chance.gauss(7, 2.5))


def _skewed(chance: random.Random) -> Pair:
    """Draw many ties; of the rest, few gain much and some lose a little."""
    base = _score(chance.gauss(4, 2))
    gain = 0.0 if chance.random() < 0.4 else chance.expovariate(1 / 3) + chance.gauss(0, 1)  # noqa: PLR2004
    return base, _score(base + gain)


def _noisy(chance: random.Random) -> Pair:
    """Draw the same model twice: a level of the question, and the judge's noise on each side."""
    level = chance.gauss(6, 2)
    return _score(level + chance.gauss(0, 1)), _score(level + chance.gauss(0, 1))


def _better_by(points: float) -> Draw:
    def draw(chance: random.Random) -> Pair:
        level = chance.gauss(5, 2)
        return _score(level + chance.gauss(0, 1)), _score(level + points + chance.gauss(0, 1))

    return draw


def _right(chance: random.Random) -> Pair:
    """Draw right and wrong answers, such as those of exact match: 60 against 75 %."""
    shared = chance.random()
    base, tuned = (shared if chance.random() < 1 / 2 else chance.random() for _ in range(2))
    return int(base < 0.6), int(tuned < 0.75)  # noqa: PLR2004


_KINDS: Mapping[str, tuple[Draw, type[Metric]]] = {
    "report": (_report, Judged),
    "skewed, ties": (_skewed, Judged),
    "the same": (_noisy, Judged),
    "right or wrong": (_right, ExactMatch),
}


def _coverage(
    kind: tuple[Draw, type[Metric]], questions: int, trials: int, chance: random.Random
) -> float:
    draw, metric = kind
    mean = fmean(tuned - base for base, tuned in (draw(chance) for _ in range(400_000)))
    held = 0
    for _ in range(trials):
        pairs = [draw(chance) for _ in range(questions)]
        held += _holds([tuned - base for base, tuned in pairs], mean, metric)
    return held / trials


def _holds(differences: Sequence[float], mean: float, metric: type[Metric]) -> bool:
    found = interval(differences, _RULES.confidence, metric.added_spread)
    return found is not None and found.low <= mean <= found.high


@dataclass(frozen=True)
class _Classified:
    """Labels by their frequencies, and how often each model finds one."""

    frequencies: Sequence[int]
    base: float
    tuned: float

    def draw(self, questions: int, chance: random.Random) -> list[float]:
        """Return what each question adds to the difference of both macro-F1."""
        labels = [str(label) for label in range(len(self.frequencies))]
        references = chance.choices(labels, self.frequencies, k=questions)
        luck = [chance.random() for _ in references]  # of a question, which both models share
        answers = [
            [
                self._answer(*each, right, labels, chance)
                for each in zip(references, luck, strict=True)
            ]
            for right in (self.base, self.tuned)
        ]
        base, tuned = (influences(references, each) for each in answers)
        return [after - before for before, after in zip(base, tuned, strict=True)]

    @staticmethod
    def _answer(
        reference: str, luck: float, right: float, labels: Sequence[str], chance: random.Random
    ) -> str:
        own = luck if chance.random() < 1 / 2 else chance.random()
        return reference if own < right else chance.choice([*labels, "none of them"])


_LABELS: Mapping[str, _Classified] = {
    "macro-F1, 3 even labels": _Classified((1, 1, 1), 0.6, 0.75),
    "macro-F1, 5 uneven labels": _Classified((50, 25, 15, 7, 3), 0.6, 0.8),
    "macro-F1, both the same": _Classified((3, 2, 1), 0.7, 0.7),
    "macro-F1, both nearly right": _Classified((1, 1), 0.93, 0.97),
}


def _label_coverage(kind: _Classified, questions: int, trials: int, chance: random.Random) -> float:
    mean = fmean(kind.draw(400_000, chance))
    return fmean(_holds(kind.draw(questions, chance), mean, LabelF1) for _ in range(trials))


def _outcomes(draw: Draw, questions: int, trials: int, chance: random.Random) -> dict[str, float]:
    found = [
        Comparison([draw(chance) for _ in range(questions)], _RULES).outcome for _ in range(trials)
    ]
    return {name: found.count(name) / trials for name in ("better", "worse")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=2_000)
    trials: int = parser.parse_args().trials
    chance = random.Random(_SEED)  # noqa: S311  # repeatable, not secret
    print("Coverage of the 95 % interval:", *(f"{size:>7,}" for size in _SIZES))
    for name, kind in _KINDS.items():
        few = [max(100, trials // 10) if size > 1_000 else trials for size in _SIZES]  # noqa: PLR2004
        found = [_coverage(kind, *each, chance) for each in zip(_SIZES, few, strict=True)]
        print(f"{name:>29}:", *(f"{each:7.3f}" for each in found))
    for name, kind in _LABELS.items():
        few = [max(100, trials // 10) if size > 1_000 else trials for size in _SIZES]  # noqa: PLR2004
        found = [_label_coverage(kind, *each, chance) for each in zip(_SIZES, few, strict=True)]
        print(f"{name:>29}:", *(f"{each:7.3f}" for each in found))
    print("A/A, better or worse:")
    for size in (6, 24, 200):
        print(f"{size:>8}:", f"{sum(_outcomes(_noisy, size, trials, chance).values()):.3f}")
    print("Power, better:")
    for points in (0.5, 1.0, 2.0):
        found = [_outcomes(_better_by(points), n, trials, chance)["better"] for n in (24, 200)]
        print(f"{points:>8} points: {found[0]:.2f} of 24 questions, {found[1]:.2f} of 200")


if __name__ == "__main__":
    main()
