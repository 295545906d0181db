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
from array import array
from collections import Counter
from collections.abc import Sequence
from functools import cache, lru_cache
from operator import itemgetter
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from lambdas.validation.warnings.sketches import starts

SAME_TOPIC = 0.115
MOST_QUESTIONS = 500  # evaluation examples whose topics are looked up
_LEAST_TRAINING = 20  # records; with fewer, nothing is reported
MOST_WORDS = 40  # kept per record, the most frequent
_MOST_CHECKED = 500  # evenly spaced records that are checked for being isolated
_COMMON = 0.2
_MOST_ISOLATED = 0.3
_PROMPT_CHARACTERS, _ANSWER_CHARACTERS = 4000, 4000  # read: a prompt's end, an answer's start
# Runs of kanji, of katakana, of Hangul, or of letters and digits of a script with spaces: none of
# Thai, Lao, Burmese, Khmer or hiragana.
_WORDS = re.compile(
    r"[\u3400-\u9fff]{2,}|[\u30a1-\u30ff]{2,}|[\uac00-\ud7a3]{2,}"
    r"|[^\W_\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3]{3,}"
)
_LEAST_LETTERS, _LEAST_IES = 3, len("series") + 1
# The commonest words of languages in Latin script.
_COMMONEST = """
aan adalah akan alla als and apa are atau att auch auf aux avec bagaimana bei bij bir can cette che
cho com come comment como con cuál czy các cómo của daha dalam dan dans dari das dat dei del della
dem den dengan der des det deze değil die dit dla does dos een ein eine einer elle eller est esta
este ett että for fra from från för für gibi gli har have het hoe how hur hvad hvordan ikke ile ini
inte ist itu için jak jako jego jest joka jsou kan kann không které který kun las les los lub mais
mas med met mit miten mitä mutta myös más một naar nach nebo nel není người như những nicht nie
niet non not nous này não när når och oder olan olarak oleh olla ook ovat pada par para pas per
pero più por pour pro przez qual quale que quel questa questo qui qué seu should sich sind się som
son sono sont sur são tai that the this tidak til till trong uma una und une untuk vad van var veya
você voi von voor votre vous với was wat werden were what when which who why wie will wird with
worden wordt would yang you your zijn được
"""
STOP_WORDS = frozenset(_COMMONEST.split())
_GENERAL = """about after all also and any are best between both but describe did difference each
effect example explain few first get give has help here how into its just know like list made main
make many may mean means more most much must need new not one only other our out over per please
same say should show some such take tell than that their them then there these they thing this those
three through two type under use used uses using very want way ways well were work works write"""
_LEVEL_BITS = 2  # of a packed word, for how often it occurs
_LEVEL_MASK = (1 << _LEVEL_BITS) - 1
_MASK = np.uint32(_LEVEL_MASK)
_LEVEL_WEIGHTS = 1 + np.log([1, 2, 3, 5])


def pack_words(prompt: str, answer: str) -> bytes:
    """Return the words of a record as hashes with their frequencies, four bytes each.

    Prompt and answer are `normalised`.
    """
    asked, said = _words(prompt[-_PROMPT_CHARACTERS:]), _words(answer[:_ANSWER_CHARACTERS])
    counts = Counter(map(_hash, [*asked, *asked, *said]))
    del counts[0]
    frequent = sorted(counts.items(), key=itemgetter(1), reverse=True)[:MOST_WORDS]
    most = _LEVEL_MASK
    packed = [word + (count - 1 if count <= most else most) for word, count in frequent]
    return array("I", packed).tobytes()


def _words(text: str) -> list[str]:
    """Return runs of letters; ASCII is split at blanks, far faster, and gives short ones, too."""
    return text.split() if text.isascii() else _WORDS.findall(text)


@lru_cache(1 << 16)
def _hash(word: str) -> int:
    """Return a word's hash with its lowest bits free; 0 for a word that says nothing."""
    if len(word) < _LEAST_LETTERS and word.isascii():
        return 0
    word = _singular(word)
    return 0 if word in _stopped() or not word[0].isalpha() else crc32(word.encode()) & ~_LEVEL_MASK


@cache
def _stopped() -> frozenset[str]:
    return frozenset(map(_singular, STOP_WORDS.union(_GENERAL.split())))


def _singular(word: str) -> str:
    if word.endswith("ies") and len(word) >= _LEAST_IES:
        return word[:-3] + "y"
    return word[:-1] if word.endswith("s") and not word.endswith(("ss", "us", "is")) else word


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
