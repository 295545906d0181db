"""Pairs of question and answer, found again by likeness: the cosine of rarity-weighted stems."""

from __future__ import annotations

import functools
import math
from collections import Counter, defaultdict
from collections.abc import Sequence

from local.bedrock.customization.language_model import TrainingPair
from local.bedrock.tokenization import content_stems

_LEAST_LIKENESS = 0.06  # below it the question is off the pairs
_MOST_SHOWN = 50  # examples in a prompt
_NEARLY = 0.75  # of the best likeness, from which a second pair is as likely


class Memory:
    """An index of pairs by the stems that they hold."""

    def __init__(self, pairs: Sequence[TrainingPair]) -> None:
        self._pairs = pairs
        known = [_stems(pair) for pair in pairs]
        found = Counter(stem for stems in known for stem in stems)
        self._weights = {stem: math.log(1 + len(pairs) / count) for stem, count in found.items()}
        self._lengths = [self._length(stems) for stems in known]
        self._holders: dict[str, list[tuple[int, int]]] = defaultdict(list)
        for index, stems in enumerate(known):
            for stem, count in stems.items():
                self._holders[stem].append((index, count))

    def likeliest(self, question: str, context: str = "") -> list[TrainingPair]:
        """Return the pair the question is most about, and a second if it is nearly as likely.

        `context` is what the question leans on; it counts half.
        """
        scored = self._scored(question, context)
        best = max((score for score, _ in scored), default=0.0)
        least = max(_LEAST_LIKENESS, _NEARLY * best)
        return [self._pairs[-index] for score, index in scored[:2] if score > least]

    def nearest(self, question: str) -> TrainingPair | None:
        """Return the pair the question is most about, however little that is."""
        scored = self._scored(question, "")
        return self._pairs[-scored[0][1]] if scored else None

    def _scored(self, question: str, context: str) -> list[tuple[float, int]]:
        """Return (likeness, -index) of the pairs that share a stem, the likeliest first."""
        asked = Counter(content_stems(question))
        if context:
            asked = Counter({stem: 2 * count for stem, count in asked.items()})
            asked.update(content_stems(context))
        shared: dict[int, float] = defaultdict(float)
        for stem, count in asked.items():
            for index, held in self._holders.get(stem, ()):
                shared[index] += min(count, 2) * min(held, 3) * self._weights[stem] ** 2
        length = self._length(asked)
        return sorted(
            (
                (dot / (length * self._lengths[index] or 1.0), -index)
                for index, dot in shared.items()
            ),
            reverse=True,
        )

    def _length(self, stems: Counter[str]) -> float:
        most = max(self._weights.values(), default=1.0)  # a word that is not there is a rare one
        return math.sqrt(sum((n * self._weights.get(stem, most)) ** 2 for stem, n in stems.items()))


def memory_of(pairs: tuple[TrainingPair, ...]) -> Memory:
    """Return the index of the pairs; that of a training is made once, that of a prompt's is not."""
    return _kept(pairs) if len(pairs) > _MOST_SHOWN else Memory(pairs)


@functools.lru_cache(maxsize=8)
def _kept(pairs: tuple[TrainingPair, ...]) -> Memory:
    return Memory(pairs)


def _stems(pair: TrainingPair) -> Counter[str]:
    """Count stems: those of the question twice, those of its answer as often as they are said."""
    asked = Counter(dict.fromkeys(content_stems(pair.prompt), 2))
    return Counter(content_stems(pair.completion)) + asked + Counter(content_stems(pair.history))
