"""The similarity scores of questions beside what else is known of them, and their means."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from statistics import fmean

from lambdas.domain.evaluation.records import Record
from lambdas.domain.evaluation.results import SIDES
from lambdas.domain.run.contracts import MeanSimilarity

SIMILARITY = "similarity"  # of a side, in a result


@dataclass(frozen=True)
class Measure:
    """How a measure is named and written for people."""

    label: str
    digits: int = 3

    def shown(self, value: float) -> str:
        return f"{value:.{self.digits}f}"

    def change(self, value: float) -> str:
        return f"{value:+.{self.digits}f}"


# In the order of the report; those of BERTScore are missing where no weights are named.
MEASURES: Mapping[str, Measure] = {
    "f1": Measure("BERTScore F1"),
    "precision": Measure("BERTScore precision"),
    "recall": Measure("BERTScore recall"),
    "rouge_l": Measure("ROUGE-L F1"),
    "chrf": Measure("chrF, of 100", digits=1),
    "length_ratio": Measure("length ratio", digits=2),
}


def with_similarity(results: Iterable[Record], scored: Iterable[Record]) -> Iterator[Record]:
    """Yield the results, each side and other model with its scores, where it has any."""
    scores = {each["id"]: each for each in scored}
    for result in results:
        found = scores.get(result["id"], {})
        sides = _with_scores({side: result[side] for side in SIDES}, found)
        others = _with_scores(result.get("others", {}), found)
        yield {**result, **sides, **({"others": others} if others else {})}


def _with_scores(said: Mapping[str, Record], found: Record) -> Record:
    return {
        name: {**each, SIMILARITY: found[name]} if name in found else each
        for name, each in said.items()
    }


def mean_similarity(results: Iterable[Record]) -> MeanSimilarity | None:
    """Return the means over the results of which both sides have scores; None without any.

    General questions show what was forgotten, and are none of the task's.
    """
    own = (each for each in results if not each.get("general"))
    both = [each for each in own if all(SIMILARITY in each[side] for side in SIDES)]
    if not both:
        return None
    others = dict.fromkeys(name for each in both for name in each.get("others", {}))
    base, tuned = (_means([each[side] for each in both]) for side in SIDES)
    return MeanSimilarity(
        questions=len(both),
        base=base,
        tuned=tuned,
        others={
            name: _means([each.get("others", {}).get(name, {}) for each in both]) for name in others
        },
    )


def _means(said: Iterable[Record]) -> dict[str, float]:
    scores = [each[SIMILARITY] for each in said if SIMILARITY in each]
    by_measure = {name: [each[name] for each in scores if name in each] for name in MEASURES}
    return {name: fmean(found) for name, found in by_measure.items() if found}
