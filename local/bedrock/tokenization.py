"""Tokens as the service counts them, and the content words of a text."""

from __future__ import annotations

import functools
import math
import re

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
_DENSE = re.compile(r"[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff]")
_HIRAGANA = re.compile(r"[\u3040-\u309f]+")
_ENDINGS = ("ations", "ation", "ings", "ing", "ies", "ied", "ers", "er", "ed", "es", "s", "e", "y")


def count_tokens(text: str) -> int:
    """Estimate tokens at four characters each, as the runtime reports them."""
    return max(1, math.ceil(len(text) / _CHARACTERS_PER_TOKEN))


@functools.lru_cache(maxsize=4096)
def content_stems(text: str) -> tuple[str, ...]:
    """Return the words that say something, in order, without their endings.

    Of a script without spaces, return the pairs of letters instead, but not those of its grammar.
    """
    words = re.findall(r"[^\W_]+", text.lower())
    return tuple(
        piece
        for word in words
        for piece in (_pairs(word) if _DENSE.search(word) else [_stem(word)])
        if piece not in COMMON_WORDS and len(piece) > 1
    )


def _pairs(word: str) -> list[str]:
    pairs = (word[at : at + 2] for at in range(len(word) - 1))
    return [pair for pair in pairs if not _HIRAGANA.fullmatch(pair)]


def _stem(word: str) -> str:
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 3:  # noqa: PLR2004  # a stem's least length
            return word.removesuffix(ending)
    return word
