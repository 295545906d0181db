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
import re
import struct
from array import array
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from operator import itemgetter
from zlib import crc32

from lambdas.validation.warnings.stop_words import STOP_WORDS

SAME_TOPIC = 0.12
MOST_QUESTIONS = 500  # evaluation examples whose topics are looked up
_LEAST_TRAINING = 20  # records; with fewer, nothing is reported
MOST_WORDS = 40  # kept per record, the most frequent
_MOST_CHECKED = 500  # evenly spaced records that are checked for being isolated
_COMMON = 0.2
_MOST_ISOLATED = 0.3
_PROMPT_CHARACTERS, _ANSWER_CHARACTERS = 4000, 4000  # read: a prompt's end, an answer's start
_LEAST_LETTERS = 3
_KNOWN_WORDS = 1 << 15  # whose hashes are kept
_WORD = re.compile(
    r"[^\W\d_\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u9fff][\w-]*"
    r"|[\u30a1-\u30ff]{2,}|[\u3400-\u9fff]{2,}"
)
_ASCII_WORD = re.compile(r"[a-z][\w-]*", re.ASCII)  # the same, far faster
_GENERAL = """about after all also and any are best between both but describe did difference each
effect example explain few first get give has help here how into its just know like list made main
make many may mean means more most much must need new not one only other our out over per please
same say should show some such take tell than that their them then there these they thing this those
three through two type under use used uses using very want way ways well were work works write"""
_STOPPED = STOP_WORDS.union(_GENERAL.split())
_LEVEL_BITS = 2  # of a packed word, for how often it occurs
_LEVEL_MASK = (1 << _LEVEL_BITS) - 1
_LEVEL_WEIGHTS = tuple(1 + math.log(count) for count in (1, 2, 3, 5))
_LEVELS = {1: 0, 2: 1, 3: 2}  # more often: the last


def pack_words(prompt: str, answer: str) -> bytes:
    """Return the record's words as hashes with their frequencies, four bytes each."""
    asked = list(_words(prompt[-_PROMPT_CHARACTERS:]))
    counts = Counter([*asked, *asked, *_words(answer[:_ANSWER_CHARACTERS])])
    packed = [word | _LEVELS.get(count, _LEVEL_MASK) for word, count in _most_common(counts)]
    return struct.pack(f"<{len(packed)}I", *packed)


def _most_common(counts: Counter[int]) -> list[tuple[int, int]]:
    """Return the most frequent words, the first of equals before the others."""
    return sorted(counts.items(), key=itemgetter(1), reverse=True)[:MOST_WORDS]


def _words(text: str) -> Iterator[int]:
    pattern = _ASCII_WORD if text.isascii() else _WORD
    return filter(None, map(_hashed, pattern.findall(text.casefold())))


@lru_cache(_KNOWN_WORDS)
def _hashed(word: str) -> int:
    """Return the hash of a word, its lowest bits free; 0 for a word that says nothing."""
    if word in _STOPPED or (len(word) < _LEAST_LETTERS and word.isascii()):
        return 0
    word = _singular(word)
    if word in _STOPPED:
        return 0
    return crc32(word.encode(errors="surrogatepass")) & ~_LEVEL_MASK


def _singular(word: str) -> str:
    if word.endswith("ies") and len(word) > len("series"):
        return word.removesuffix("ies") + "y"
    return word[:-1] if word.endswith("s") and not word.endswith(("ss", "us", "is")) else word


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
