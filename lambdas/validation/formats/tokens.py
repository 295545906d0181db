"""Token estimates, as the tokenizers of the tuned models are not public.

Three figures per model family and script. `expected` is calibrated on published tokenizers and
counts. `least` and `most` are bounds for prose, a factor of at most three apart in Latin, Cyrillic,
Japanese, Chinese and Korean script; in others `most` is the number of bytes. `least` is never below
AWS's planning figure, six characters a token, by which AWS's own checkers refuse a record.
`docs/token-counts.md` has the sources, the errors per language and the worst cases.
"""

from __future__ import annotations

import string
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from math import ceil
from typing import Literal

from lambdas.domain.models.model import Model

Family = Literal["claude", "llama", "nova"]

# https://docs.aws.amazon.com/bedrock/latest/userguide/model-customization-prepare.html,
# read 2026-11-23
CHARACTERS_PER_TOKEN = 6
_MOST_PER_MESSAGE = 8  # for the prompt format's own tokens
_CHEAP = (string.ascii_lowercase + " ").encode()
_DIGITS = string.digits.encode()
# No count of prose in `docs/token-counts.md` lies outside these shares of the expected one, in the
# scripts of `_BOUNDED`.
_LEAST_SHARE, _MOST_SHARE = 0.68, 1.95
_BOUNDED = frozenset({"Latin", "Cyrillic", "Kana", "Han", "Hangul"})
_COMBINING_MARKS = (b"\xcc", b"\xcd")  # first bytes of U+0300 to U+036F
# A token is 2 to 3 lower-case letters in most languages, and 4 to 5 in English, which tokenizers
# know best. English is recognised by its commonest words.
_MOST_PER_LETTER, _MOST_PER_ENGLISH_LETTER = 0.66, 0.3
_LETTERS_PER_SPACE = 12  # at most, of words: what has fewer spaces is no prose
_PER_TWO_SPACES = 0.2  # of a run of them, such as an indentation, which is about one token
_COMMONEST = "the of and to in is for with that are on as by it be or you can this from an not has"
_ENGLISH_WORDS = tuple(f" {word} ".encode() for word in _COMMONEST.split())
_LETTERS_PER_ENGLISH_WORD = 25  # and spaces, that one such word counts as English
_EXPECTED_LETTERS_PER_ENGLISH_WORD = 40


@dataclass(frozen=True)
class TokenEstimate:
    """Tokens of one or more texts; `least` <= `expected` <= `most`."""

    least: int
    expected: int
    most: int


def family_of(model: Model) -> Family:
    """Return the model's tokenizer family; Nova, with the highest counts, for an unknown one."""
    families: Mapping[str, Family] = {"Anthropic": "claude", "Meta": "llama", "Amazon": "nova"}
    return families.get(model.provider, "nova")


def estimate(texts: Iterable[str], family: Family) -> TokenEstimate:
    """Estimate one record's tokens, its prompt format's included; empty texts add none.

    A record never has more tokens than bytes of UTF-8, so only long records need checking against a
    limit. It takes about 40 ms for a million bytes.
    """
    filled = [text for text in texts if text]
    data = "\n".join(filled).encode(errors="surrogatepass")
    weights = _PER_FAMILY[family]
    counted = weights.count(data)
    planned = sum(map(len, filled)) // CHARACTERS_PER_TOKEN
    least = max(planned, counted.least)
    most = max(least, counted.most + len(filled) * _MOST_PER_MESSAGE)
    expected = counted.expected + len(filled) * weights.per_message
    return TokenEstimate(least, min(max(least, expected), most), most)


def least_tokens(texts: Iterable[str]) -> int:
    """Return what the texts have at least, whichever family reads them."""
    given = [*texts]
    return min(estimate(given, family).least for family in _PER_FAMILY)


def estimated_tokens(texts: Iterable[str]) -> int:
    """Return what the texts have at most, whichever family reads them."""
    given = [*texts]
    return max(estimate(given, family).most for family in _PER_FAMILY)


# The first bytes of UTF-8 that distinguish scripts, in the order of `_Weights.scripts`.
_SCRIPTS = {
    "Latin": range(0xC2, 0xCE),
    "Greek": range(0xCE, 0xD0),
    "Cyrillic": range(0xD0, 0xD5),
    "Armenian, Hebrew": range(0xD5, 0xD8),
    "Arabic": range(0xD8, 0xE0),
    "Indic": range(0xE0, 0xE1),
    "other": range(0xE1, 0xE2),
    "signs": range(0xE2, 0xE3),
    "Kana": range(0xE3, 0xE4),
    "Han": range(0xE4, 0xEA),
    "Hangul": range(0xEA, 0xEE),
    "forms": range(0xEE, 0xF0),
    "emoji": range(0xF0, 0xF5),
}
# Scripts with first two bytes of their own, and the script that the first byte alone stands for.
_VIETNAMESE = (b"\xe1\xba", b"\xe1\xbb"), "other"
_REFINED = ((b"\xe0\xa4", b"\xe0\xa5"), "Indic"), ((b"\xe0\xb8", b"\xe0\xb9"), "Indic"), _VIETNAMESE
_UNITS = 63  # per token, in the bytes of the tables of `_Weights`


@dataclass(frozen=True)
class _Weights:
    """Expected tokens per character, by kind of character."""

    english: float  # lower-case letters and spaces
    letters: float  # the same in other languages, and its bounds
    least_letters: float
    most_letters: float
    capitals: float
    digits: float
    signs: float
    scripts: tuple[float, ...]
    refined: tuple[float, float, float]  # those of `_REFINED`
    per_message: int

    def count(self, data: bytes) -> TokenEstimate:
        """Estimate without what the prompt format adds."""
        rest = data.translate(None, _CHEAP)
        cheap = len(data) - len(rest)
        english_words = sum(map(data.count, _ENGLISH_WORDS))
        english = min(english_words * _EXPECTED_LETTERS_PER_ENGLISH_WORD, cheap)
        tokens = sum(data.translate(self.table)) / _UNITS + self._refinement(data)
        tokens -= english * (self.letters - self.english)
        foreign = (cheap - english) * (self.least_letters - _LEAST_SHARE * self.letters)
        least = max(0, int(_LEAST_SHARE * tokens + foreign))
        english = min(english_words * _LETTERS_PER_ENGLISH_WORD, cheap)
        return TokenEstimate(least, round(tokens), self._most(data, rest, cheap, english))

    def _most(self, data: bytes, rest: bytes, cheap: int, english: int) -> int:
        """Return an upper bound: one token per byte, fewer for letters that prose is made of.

        No byte-level tokenizer makes more tokens than bytes. In some, a space after a digit is a
        token of its own, and so is a letter before a combining mark.
        """
        digits = len(rest) - len(rest.translate(None, _DIGITS))
        dear = min(cheap - english, digits + sum(map(rest.count, _COMBINING_MARKS)))
        others = cheap - english - dear
        words = min(others, data.count(b" ") * _LETTERS_PER_SPACE)
        letters = words * self.most_letters + (others - words) * _MOST_PER_LETTER
        signs = len(rest) if data.isascii() else sum(rest.translate(self.most_table)) / _UNITS
        signs -= sum(map(rest.count, _VIETNAMESE[0])) * max(0.0, 3 - _MOST_SHARE * self.refined[-1])
        return ceil(signs + dear + english * _MOST_PER_ENGLISH_LETTER + letters)

    @cached_property
    def most_table(self) -> bytes:
        """The most tokens of a character by its first byte, in `_UNITS` per token."""
        most = [1.0] * 128 + [0.0] * 64 + [2.0] * 32 + [3.0] * 16 + [4.0] * 16
        for (script, first_bytes), weight in zip(_SCRIPTS.items(), self.scripts, strict=True):
            for each in first_bytes if script in _BOUNDED else ():
                most[each] = min(most[each], _MOST_SHARE * weight)
        return bytes(ceil(each * _UNITS) for each in most)

    def _refinement(self, data: bytes) -> float:
        """Return the correction for what one byte does not tell: runs of spaces, some scripts."""
        spaces = data.count(b"  ") * (_PER_TWO_SPACES - 2 * self.letters)
        if data.isascii():
            return spaces
        usual = dict(zip(_SCRIPTS, self.scripts, strict=True))
        return spaces + sum(
            sum(map(data.count, pairs)) * (weight - usual[script])
            for (pairs, script), weight in zip(_REFINED, self.refined, strict=True)
        )

    @cached_property
    def table(self) -> bytes:
        """The weight of each byte, in `_UNITS` per token."""
        weights = [self.signs] * 128 + [0.0] * 128
        for letters, weight in (
            (_CHEAP, self.letters),
            (string.ascii_uppercase.encode(), self.capitals),
            (_DIGITS, self.digits),
            *zip(_SCRIPTS.values(), self.scripts, strict=True),
        ):
            for each in letters:
                weights[each] = weight
        return bytes(round(weight * _UNITS) for weight in weights)


_PER_FAMILY: Mapping[Family, _Weights] = {  # in the order of the fields
    "claude": _Weights(
        0.21, 0.34, 0.19, 0.54, 0.44, 0.42, 0.6,
        (1.6, 1.2, 0.6, 1.2, 1.15, 1.3, 1.7, 1.2, 0.95, 1.3, 1.15, 1.2, 2.6), (1.3, 1.2, 2.2), 4,
    ),
    "llama": _Weights(
        0.2, 0.3, 0.18, 0.46, 0.36, 0.4, 0.5,
        (0.55, 0.43, 0.4, 1.2, 0.5, 1.6, 2.0, 1.0, 0.6, 0.9, 0.74, 1.0, 2.4), (0.63, 0.52, 0.3), 5,
    ),
    "nova": _Weights(
        0.205, 0.32, 0.185, 0.52, 0.5, 1, 0.6,
        (1.3, 1.1, 0.5, 1.25, 1.2, 1.2, 1.5, 1.2, 1.2, 1.45, 1.35, 1.3, 3), (1.25, 1.0, 1.6), 1,
    ),
}  # fmt: skip
