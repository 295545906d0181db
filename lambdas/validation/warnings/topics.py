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
import struct
from array import array
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from lambdas.validation.warnings.sketches import first_of_each, is_in, parts, units_of
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
_LEVEL_WEIGHTS = tuple(1 + math.log(count) for count in (1, 2, 3, 5))


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
        self._postings: Mapping[int, array[int]] = _postings(training)
        self._idf = {word: self._rarity(len(found)) for word, found in self._postings.items()}
        self._norms = [self._norm(packed) for packed in training]
        checked = range(0, len(training), 1 + len(training) // _MOST_CHECKED)
        isolated = sum(self.has_fewer(at, 1) for at in checked)
        most = _MOST_ISOLATED * len(checked)
        self.are_reliable = len(training) >= _LEAST_TRAINING and isolated <= most

    def _nearest(self, packed: bytes) -> tuple[int, float] | None:
        """Return the position and cosine of the nearest training record; None without words."""
        norm = self._norm(packed)
        if not norm:
            return None
        scores: defaultdict[int, float] = defaultdict(float)
        for _ in self._scored(packed, scores):
            pass
        at = max(scores, key=lambda each: scores[each] / self._norms[each], default=0)
        return at, scores[at] / norm / (self._norms[at] or 1)

    def thin(self, packed: bytes) -> tuple[int, float] | None:
        """Return the nearest training record and its cosine if the topic is thin, else None."""
        nearest = self._nearest(packed) if self.are_reliable else None
        if nearest and (nearest[1] < SAME_TOPIC or self.has_fewer(nearest[0], 1)):
            return nearest
        return None

    def has_fewer(self, at: int, others: int) -> bool:
        """Return whether the record has words and fewer than so many others are on its topic."""
        packed, norm = self._training[at], self._norms[at]
        scores: defaultdict[int, float] = defaultdict(float)
        near: set[int] = set()
        for other in self._scored(packed, scores):
            if other != at and scores[other] >= SAME_TOPIC * norm * self._norms[other]:
                near.add(other)
                if len(near) >= others:
                    return False
        return norm > 0

    def _scored(self, packed: bytes, scores: defaultdict[int, float]) -> Iterator[int]:
        """Add up the products of weights into `scores`, rarest words first; yield each record."""
        weighted = sorted(self._weighted(packed), key=lambda pair: -pair[1])
        for word, weight in weighted:
            idf = self._idf.get(word, 0.0)
            for entry in self._postings.get(word, ()):
                other = entry >> _LEVEL_BITS
                scores[other] += weight * _LEVEL_WEIGHTS[entry & _LEVEL_MASK] * idf
                yield other

    def _weighted(self, packed: bytes) -> Iterator[tuple[int, float]]:
        unknown = self._rarity(0)
        for each in _unpacked(packed):
            word = each & ~_LEVEL_MASK
            if idf := self._idf.get(word, unknown):
                yield word, _LEVEL_WEIGHTS[each & _LEVEL_MASK] * idf

    def _rarity(self, count: int) -> float:
        """Return the inverse document frequency of a word in `count` records; 0 if in many."""
        total = len(self._training)
        return math.log((total + 1) / (count + 0.5)) if count <= _COMMON * total else 0.0

    def _norm(self, packed: bytes) -> float:
        return math.sqrt(sum(weight * weight for _, weight in self._weighted(packed)))


def _unpacked(packed: bytes) -> tuple[int, ...]:
    return struct.unpack(f"<{len(packed) // 4}I", packed)


def _postings(training: Sequence[bytes]) -> dict[int, array[int]]:
    """Return for each word its records, each with the word's frequency in its lowest bits."""
    postings: defaultdict[int, array[int]] = defaultdict(lambda: array("L"))
    for at, packed in enumerate(training):
        for each in _unpacked(packed):
            postings[each & ~_LEVEL_MASK].append(at << _LEVEL_BITS | each & _LEVEL_MASK)
    return dict(postings)
