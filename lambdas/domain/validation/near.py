"""Texts that say nearly the same: small sketches of them, and the pairs and groups they form.

A text is reduced to the set of its character n-grams ("shingles": 5 characters, 3 where the script
has no spaces), after case, spaces, signs and full-width forms are made equal. How alike two texts
are is the Jaccard index of their sets, shared / all. A sketch keeps the `SKETCH_HASHES` smallest
hashes of the set (bottom-k MinHash, Broder 1997: https://doi.org/10.1109/SEQUEN.1997.666900), so
that texts with fewer shingles are compared exactly and longer ones with a standard error of 0.07.

Candidates are found by prefix filtering (Chaudhuri et al. 2006:
https://doi.org/10.1109/ICDE.2006.9): two sets that share most of their members must share one of
the few rarest ones. What a tenth of all texts have in common is a template and not enough, so that
records which differ in the one part that matters are not taken for copies.
"""

from __future__ import annotations

import math
import re
import struct
import unicodedata
from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from zlib import crc32

NEAR = 0.7  # the Jaccard index from which two texts count as near-duplicates
SKETCH_HASHES = 48
_SHINGLE, _DENSE_SHINGLE = 5, 3  # characters
_DENSE_SHARE = 0.3  # of the characters, from which a text counts as written without spaces
_WHOLE_CHARACTERS = 8192  # longer texts are sampled, so that one record costs milliseconds at most
_TEMPLATE_SHARE, _TEMPLATE_TEXTS = 0.1, 30  # a shingle in more texts than both is a template's
_NEAR_BESIDE_TEMPLATE = 0.5  # how alike near-duplicates are in what is not the template's
_LEAST_COMPARED = 8  # fewer hashes of a long text, left beside a template, tell nothing
_COMPARED_PER_SHINGLE = 200
_SHARED_RAREST = 4  # of their rarest hashes, that two texts must share to be compared
_SURPLUS = 2  # times as many hashes are sorted as are likely to be kept
_FREQUENCY_SLOTS = 1 << 20

_WORDS = re.compile(r"\w+")
_SENTENCES = re.compile(r"[^.!?\n。!?]{1,400}")
_DENSE = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]")
_UNIT_BYTES = 2  # UTF-16: slices of it are slices of characters


def _slices(length: int) -> tuple[slice, ...]:
    size = length * _UNIT_BYTES
    return tuple(
        slice(start, start + size) for start in range(0, _WHOLE_CHARACTERS * 2, _UNIT_BYTES)
    )


_SLICES = {length: _slices(length) for length in (_SHINGLE, _DENSE_SHINGLE)}


def normalised(text: str) -> str:
    """Reduce a text to its words, so that case, spaces, signs and full-width forms hide nothing."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    return " ".join(_WORDS.findall(text.casefold())) or text.strip()


def sketch_text(text: str) -> bytes:
    """Return the text's sketch: its smallest shingle hashes, ascending, four bytes each."""
    hashes = _smallest(_shingle_hashes(normalised(_sample(text))))
    return struct.pack(f"<{len(hashes)}I", *hashes)


def similarity(one: bytes, other: bytes) -> float:
    """Estimate the Jaccard index of two texts from their sketches."""
    return _jaccard(_hashes(one), _hashes(other))


def near_pairs(sketches: Sequence[bytes]) -> Iterator[tuple[int, int, float]]:
    """Yield (earlier, later, similarity) for texts at least `NEAR` alike, later ascending.

    A text is compared with at most `_COMPARED_PER_SHINGLE` others for each of its rarest shingles,
    the earliest first: of thousands of near-copies each is paired with some, not with all.
    """
    frequencies = _Frequencies(sketches)
    seen: defaultdict[int, list[int]] = defaultdict(list)
    needed: list[int] = []
    for later, hashes in enumerate(map(_hashes, sketches)):
        own = set(hashes)
        rarest, own_needed = frequencies.rarest(hashes)
        needed.append(own_needed)
        met = Counter(chain.from_iterable(seen.get(key, ()) for key in rarest))
        for earlier in sorted(met):
            if met[earlier] >= min(own_needed, needed[earlier]):
                other = _hashes(sketches[earlier])
                if len(own.intersection(other)) < NEAR * max(len(own), len(other)):
                    continue  # without the exact comparison, ten times as slow
                alike = _alike(hashes, other, frequencies)
                if alike >= NEAR:
                    yield earlier, later, alike
        for key in rarest:
            if len(seen[key]) < _COMPARED_PER_SHINGLE:
                seen[key].append(later)


def near_duplicate_groups(texts: Sequence[str], answers: Sequence[str] = ()) -> list[list[int]]:
    """Return the texts' positions in groups: each once, alone where nothing is nearly the same.

    Give each text's answer too, in the same order, and those whose longer answers are nearly the
    same are put together as well: what `near-leak` warns of then never straddles two groups.
    Groups are transitive (a ~ b and b ~ c put all three together), ascending within and by their
    first member. Texts that differ in case, spaces and signs only are always together.
    """
    parents = list(range(len(texts)))
    first: dict[str, int] = {}
    for at, text in enumerate(texts):
        _join(parents, first.setdefault(normalised(text), at), at)
    pairs = near_pairs([sketch_text(text) for text in texts])
    for earlier, later, _ in (
        *pairs,
        *near_pairs(telling([sketch_text(each) for each in answers])),
    ):
        _join(parents, earlier, later)
    groups: defaultdict[int, list[int]] = defaultdict(list)
    for at in range(len(texts)):
        groups[_root(parents, at)].append(at)
    return sorted(groups.values())


def telling(sketches: Iterable[bytes]) -> list[bytes]:
    """Empty the sketches of short texts: that two answers are "yes" or a label tells nothing."""
    return [each if len(each) == SKETCH_HASHES * 4 else b"" for each in sketches]


class _Frequencies:
    """How many texts hold a shingle; hashes may share a slot, which only changes their order."""

    def __init__(self, sketches: Iterable[bytes]) -> None:
        self._counts = array("I", bytes(_FREQUENCY_SLOTS * array("I").itemsize))
        texts = 0
        for texts, sketch in enumerate(sketches, start=1):  # noqa: B007  # counted here
            for each in _hashes(sketch):
                self._counts[each % _FREQUENCY_SLOTS] += 1
        self._most = max(_TEMPLATE_TEXTS, texts * _TEMPLATE_SHARE)

    def of(self, each: int) -> int:
        return self._counts[each % _FREQUENCY_SLOTS]

    def beside_template(self, hashes: Iterable[int]) -> list[int]:
        return [each for each in hashes if self.of(each) <= self._most]

    def rarest(self, hashes: Sequence[int]) -> tuple[list[int], int]:
        """Return the rarest hashes, and how many of them a near text must share."""
        least_shared = math.ceil(NEAR * len(hashes))
        needed = min(_SHARED_RAREST, least_shared)
        ordered = sorted(hashes, key=lambda each: (self.of(each), each))
        prefix = ordered[: len(ordered) - least_shared + needed]
        kept = self.beside_template(prefix)
        return kept, max(1, needed - (len(prefix) - len(kept)))


def _alike(one: Sequence[int], other: Sequence[int], frequencies: _Frequencies) -> float:
    """Return the similarity, or 0 where the texts share little but their template."""
    whole = _jaccard(one, other)
    if whole < NEAR:
        return 0.0
    shared, every = _compared(one, other)
    rest = frequencies.beside_template(every)
    if len(rest) == len(every):
        return whole
    sampled = SKETCH_HASHES in {len(one), len(other)}
    if sampled and len(rest) < _LEAST_COMPARED:
        return 0.0
    in_both = sum(each in shared for each in rest)
    return whole if rest and in_both >= _NEAR_BESIDE_TEMPLATE * len(rest) else 0.0


def _jaccard(one: Sequence[int], other: Sequence[int]) -> float:
    shared, every = _compared(one, other)
    return len(shared) / len(every) if every else 0.0


def _compared(one: Sequence[int], other: Sequence[int]) -> tuple[set[int], set[int]]:
    """Return the shared and all hashes up to where both sketches are complete."""
    first, second = set(one), set(other)
    full = [each[-1] for each in (one, other) if len(each) == SKETCH_HASHES]
    if full:
        bound = min(full)
        first = {each for each in first if each <= bound}
        second = {each for each in second if each <= bound}
    return first & second, first | second


def _smallest(hashes: set[int]) -> list[int]:
    """Return the `SKETCH_HASHES` smallest in order, without sorting the many that are not."""
    bound = (_SURPLUS * SKETCH_HASHES << 32) // max(1, len(hashes))
    few = [each for each in hashes if each < bound]
    return sorted(few if len(few) >= SKETCH_HASHES else hashes)[:SKETCH_HASHES]


def _hashes(sketch: bytes) -> tuple[int, ...]:
    return struct.unpack(f"<{len(sketch) // 4}I", sketch)


def _shingle_hashes(text: str) -> set[int]:
    dense = len(_DENSE.findall(text)) > _DENSE_SHARE * len(text) if not text.isascii() else False
    length = _DENSE_SHINGLE if dense else _SHINGLE
    units = text.encode("utf-16-le", errors="surrogatepass")
    count = max(1, len(units) // _UNIT_BYTES - length + 1) if units else 0
    return set(map(crc32, map(units.__getitem__, islice(_SLICES[length], count))))


def _sample(text: str) -> str:
    """Return a long text's share of sentences, chosen by their content so that edits shift none."""
    share = len(text) // _WHOLE_CHARACTERS
    if not share:
        return text
    mask = (1 << share.bit_length()) - 1
    pieces = (each.strip() for each in _SENTENCES.findall(text))
    return " ".join(each for each in pieces if not _crc(each) & mask)


def _crc(text: str) -> int:
    return crc32(text.encode(errors="surrogatepass"))


def _root(parents: list[int], at: int) -> int:
    while parents[at] != at:
        parents[at] = parents[parents[at]]
        at = parents[at]
    return at


def _join(parents: list[int], one: int, other: int) -> None:
    first, second = sorted((_root(parents, one), _root(parents, other)))
    parents[second] = first
