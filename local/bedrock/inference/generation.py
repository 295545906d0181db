"""What the offline models say: the base model, a tuned one, and the judge.

The base model writes fluently about the words of the question and knows nothing of the subject. A
tuned model answers from what it was trained on: it finds the trained pairs that the question is
about, and says what they taught it, as completely as its training got. The judge compares content
words with the reference answer. All of it is computed from the texts; nothing is looked up by id.
"""

from __future__ import annotations

import functools
import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence

from local.bedrock.customization.language_model import Fitted, Pair

_CHARACTERS_PER_TOKEN = 4.0
_RECALL_WEIGHT = 0.75  # a judge minds what is missing more than what is added
_LEAST_LIKENESS = 0.06  # below it a question is about nothing that was trained
_GOOD_FIT = 0.4  # fluency from which a model says all it was taught
_COMMON_WORDS = frozenset(
    """
    a about after all also an and any are as at be because been before being between both but
    by can could did do does doing each either for from further had has have having he her here
    his how i if in into is it its just like many may me might more most must my need no nor
    not now of off on once one only or other our out over own same she should so some such than
    that the their them then there these they this those through to too under until up use used
    uses using very want was we were what when where which while who whom why will with without
    would you your
    """.split()  # noqa: SIM905  # a list of words reads as words
)
_ENDINGS = ("ations", "ation", "ings", "ing", "ies", "ied", "ers", "er", "ed", "es", "s", "e", "y")
_SENTENCE = re.compile(r"(?<=[.!?])\s+")


def count_tokens(text: str) -> int:
    """Estimate tokens at four characters each, as the runtime reports them."""
    return max(1, math.ceil(len(text) / _CHARACTERS_PER_TOKEN))


@functools.lru_cache(maxsize=4096)
def content_stems(text: str) -> tuple[str, ...]:
    """Return the words that say something, in order, without their endings."""
    words = re.findall(r"[^\W_]+", text.lower())
    return tuple(_stem(word) for word in words if word not in _COMMON_WORDS and len(word) > 1)


def _stem(word: str) -> str:
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 3:  # noqa: PLR2004  # a stem's least length
            return word.removesuffix(ending)
    return word


def answer_base(question: str) -> str:
    """Write on-topic in words, without the facts."""
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
    return [word for word in words if word.lower() not in _COMMON_WORDS and len(word) > 3]  # noqa: PLR2004  # short words name little


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


def _likeliest(pairs: Sequence[Pair], question: str) -> list[Pair]:
    """Return the pair the question is most about, and a second if it is nearly as likely."""
    weights = _rarity(tuple(pairs))
    asked = Counter(content_stems(question))
    scored = sorted(
        ((_likeness(asked, pair, weights), -index) for index, pair in enumerate(pairs)),
        reverse=True,
    )
    close = [each for each in scored[:2] if each[0] > max(_LEAST_LIKENESS, 0.75 * scored[0][0])]
    return [pairs[-index] for _, index in close]


@functools.lru_cache(maxsize=8)
def _rarity(pairs: tuple[Pair, ...]) -> dict[str, float]:
    found = Counter(
        stem
        for pair in pairs
        for stem in {*content_stems(pair.prompt), *content_stems(pair.completion)}
    )
    return {stem: math.log(1 + len(pairs) / count) for stem, count in found.items()}


def _likeness(asked: Counter[str], pair: Pair, weights: dict[str, float]) -> float:
    """Cosine of rarity-weighted stems; the trained question counts twice its answer's words."""
    known = Counter(content_stems(pair.completion)) + Counter(
        dict.fromkeys(content_stems(pair.prompt), 2)
    )
    shared = sum(min(asked[s], 2) * min(known[s], 3) * weights.get(s, 0.0) ** 2 for s in asked)
    return shared / (_length(asked, weights) * _length(known, weights) or 1.0)


def _length(stems: Counter[str], weights: dict[str, float]) -> float:
    most = max(weights.values(), default=1.0)  # a word that was never trained is a rare one
    return math.sqrt(sum((n * weights.get(stem, most)) ** 2 for stem, n in stems.items()))


def judge_correctness(question: str, reference: str, answer: str) -> tuple[int, str]:
    """Score the answer from 1 to 10 by its content against the reference; say why in a sentence.

    Words of the question itself count little: repeating it is no knowledge.
    """
    wanted, said = set(content_stems(reference)), set(content_stems(answer))
    if not said:
        return 1, "The answer is empty."
    asked = set(content_stems(question))
    recall = _weight(wanted & said, asked) / (_weight(wanted, asked) or 1.0)
    precision = _weight(wanted & said, asked) / (_weight(said, asked) or 1.0)
    agreement = _RECALL_WEIGHT * recall + (1 - _RECALL_WEIGHT) * precision
    score = max(1, min(10, round(1 + 9 * min(1.0, agreement * 1.6))))
    missing = sorted(wanted - said - asked, key=lambda stem: (-len(stem), stem))[:3]
    if not missing:
        return score, "The answer covers what the reference answer says."
    return score, f"Of the reference answer it lacks, among others: {', '.join(missing)}."


def _weight(stems: Iterable[str], asked: set[str]) -> float:
    return sum(0.25 if stem in asked else 1.0 for stem in stems)
