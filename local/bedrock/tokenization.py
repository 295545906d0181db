"""Tokens as the service counts them, and the content words of a text."""

from __future__ import annotations

import functools
import itertools
import math
import re
import unicodedata
from bisect import bisect_right

_CHARACTERS_PER_TOKEN = 4.0
COMMON_WORDS = frozenset(
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
_KATAKANA, _HIRAGANA, _HAN = r"\u30a0-\u30ff", r"\u3040-\u309f", r"\u3005\u3400-\u9fff"
_HANGUL, _THAI = r"\uac00-\ud7af", r"\u0e00-\u0e7f"
DENSE = re.compile(rf"[{_KATAKANA}{_HIRAGANA}{_HAN}{_HANGUL}{_THAI}]")
_WORD = re.compile(r"[^\W_]+")
_RUN = re.compile(
    rf"[{_KATAKANA}]+|[{_HIRAGANA}]+|[{_HAN}]+|[{_HANGUL}]+|[{_THAI}]+"
    rf"|[^{_KATAKANA}{_HIRAGANA}{_HAN}{_HANGUL}{_THAI}]+"
)
_GRAMMAR = re.compile(rf"[{_HIRAGANA}]+")  # endings and particles, and few words of content
_ENDINGS = ("ations", "ation", "ings", "ing", "ies", "ied", "ers", "er", "ed", "es", "s", "e", "y")


def count_tokens(text: str) -> int:
    """Estimate tokens: four characters each, or one where a script has no letters but syllables."""
    dense = len(DENSE.findall(text))
    return max(1, math.ceil(dense + (len(text) - dense) / _CHARACTERS_PER_TOKEN))


def first_tokens(text: str, count: int) -> str:
    """Return the longest beginning of so many tokens."""
    ends = range(len(text) + 1)
    return text[: bisect_right(ends, count, key=lambda end: count_tokens(text[:end])) - 1]


@functools.lru_cache(maxsize=4096)
def content_stems(text: str) -> tuple[str, ...]:
    """Return the words that say something, in order, without their endings; numbers as they are.

    Of a script without spaces, return the pairs of letters instead, but not those of its grammar,
    unless there is nothing else.
    """
    words = _WORD.findall(unicodedata.normalize("NFKC", text).lower())
    runs = [run for word in words for run in _RUN.findall(word)]
    said = (piece for run in runs if not _GRAMMAR.fullmatch(run) for piece in _pieces(run))
    return tuple(said) or tuple(itertools.chain.from_iterable(map(_pairs, runs)))


def _pieces(run: str) -> list[str]:
    if DENSE.match(run):
        return _pairs(run)
    kept = run.isdigit() or (len(run) > 1 and run not in COMMON_WORDS)
    return [_stem(run)] if kept and _stem(run) not in COMMON_WORDS else []


def _pairs(run: str) -> list[str]:
    """Return each two neighbouring letters; nothing of a script with spaces."""
    if not DENSE.match(run):
        return []
    return ["".join(pair) for pair in itertools.pairwise(run)] or [run]


def _stem(word: str) -> str:
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 3:  # noqa: PLR2004  # a stem's least length
            return word.removesuffix(ending)
    return word
