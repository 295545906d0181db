"""Finds near-duplicates among many texts, as pairs and groups, at a bounded cost per text.

Candidates are found by triples: three hashes that follow each other in a sketch. If more than two
thirds of the hashes of two texts are shared, some triple is, wherever the others stand; and few
triples of a text occur in any other that is not near. What more than a tenth of all texts share is
a template and does not count: records that differ in the one part that matters are not duplicates.
Where it takes most of a sketch, and half of the rest is shared, one near text in twenty is missed.

Each distinct sketch is looked up and compared a bounded number of times, however similar the texts
are. `incomplete` has the texts for which the bound left something out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from heapq import merge
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lambdas.validation.warnings.sketches import (
    NEAR,
    SKETCH_HASHES,
    hashes_of,
    is_in,
    normalised,
    shared_and_all,
    sketch_texts,
    starts,
    without_short_texts,
)

MOST_COMPARED = 32  # other texts that a text is compared with, the most similar first
_MOST_NEAR = 8  # of these that a text is paired with
_MOST_LOOKED_UP = 2_000  # index entries per text
_EFFORT_OF_GROUPS = 8  # groups are split into files once, and a missed pair becomes a leak
_TEMPLATE_SHARE, _TEMPLATE_TEXTS = 0.1, 30  # in more texts than both: a template's shingle
_NEAR_BESIDE_TEMPLATE = 0.5  # similarity of near-duplicates outside the template
_LEAST_COMPARED = 8  # hashes outside the template; fewer of a long text say nothing
_START, _END = 0, 0xFFFFFFFF  # of a sketch, which all texts share
_MIX = np.uint64(0x9E3779B97F4A7C15)  # odd, its bits without order
_LOW = 0xFFFFFFFF
_PAIRS_AT_ONCE = 1 << 19  # are counted
_SIGNATURE_BITS = 512

NearPair = tuple[int, int, float]  # earlier position, later position, similarity
_Integers = NDArray[np.int64]
_Keys = NDArray[np.uint64]  # a number in the high half, a position in the low one


class NearPairs:
    """The pairs of texts with a similarity of at least `NEAR`.

    Iterating yields them by ascending later position. A copy has the pairs of its original, and one
    with it. `incomplete` then has the texts that were not compared with all that they resemble.
    """

    def __init__(
        self,
        sketches: Sequence[bytes],
        is_known: Callable[[int, int], bool] = lambda *_: False,
        effort: int = 1,
    ) -> None:
        """Take one sketch per text; known pairs are neither compared nor yielded.

        `effort` multiplies the bounds on look-ups, comparisons and pairs per text.
        """
        self.incomplete: set[int] = set()
        self.comparisons = 0
        self._effort = effort
        self._sketches, self._is_known = sketches, is_known
        copies = Counter(sketches)
        self._template = _Template(copies)
        self._repeated = {
            each for each, count in copies.items() if count > 1 and self._is_like_itself(each)
        }

    def __iter__(self) -> Iterator[NearPair]:
        original: dict[bytes, int] = {}
        found: dict[int, list[tuple[int, float]]] = {}  # of originals
        positions: list[int] = []
        copies: list[int] = []
        for at, sketch in enumerate(self._sketches):
            is_copy = sketch in self._repeated and original.setdefault(sketch, at) != at
            (copies if is_copy else positions).append(at)
        met = self._candidates(positions)
        for later, candidates in merge(met, ((at, None) for at in copies), key=itemgetter(0)):
            first = original.get(self._sketches[later])
            near: Iterable[tuple[int, float]]
            if first is not None and candidates is None:
                near = [*found.get(first, ()), (first, 1.0)]
                self.incomplete.update({later} if first in self.incomplete else ())
            else:
                near = self._near(later, candidates or ())
                if first is not None:
                    near = found[first] = [*near]
            for earlier, alike in near:
                yield earlier, later, alike

    def _candidates(
        self, positions: Sequence[int]
    ) -> Iterator[tuple[int, Iterable[tuple[int, bool]] | None]]:
        """Yield the texts that have candidates: their positions, and whether each may be near."""
        index = _Index(
            [self._sketches[at] for at in positions],
            self._template.hashes,
            _MOST_LOOKED_UP * self._effort,
        )
        self.incomplete.update(positions[at] for at in index.incomplete)
        for later, candidates in groupby(index, key=itemgetter(0)):
            yield (
                positions[later],
                ((positions[at], may_be_near) for _, at, may_be_near in candidates),
            )

    def _near(self, at: int, candidates: Iterable[tuple[int, bool]]) -> Iterator[tuple[int, float]]:
        """Yield the earlier texts that are near a new one."""
        left, wanted = MOST_COMPARED * self._effort, _MOST_NEAR * self._effort
        for earlier, may_be_near in candidates:
            if self._is_known(earlier, at):
                continue
            if not (left and wanted):
                self.incomplete.add(at)
                break
            left -= 1
            self.comparisons += 1
            if may_be_near:
                one, other = hashes_of(self._sketches[at]), hashes_of(self._sketches[earlier])
                alike = self._template.similarity(one, other)
                if alike >= NEAR:
                    wanted -= 1
                    yield earlier, alike

    def _is_like_itself(self, sketch: bytes) -> bool:
        """Return whether copies are near: not if they may differ in what their sketches omit."""
        hashes = hashes_of(sketch)
        return self._template.similarity(hashes, hashes) >= NEAR


class _Template:
    """The hashes that very many texts have."""

    def __init__(self, sketches: Collection[bytes]) -> None:
        """Take distinct sketches: copies of one text do not make a template."""
        hashes = np.sort(np.frombuffer(b"".join(sketches), "<u4"))
        counts = np.bincount(_run_of_each(hashes))
        most = max(_TEMPLATE_TEXTS, len(sketches) * _TEMPLATE_SHARE)
        self.hashes = frozenset(hashes[starts(counts)[counts > most]].tolist())

    def similarity(self, one: Sequence[int], other: Sequence[int]) -> float:
        """Return the similarity, or 0 if the texts share little but their template."""
        shared, every = shared_and_all(one, other)
        whole = len(shared) / len(every) if every else 0.0
        if whole < NEAR:
            return 0.0
        rest = len(every - self.hashes)
        if rest == len(every):
            return whole
        sampled = SKETCH_HASHES in {len(one), len(other)}
        if not rest or (sampled and rest < _LEAST_COMPARED):
            return 0.0
        return whole if len(shared - self.hashes) >= _NEAR_BESIDE_TEMPLATE * rest else 0.0


class _Index:
    """The triples of sketches: hashes that follow each other, the template left out.

    Iterating yields each sketch, in order, with each earlier one that shares enough of them, the
    most similar first, and whether the two may be near. `incomplete` has the sketches that may be
    near to others which the bound on look-ups left out.
    """

    def __init__(self, sketches: Sequence[bytes], template: frozenset[int], most: int) -> None:
        self._lengths = np.array([len(each) // 4 for each in sketches], np.int64)
        hashes = np.frombuffer(b"".join(sketches), "<u4")
        owners = np.repeat(np.arange(len(sketches)), self._lengths)
        is_own = ~is_in(hashes, np.array([*sorted(template), 1 << 32], np.uint64))
        own = np.bincount(owners[is_own], minlength=len(sketches))
        self._signatures = _signatures(hashes, owners, len(sketches))
        self._enough = _least_triples(self._lengths, own)
        triples = _triples(hashes[is_own], own, self._lengths < SKETCH_HASHES)
        self._look_up(self._usable(triples, sketches), most)

    def _usable(self, triples: _Keys, sketches: Sequence[bytes]) -> _Keys:
        """Drop what one distinct sketch alone has, and the sketches that then have too few."""
        first: dict[bytes, int] = {}
        is_first = np.array([first.setdefault(each, at) == at for at, each in enumerate(sketches)])
        runs, owners = _run_of_each(triples >> 32), _positions(triples)
        is_shared = np.bincount(runs, is_first[owners])[runs] > 1
        triples, owners = triples[is_shared], owners[is_shared]
        return triples[(np.bincount(owners, minlength=len(sketches)) >= self._enough)[owners]]

    def _look_up(self, triples: _Keys, most: int) -> None:
        """Note what is looked up for each sketch: at most so many entries, short lists first."""
        runs = _run_of_each(triples >> 32)
        self._members = _positions(triples)
        self._begins = starts(np.bincount(runs))[runs]
        self._entries = np.arange(len(triples)) - self._begins  # of earlier sketches
        totals = self._looked_up_by_each()
        many = np.flatnonzero((totals > most)[self._members] & (self._entries > 0))
        many = many[np.lexsort((self._entries[many], self._members[many]))]
        sums = np.cumsum(self._entries[many])
        owners = self._members[many]
        before = starts(np.where(totals > most, totals, 0))[owners]
        skipped = many[sums - before > most]
        self._entries[skipped] = 0
        counts = np.bincount(self._members[skipped], minlength=len(self._lengths))
        self.incomplete = np.flatnonzero((counts > 0) & (counts >= self._enough)).tolist()
        self._enough = self._enough - counts

    def _looked_up_by_each(self) -> _Integers:
        totals = np.bincount(self._members, self._entries, minlength=len(self._lengths))
        return totals.astype(np.int64)

    def __iter__(self) -> Iterator[tuple[int, int, bool]]:
        blocks = np.cumsum(self._looked_up_by_each()) // _PAIRS_AT_ONCE
        for block in range(blocks[-1] + 1 if len(blocks) else 0):
            later, earlier = self._pairs(np.flatnonzero(blocks[self._members] == block))
            is_possible = self._may_be_near(later, earlier)
            yield from zip(later.tolist(), earlier.tolist(), is_possible.tolist(), strict=True)

    def _pairs(self, looked_up: _Integers) -> tuple[_Integers, _Integers]:
        """Return the pairs that share enough: later sketches in order, earlier ones by rank."""
        entries = self._entries[looked_up]
        begins = np.repeat(self._begins[looked_up] - starts(entries), entries)
        met = self._members[begins + np.arange(len(begins))]
        pairs = np.sort(np.repeat(self._members[looked_up], entries) << 32 | met)
        shared = np.bincount(_run_of_each(pairs))
        pairs = pairs[starts(shared)]
        later, earlier = pairs >> 32, pairs & _LOW
        is_enough = shared >= self._enough[later]
        later, earlier, shared = later[is_enough], earlier[is_enough], shared[is_enough]
        order = np.lexsort((-shared, later))
        return later[order], earlier[order]

    def _may_be_near(self, later: _Integers, earlier: _Integers) -> NDArray[np.bool_]:
        """Return whether as many hashes may be shared as near texts share at least.

        A bit of one signature that the other lacks is a hash, or more, that is not shared.
        """
        missing = np.bitwise_count(self._signatures[later] & ~self._signatures[earlier])
        one, other = self._lengths[later], self._lengths[earlier]
        is_possible: NDArray[np.bool_] = one - missing.sum(axis=1) >= NEAR * np.maximum(one, other)
        return is_possible


def _signatures(hashes: NDArray[np.uint32], owners: _Integers, count: int) -> _Keys:
    """Return a row of bits for each sketch: those at its hashes, taken modulo the row's length."""
    bits = np.zeros((count, _SIGNATURE_BITS), np.bool_)
    bits[owners, hashes % _SIGNATURE_BITS] = True
    return np.packbits(bits, axis=1).view(np.uint64)


def _triples(hashes: NDArray[np.uint32], counts: _Integers, has_end: NDArray[np.bool_]) -> _Keys:
    """Return what follows each other in each sketch, its start included and its end if it has one.

    They are hashed, each with the position of its sketch, in ascending order.
    """
    sizes = counts + 1 + has_end
    padded = np.full(sizes.sum(), _END, np.uint64)
    begins = starts(sizes)
    padded[begins] = _START
    padded[np.repeat(begins + 1 - starts(counts), counts) + np.arange(len(hashes))] = hashes
    owners = np.repeat(np.arange(len(sizes), dtype=np.uint64), sizes)
    mixed = ((padded[:-2] * _MIX + padded[1:-1]) * _MIX + padded[2:]) * _MIX
    return np.sort((mixed >> 32 << 32 | owners[2:])[owners[2:] == owners[:-2]])


def _run_of_each(values: NDArray[np.generic]) -> _Integers:
    """Return the number of each value's run of equal values, from 0."""
    return np.cumsum(np.diff(values, prepend=values[:1]) != 0)


def _positions(keys: _Keys) -> _Integers:
    return (keys & _LOW).astype(np.int64)


def _least_triples(hashes: _Integers, own: _Integers) -> _Integers:
    """Return how many triples a near text shares: a third of what is expected in random order.

    That is at least 1 and, without a template, no more than there must be.
    """
    of_all = np.ceil(NEAR * hashes) - (hashes - own)
    shared = np.maximum(of_all, np.ceil(_NEAR_BESIDE_TEMPLATE * own))
    triples: _Integers = np.maximum(1, shared**3 / np.maximum(1, own) ** 2 / 3).astype(np.int64)
    return triples


class Groups(NamedTuple):
    """Groups of positions, each in one group; `incomplete`: not compared with all similar texts."""

    groups: list[list[int]]
    incomplete: frozenset[int]


def near_duplicate_groups(texts: Sequence[str], answers: Sequence[str] = ()) -> Groups:
    """Return the positions of the texts in groups of near-duplicates; most groups have one.

    With the texts' answers, in the same order, texts with nearly the same longer answers are
    grouped too, so no `near-leak` crosses groups. Groups are transitive (a ~ b and b ~ c group all
    three), ascending within and by their first member. Texts that differ only in case, spaces and
    punctuation are always in one group.
    """
    sets = _DisjointSets(len(texts))
    first: dict[str, int] = {}
    for at, text in enumerate(texts):
        sets.join(first.setdefault(normalised(text), at), at)
    incomplete: set[int] = set()
    for sketches in (sketch_texts(texts), without_short_texts(sketch_texts(answers))):
        pairs = NearPairs(sketches, sets.are_joined, _EFFORT_OF_GROUPS)
        for earlier, later, _ in pairs:
            sets.join(earlier, later)
        incomplete |= pairs.incomplete
    return Groups(sets.all(), frozenset(incomplete))


class _DisjointSets:
    """Disjoint sets of positions; the smaller of two is moved into the other."""

    def __init__(self, size: int) -> None:
        self._sets = [[at] for at in range(size)]

    def join(self, one: int, other: int) -> None:
        if not self.are_joined(one, other):
            small, large = sorted((self._sets[one], self._sets[other]), key=len)
            large += small
            for at in small:
                self._sets[at] = large

    def are_joined(self, one: int, other: int) -> bool:
        return self._sets[one] is self._sets[other]

    def all(self) -> list[list[int]]:
        return sorted(sorted(each) for each in {id(each): each for each in self._sets}.values())
