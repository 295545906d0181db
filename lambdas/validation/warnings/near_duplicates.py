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

from collections.abc import Iterator, Sequence
from heapq import merge
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lambdas.validation.warnings.sketches import (
    NEAR,
    SKETCH_HASHES,
    normalised,
    sketch_texts,
    starts,
    without_short_texts,
)

MOST_COMPARED = 32  # other texts that a text is compared with, the most similar first
_MOST_LOOKED_UP = 64  # texts with a triple: the first that have it
_EFFORT_OF_GROUPS = 8  # groups are split into files once, and a missed pair becomes a leak
_TEMPLATE_SHARE, _TEMPLATE_TEXTS = 0.1, 30  # in more texts than both: a template's shingle
_NEAR_BESIDE_TEMPLATE = 0.5  # similarity of near-duplicates outside the template
_LEAST_COMPARED = 8  # hashes outside the template; fewer of a long text say nothing
_START, _END = 0, 0xFFFFFFFF  # of a sketch, which all texts share
_MIX = np.uint64(0x9E3779B97F4A7C15)  # odd, its bits without order
_LOW = 0xFFFFFFFF
_PAIRS_AT_ONCE = 1 << 19  # are counted
_COMPARED_AT_ONCE = 1 << 13
_IN_TEMPLATE = np.uint32(1)  # the lowest bit of an entry of `_rows`, which hashes leave free
_NONE = np.uint32(_LOW)  # an entry where a sketch has no more hashes

NearPair = tuple[int, int, float]  # earlier position, later position, similarity
_Integers = NDArray[np.int64]
_Keys = NDArray[np.uint64]  # a number in the high half, a position in the low one
_Rows = NDArray[np.uint32]


class NearPairs:
    """The pairs of texts with a similarity of at least `NEAR`.

    Iterating yields them by ascending later position. A copy has the pairs of its original, and one
    with it. `incomplete` then has the texts that were not compared with all that they resemble.
    """

    def __init__(self, sketches: Sequence[bytes], effort: int = 1) -> None:
        """Take one sketch per text; `effort` multiplies the bounds on look-ups and comparisons."""
        self.incomplete: set[int] = set()
        self.comparisons = 0
        self._sketches, self._effort = sketches, effort
        first: dict[bytes, int] = {}
        self._first = np.array([first.setdefault(each, at) for at, each in enumerate(sketches)])
        self._rows = _rows(sketches, [*first])

    def __iter__(self) -> Iterator[NearPair]:
        every = np.arange(len(self._sketches))
        is_copy = self._first != every
        # Copies are not near if they may differ in what their sketches omit.
        is_copy[is_copy] = _similarities(self._rows, every[is_copy], every[is_copy]) > 0
        found: dict[int, list[tuple[int, float]]] = {}  # by position of originals
        pairs = groupby(self._compared(np.flatnonzero(~is_copy)), key=itemgetter(0))
        copies = ((at, None) for at in np.flatnonzero(is_copy).tolist())
        originals = set(self._first[is_copy].tolist())
        for later, compared in merge(pairs, copies, key=itemgetter(0)):
            first = int(self._first[later])
            if compared is None:
                near = [*found.get(first, ()), (first, 1.0)]
                self.incomplete.update({later} if first in self.incomplete else ())
            else:
                near = [(earlier, alike) for _, earlier, alike in compared]
                if later in originals:
                    found[later] = near
            for earlier, alike in near:
                yield earlier, later, alike

    def _compared(self, positions: _Integers) -> Iterator[tuple[int, int, float]]:
        """Yield later and earlier texts that are near, and their similarity, by later ones."""
        rows, most = self._rows[positions], MOST_COMPARED * self._effort
        index = _Index(rows, _MOST_LOOKED_UP * self._effort)
        self.incomplete.update(positions[index.incomplete].tolist())
        for later, earlier in index.pairs():
            ranks = np.arange(len(later)) - starts(np.bincount(later))[later]
            self.incomplete.update(positions[later[ranks >= most]].tolist())
            compared = positions[later[ranks < most]], positions[earlier[ranks < most]]
            alike = _similarities(self._rows, *compared)
            self.comparisons += len(alike)
            near = (each[alike > 0].tolist() for each in (*compared, alike))
            yield from zip(*near, strict=True)


def _rows(sketches: Sequence[bytes], distinct: Sequence[bytes]) -> _Rows:
    """Return a row for each sketch: its hashes, each marked if very many texts have it.

    Copies of one text do not make a template, so distinct sketches count.
    """
    hashes, counts = np.unique(np.frombuffer(b"".join(distinct), "<u4"), return_counts=True)
    template = hashes[counts > max(_TEMPLATE_TEXTS, len(distinct) * _TEMPLATE_SHARE)]
    whole = np.frombuffer(b"".join(sketches), "<u4")
    lengths = np.array([len(each) // 4 for each in sketches], np.int64)
    rows = np.full((len(sketches), SKETCH_HASHES), _NONE)
    is_in_template = np.append(template, _NONE)[np.searchsorted(template, whole)] == whole
    rows[np.arange(SKETCH_HASHES) < lengths[:, None]] = whole | is_in_template
    return rows


def _similarities(rows: _Rows, ones: _Integers, others: _Integers) -> NDArray[np.float64]:
    """Return the similarity of each two texts; 0 below `NEAR` or if they share only a template."""
    parts = (slice(at, at + _COMPARED_AT_ONCE) for at in range(0, len(ones), _COMPARED_AT_ONCE))
    found = [_similarities_of(rows[ones[part]], rows[others[part]]) for part in parts]
    return np.concatenate([*found, np.zeros(0)])


def _similarities_of(ones: _Rows, others: _Rows) -> NDArray[np.float64]:
    both = np.sort(np.concatenate([ones, others], axis=1), axis=1)
    # Up to where both sketches are complete: a short one is complete, and ends in `_NONE`.
    bounds = np.minimum(np.minimum(ones[:, -1], others[:, -1]), _NONE - _IN_TEMPLATE)
    is_known = both <= bounds[:, None]
    is_own = is_known & (both & _IN_TEMPLATE == 0)
    is_shared = np.diff(both, axis=1, prepend=_NONE) == 0
    shared, own_shared = (is_shared & is_known).sum(axis=1), (is_shared & is_own).sum(axis=1)
    every, own = is_known.sum(axis=1) - shared, is_own.sum(axis=1) - own_shared
    alike = shared / np.maximum(every, 1)
    is_sampled = bounds < _NONE - _IN_TEMPLATE
    is_comparable = own >= np.where(is_sampled, _LEAST_COMPARED, 1)
    is_beside = is_comparable & (own_shared >= _NEAR_BESIDE_TEMPLATE * own)
    return np.where((alike >= NEAR) & ((own == every) | is_beside), alike, 0.0)


class _Index:
    """The triples of sketches: hashes that follow each other, the template left out.

    `incomplete` has the sketches that may be near to others which the bound on look-ups left out.
    """

    def __init__(self, rows: _Rows, most: int) -> None:
        """Take the rows, and how many of the first sketches with a triple are looked up."""
        lengths = np.count_nonzero(rows != _NONE, axis=1)
        is_own = (rows != _NONE) & (rows & _IN_TEMPLATE == 0)
        own = np.count_nonzero(is_own, axis=1)
        triples = _triples(rows[is_own], own, lengths < SKETCH_HASHES)
        runs = _run_of_each(triples >> 32)
        is_shared = np.bincount(runs)[runs] > 1
        triples, runs = triples[is_shared], _run_of_each(runs[is_shared])
        self._members = (triples & _LOW).astype(np.int64)
        self._begins = starts(np.bincount(runs))[runs]
        earlier = np.arange(len(triples)) - self._begins
        self._entries = np.minimum(earlier, most)
        cut = np.bincount(self._members[earlier > most], minlength=len(rows))
        enough = _least_triples(lengths, own)
        self.incomplete = np.flatnonzero((cut > 0) & (cut >= enough))
        self._enough = enough - cut
        self._totals = np.bincount(self._members, self._entries, minlength=len(rows))

    def pairs(self) -> Iterator[tuple[_Integers, _Integers]]:
        """Yield each sketch with the earlier ones that share enough triples, most similar first."""
        blocks = np.cumsum(self._totals.astype(np.int64)) // _PAIRS_AT_ONCE
        for block in range(blocks[-1] + 1 if len(blocks) else 0):
            yield self._pairs(np.flatnonzero(blocks[self._members] == block))

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


def _triples(hashes: _Rows, counts: _Integers, has_end: NDArray[np.bool_]) -> _Keys:
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
    groups = [[at] for at in range(len(texts))]  # that of each position

    def join(one: int, other: int) -> None:
        small, large = sorted((groups[one], groups[other]), key=len)
        if small is not large:
            large += small
            for at in small:
                groups[at] = large

    first: dict[str, int] = {}
    for at, text in enumerate(texts):
        join(first.setdefault(normalised(text), at), at)
    incomplete: set[int] = set()
    for sketches in (sketch_texts(texts), without_short_texts(sketch_texts(answers))):
        pairs = NearPairs(sketches, _EFFORT_OF_GROUPS)
        for earlier, later, _ in pairs:
            join(earlier, later)
        incomplete |= pairs.incomplete
    distinct = {id(group): group for group in groups}.values()
    return Groups(sorted(map(sorted, distinct)), frozenset(incomplete))
