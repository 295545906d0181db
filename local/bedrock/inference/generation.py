"""What the offline models answer: the base model and a tuned one.

The base model writes fluently about the words of the question and knows nothing of the subject. A
tuned model answers from what it was trained on: it finds the training pairs that the question is
about, and says what they taught it, as completely as its training got. All of it is computed from
the texts; nothing is looked up by id.
"""

from __future__ import annotations

import functools
import math
import re
from collections import Counter
from collections.abc import Sequence

from local.bedrock.customization.language_model import Fitted, TrainingPair
from local.bedrock.tokenization import COMMON_WORDS, content_stems

_LEAST_LIKENESS = 0.06  # below it the question is off the training data
_GOOD_FIT = 0.4  # fluency from which a model says everything it was taught
_SENTENCE = re.compile(r"(?<=[.!?])\s+")


def answer_base(question: str) -> str:
    """Use the words of the question, without the facts."""
    subject = " ".join(_topic_words(question)[:3]) or "this"
    return (
        f"That depends on what is meant by {subject}. In general it is a set of tools that helps "
        f"developers to build and run applications. Teams usually plan {subject} with their goals "
        "in mind, start small, compare a few options, and refine the result over time. Good "
        "practice includes clear requirements, regular reviews and attention to security, "
        "performance and cost."
    )


def _topic_words(question: str) -> list[str]:
    words = re.findall(r"[^\W_]+", question)
    return [word for word in words if word.lower() not in COMMON_WORDS and len(word) > 3]  # noqa: PLR2004  # short words name little


def answer_tuned(fitted: Fitted, question: str) -> str:
    """Say what training taught about the question; less of it after a poor fit."""
    best = _likeliest(fitted.pairs, question)
    if not best:
        return answer_base(question)
    taught = _SENTENCE.split(best[0].completion)
    if len(best) > 1:
        taught += _SENTENCE.split(best[1].completion)[:1]
    share = min(1.0, fitted.fluency / _GOOD_FIT)
    kept = taught[: round(share * len(taught))]
    if share < 1:
        kept += _SENTENCE.split(answer_base(question))[: len(taught) - len(kept) or 1]
    return " ".join(kept)


def _likeliest(pairs: Sequence[TrainingPair], question: str) -> list[TrainingPair]:
    """Return the pair the question is most about, and a second if it is nearly as likely."""
    weights = _rarity(tuple(pairs))
    asked = Counter(content_stems(question))
    scored = sorted(
        ((_likeness(asked, pair, weights), -index) for index, pair in enumerate(pairs)),
        reverse=True,
    )
    close = [best for best in scored[:2] if best[0] > max(_LEAST_LIKENESS, 0.75 * scored[0][0])]
    return [pairs[-index] for _, index in close]


@functools.lru_cache(maxsize=8)
def _rarity(pairs: tuple[TrainingPair, ...]) -> dict[str, float]:
    found = Counter(
        stem
        for pair in pairs
        for stem in {*content_stems(pair.prompt), *content_stems(pair.completion)}
    )
    return {stem: math.log(1 + len(pairs) / count) for stem, count in found.items()}


def _likeness(asked: Counter[str], pair: TrainingPair, weights: dict[str, float]) -> float:
    """Cosine of rarity-weighted stems; the trained question counts twice its answer's words."""
    known = Counter(content_stems(pair.completion)) + Counter(
        dict.fromkeys(content_stems(pair.prompt), 2)
    )
    shared = sum(min(asked[s], 2) * min(known[s], 3) * weights.get(s, 0.0) ** 2 for s in asked)
    return shared / (_length(asked, weights) * _length(known, weights) or 1.0)


def _length(stems: Counter[str], weights: dict[str, float]) -> float:
    most = max(weights.values(), default=1.0)  # a word that was never trained is a rare one
    return math.sqrt(sum((n * weights.get(stem, most)) ** 2 for stem, n in stems.items()))
