"""What two texts have in common by their surface: ROUGE-L and chrF, in any script.

Both read full-width and half-width forms as one (NFKC). What they cannot tell is length: an answer
that is longer has less of the reference in it, so the ratio of the lengths belongs beside them.
"""

from __future__ import annotations

import unicodedata
from functools import cache

import regex
from rapidfuzz.distance import LCSseq
from sacrebleu.metrics.chrf import CHRF

# Scripts that put no spaces between words; "ー", which lengthens a vowel, belongs to both kana.
_DENSE = r"\p{Han}\p{Hiragana}\p{Katakana}ー\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
# Combining marks are part of a word, or else those of Hindi fall apart.
_TOKEN = regex.compile(
    rf"[{_DENSE}]\p{{M}}* | [[\p{{L}}\p{{N}}\p{{M}}]--[{_DENSE}]]+", regex.VERBOSE | regex.V1
)


def tokens(text: str) -> list[str]:
    """Return the words of a text, or its characters where its script has no spaces between them."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return [*_TOKEN.findall(folded)]


def rouge_l(answer: str, reference: str) -> float:
    """Return the F1 of the longest common subsequence of tokens, from 0 to 1.

    Lin 2004, https://aclanthology.org/W04-1013; the same as rouge-score's on the same tokens.
    """
    said, expected = tokens(answer), tokens(reference)
    if not (said and expected):
        return 0.0
    return 2 * LCSseq.similarity(said, expected) / (len(said) + len(expected))


def chrf(answer: str, reference: str) -> float:
    """Return the F2 of character n-grams up to six, from 0 to 100.

    Popović 2015, https://aclanthology.org/W15-3049, by sacrebleu with its defaults.
    """
    one, other = (unicodedata.normalize("NFKC", text) for text in (answer, reference))
    return float(_metric().sentence_score(one, [other]).score)


def chrf_signature() -> str:
    """Return what sacrebleu wants cited with its scores: its version and settings."""
    return str(_metric().get_signature())


def length_ratio(answer: str, reference: str) -> float:
    """Return how often as many characters as its reference an answer has."""
    return len(answer.strip()) / max(len(reference.strip()), 1)


@cache
def _metric() -> CHRF:
    return CHRF()
