"""Topics of the training records, and questions whose topic has too few of them.

A tuned model learns what it saw several times. A published fine-tuning scored worst on a question
about agents: one of its 85 training records was about agents, several about each other subject.

A record is a vector of its words: prompt and answer without stop words, the prompt's words counted
twice, weighted by how rare they are among the training records (tf-idf). Words in more than a fifth
of the records describe the whole dataset and are left out. Two records are on one topic from a
cosine of `SAME_TOPIC`. A question is thin if no training record is on its topic, or if the nearest
one is isolated: no other is on its topic. A lone record that no question is about is no fault. In
the published data that is the question about agents and none of the other three; in this project's
own evaluation questions, none. A split of one file asks no thin question: it trains on the record.

Words are compared without a plural s, and not by meaning. Chinese and Japanese give runs of kanji,
of katakana and of Latin letters; other scripts without spaces give no words and no warning. If more
than `_MOST_ISOLATED` of the training records are isolated (labels for many kinds of text, say),
words do not identify topics and nothing is reported.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from lambdas.validation.warnings.sketches import first_of_each, is_in, parts, starts, units_of
from lambdas.validation.warnings.stop_words import STOP_WORDS

SAME_TOPIC = 0.115
MOST_QUESTIONS = 500  # evaluation examples whose topics are looked up
_LEAST_TRAINING = 20  # records; with fewer, nothing is reported
MOST_WORDS = 40  # kept per record, the most frequent
_MOST_CHECKED = 500  # evenly spaced records that are checked for being isolated
_COMMON = 0.2
_MOST_ISOLATED = 0.3
_PROMPT_CHARACTERS, _ANSWER_CHARACTERS = 4000, 4000  # read: a prompt's end, an answer's start
# Kinds of words, by code units, and how long they are at least: 0, none (Thai, Lao, Burmese, Khmer,
# hiragana); 1, of scripts with spaces; 2, katakana; 3, kanji; 4, Hangul.
_KINDS = {
    0: [(0x0E00, 0x0EFF), (0x1000, 0x109F), (0x1780, 0x17FF), (0x3040, 0x30A0)],
    2: [(0x30A1, 0x30FF)],
    3: [(0x3400, 0x9FFF)],
    4: [(0xAC00, 0xD7A3)],
}
_LEAST_LENGTHS = np.array([1 << 62, 3, 2, 2, 2])
_BASE = 0x9E3779B97F4A7C15  # odd, so that it has an inverse
_BASES = (np.uint64(_BASE), np.uint64(pow(_BASE, -1, 1 << 64)))
_LOW, _HALF = np.uint64(0xFFFFFFFF), np.uint64(32)
_GENERAL = """about after all also and any are best between both but describe did difference each
effect example explain few first get give has help here how into its just know like list made main
make many may mean means more most much must need new not one only other our out over per please
same say should show some such take tell than that their them then there these they thing this those
three through two type under use used uses using very want way ways well were work works write"""
_STOPPED = STOP_WORDS.union(_GENERAL.split())
_LEVEL_BITS = 2  # of a packed word, for how often it occurs
_LEVEL_MASK = (1 << _LEVEL_BITS) - 1
_MASK = np.uint32(_LEVEL_MASK)
_LEVEL_WEIGHTS = 1 + np.log([1, 2, 3, 5])


def pack_words(prompts: Sequence[str], answers: Sequence[str]) -> list[bytes]:
    """Return the words of each record as hashes with their frequencies, four bytes each.

    Prompts and answers are `normalised`.
    """
    return [
        packed
        for part in parts(len(prompts))
        for packed in _pack(
            [each[-_PROMPT_CHARACTERS:] for each in prompts[part]],
            [each[:_ANSWER_CHARACTERS] for each in answers[part]],
        )
    ]


def _pack(prompts: Sequence[str], answers: Sequence[str]) -> list[bytes]:
    asked = _words(prompts)
    keys = np.sort(np.concatenate([asked, asked, _words(answers)]))
    begins = np.flatnonzero(np.diff(keys, prepend=np.uint64(2**64 - 1)))
    levels = np.minimum(np.diff(begins, append=len(keys)) - 1, _LEVEL_MASK).astype(np.uint64)
    keys = keys[begins]
    is_known = ~is_in(keys & _LOW, _stopped())
    keys, levels = keys[is_known], levels[is_known]
    # Per record, the most frequent words first; sorting small numbers is fast.
    places = (keys >> _HALF << _LEVEL_BITS) + (_LEVEL_MASK - levels)
    order = np.argsort(places.astype(np.uint16), kind="stable")
    return first_of_each((keys >> _HALF)[order], (keys | levels)[order], len(prompts), MOST_WORDS)


@cache
def _stopped() -> NDArray[np.uint64]:
    """Return the sorted hashes of the words that say nothing, and one that no word has."""
    return np.sort(np.append(_words([" ".join(_STOPPED)]), _LOW))


def _words(texts: Sequence[str]) -> NDArray[np.uint64]:
    """Return the texts' words: the text in the high half, in the low one a hash, lowest bits free.

    The hash is that of a polynomial whose coefficients are the word's code units.
    """
    units, owners = units_of(texts)
    kinds = _kinds()[units]
    none = np.uint8(0)
    edges = np.flatnonzero(np.diff(kinds, prepend=none, append=none))
    begins, ends = edges[:-1], edges[1:]
    is_word = (ends - begins >= _LEAST_LENGTHS[kinds[begins]]) & (units[begins] > ord("9"))
    begins, ends = begins[is_word], ends[is_word]
    values = units.astype(np.uint64)
    before = units[ends - 2]
    is_plural = units[ends - 1] == ord("s")
    for letter in "sui":
        is_plural &= before != ord(letter)
    in_ies = is_plural & (before == ord("e")) & (units[ends - 3] == ord("i"))
    in_ies &= ends - begins > len("series")
    values[ends[in_ies] - 3] = ord("y")
    ends = ends - np.where(in_ies, 2, is_plural)
    powers, inverse = (np.multiply.accumulate(np.full(len(units), each)) for each in _BASES)
    sums = np.append(np.uint64(0), np.cumsum(values * powers))
    hashes = (sums[ends] - sums[begins]) * inverse[begins]
    words: NDArray[np.uint64] = owners[begins] << _HALF | hashes >> _HALF & _LOW - _LEVEL_MASK
    return words


@cache
def _kinds() -> NDArray[np.uint8]:
    """Return for each code unit of what kind of word it is a part: see `_LEAST_LENGTHS`."""
    kinds = np.array([chr(code).isalnum() for code in range(1 << 16)], np.uint8)
    for kind, ranges in _KINDS.items():
        for first, last in ranges:
            kinds[first : last + 1] *= kind
    return kinds


class Topics:
    """An index of the training records by their words."""

    def __init__(self, training: Sequence[bytes]) -> None:
        self._training = training
        packed = np.frombuffer(b"".join(training), "<u4")
        owners = np.repeat(np.arange(len(training)), [len(each) // 4 for each in training])
        words, ids, counts = np.unique(packed | _MASK, return_inverse=True, return_counts=True)
        self._words = np.append(words, np.uint32(0))  # so that each place in them has a word
        self._counts = np.append(counts, 0)
        self._rarities = self._rarity(self._counts)
        weights = _LEVEL_WEIGHTS[packed & _MASK] * self._rarities[ids]
        self._norms = np.sqrt(np.bincount(owners, weights**2, minlength=len(training)))
        order = np.argsort(ids, kind="stable")
        self._owners, self._weights = owners[order], weights[order]  # by word
        checked = range(0, len(training), 1 + len(training) // _MOST_CHECKED)
        isolated = sum(map(self.is_isolated, checked))
        most = _MOST_ISOLATED * len(checked)
        self.are_reliable = len(training) >= _LEAST_TRAINING and isolated <= most

    def thin(self, packed: bytes) -> tuple[int, float] | None:
        """Return the nearest training record and its cosine if the topic is thin, else None."""
        cosines = self._cosines(packed) if self.are_reliable else None
        if cosines is None:
            return None
        at = int(cosines.argmax())
        is_thin = cosines[at] < SAME_TOPIC or self.is_isolated(at)
        return (at, float(cosines[at])) if is_thin else None

    def is_isolated(self, at: int) -> bool:
        """Return whether the record has words, and no other is on its topic."""
        cosines = self._cosines(self._training[at])
        return cosines is not None and bool(np.count_nonzero(cosines >= SAME_TOPIC) <= 1)

    def _cosines(self, packed: bytes) -> NDArray[np.float64] | None:
        """Return the cosine of each training record; None without words."""
        levels = np.frombuffer(packed, "<u4")
        places = np.searchsorted(self._words[:-1], levels | _MASK)
        is_known = self._words[places] == levels | _MASK
        weights = _LEVEL_WEIGHTS[levels & _MASK]
        weights = weights * np.where(is_known, self._rarities[places], self._rarity(np.array(0)))
        norm = math.sqrt(weights @ weights)
        if not norm:
            return None
        places, weights = places[is_known & (weights > 0)], weights[is_known & (weights > 0)]
        counts = self._counts[places]
        begins = starts(self._counts)[places]
        entries = np.repeat(begins - starts(counts), counts) + np.arange(counts.sum())
        products = np.repeat(weights, counts) * self._weights[entries]
        sums = np.bincount(self._owners[entries], products, minlength=len(self._training))
        cosines: NDArray[np.float64] = sums / np.where(self._norms, self._norms * norm, 1)
        return cosines

    def _rarity(self, counts: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the inverse document frequency of words in so many records; 0 if in many."""
        total = len(self._training)
        return np.where(counts <= _COMMON * total, np.log((total + 1) / (counts + 0.5)), 0.0)
