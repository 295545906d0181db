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

import math
import struct
from array import array
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from heapq import heapify, heappop
from itertools import chain, islice
from typing import NamedTuple
from zlib import crc32

from lambdas.validation.warnings.sketches import (
    NEAR,
    SKETCH_HASHES,
    hashes_of,
    normalised,
    shared_and_all,
    sketch_text,
    without_short_texts,
)

MOST_COMPARED = 32  # other texts that a text is compared with, the most similar first
_MOST_NEAR = 8  # of these that a text is paired with
_MOST_LOOKED_UP = 2_000  # index entries per text
_EFFORT_OF_GROUPS = 8  # groups are split into files once, and a missed pair becomes a leak
_TEMPLATE_SHARE, _TEMPLATE_TEXTS = 0.1, 30  # in more texts than both: a template's shingle
_NEAR_BESIDE_TEMPLATE = 0.5  # similarity of near-duplicates outside the template
_LEAST_COMPARED = 8  # hashes outside the template; fewer of a long text say nothing
_HASH_SLOTS, _SLOTS_PER_TRIPLE = 1 << 20, 10
_START, _END = bytes(4), b"\xff" * 4  # of a sketch, which all texts share
_TRIPLES = tuple(slice(start, start + 12) for start in range(0, 4 * SKETCH_HASHES, 4))

NearPair = tuple[int, int, float]  # earlier position, later position, similarity


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
        self._copies = Counter(sketches)
        self._template = _Template(self._copies.keys())
        self._triples = _Triples(self._template, self._copies.keys())
        self._seen: defaultdict[int, array[int]] = defaultdict(lambda: array("I"))

    def __iter__(self) -> Iterator[NearPair]:
        found: dict[bytes, list[tuple[int, float]]] = {}  # of texts that have copies
        for later, sketch in enumerate(self._sketches):
            near: Iterable[tuple[int, float]]
            if sketch in found:
                near = found[sketch]
                original, _ = near[-1]
                self.incomplete.update({later} if original in self.incomplete else ())
            else:
                near = self._near(later)
                if self._copies[sketch] > 1 and self._is_like_itself(sketch):
                    near = [*near]
                    found[sketch] = [*near, (later, 1.0)]
            for earlier, alike in near:
                yield earlier, later, alike

    def _near(self, at: int) -> Iterator[tuple[int, float]]:
        """Yield the earlier texts that are near a new one."""
        keys, needed = self._triples.repeated(self._sketches[at])
        if len(keys) < needed:
            return
        hashes = hashes_of(self._sketches[at])
        own = set(hashes)
        left, wanted = MOST_COMPARED * self._effort, _MOST_NEAR * self._effort
        for earlier in self._candidates(at, keys, needed):
            if self._is_known(earlier, at):
                continue
            if not (left and wanted):
                self.incomplete.add(at)
                break
            left -= 1
            self.comparisons += 1
            other = hashes_of(self._sketches[earlier])
            # Far cheaper than the exact comparison, and never below it.
            if len(own.intersection(other)) >= NEAR * max(len(own), len(other)):
                alike = self._template.similarity(hashes, other)
                if alike >= NEAR:
                    wanted -= 1
                    yield earlier, alike
        for key in keys:
            self._seen[key].append(at)

    def _is_like_itself(self, sketch: bytes) -> bool:
        """Return whether copies are near: not if they may differ in what their sketches omit."""
        hashes = hashes_of(sketch)
        return self._template.similarity(hashes, hashes) >= NEAR

    def _candidates(self, at: int, keys: Sequence[int], needed: int) -> Iterator[int]:
        """Yield the earlier texts that share enough triples, the most similar first."""
        taken: list[array[int]] = []
        left, skipped = _MOST_LOOKED_UP * self._effort, 0
        for entries in sorted((self._seen[key] for key in keys if key in self._seen), key=len):
            if len(entries) > left:
                skipped += 1
                continue
            left -= len(entries)
            taken.append(entries)
        if skipped >= needed:  # a near text may share only triples that were skipped
            self.incomplete.add(at)
        enough = needed - skipped
        met = Counter(chain.from_iterable(taken))
        ranked = [(-shared, each) for each, shared in met.items() if shared >= enough]
        heapify(ranked)  # as a rule, few are taken
        while ranked:
            yield heappop(ranked)[1]


class _Template:
    """The hashes that very many texts have; hashes may share a slot of the count."""

    def __init__(self, sketches: Collection[bytes]) -> None:
        """Take distinct sketches: copies of one text do not make a template."""
        counts = array("I", bytes(_HASH_SLOTS * array("I").itemsize))
        for sketch in sketches:
            for each in hashes_of(sketch):
                counts[each % _HASH_SLOTS] += 1
        most = max(_TEMPLATE_TEXTS, len(sketches) * _TEMPLATE_SHARE)
        self.hashes = frozenset(
            each
            for sketch in (sketches if max(counts) > most else ())
            for each in hashes_of(sketch)
            if counts[each % _HASH_SLOTS] > most
        )

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


class _Triples:
    """What follows each other in sketches, start and end included and the template left out."""

    def __init__(self, template: _Template, sketches: Collection[bytes]) -> None:
        self._template = template.hashes
        slots = self._slots = 1 + _SLOTS_PER_TRIPLE * SKETCH_HASHES * len(sketches)
        once, twice = bytearray(slots), bytearray(slots)
        for sketch in sketches:
            for each in self._of(sketch)[0]:
                at = each % slots
                if once[at]:
                    twice[at] = 1
                else:
                    once[at] = 1
        self._twice = twice

    def repeated(self, sketch: bytes) -> tuple[list[int], int]:
        """Return the triples that another text may have, and how many a near text shares."""
        triples, own = self._of(sketch)
        twice, slots = self._twice, self._slots
        return [each for each in triples if twice[each % slots]], _least_triples(
            len(sketch) // 4, own
        )

    def _of(self, sketch: bytes) -> tuple[Iterator[int], int]:
        """Return the hashed triples of a sketch, and the number of its own hashes."""
        own, end = sketch, b"" if len(sketch) == 4 * SKETCH_HASHES else _END
        if not self._template.isdisjoint(hashes := hashes_of(sketch)):
            rest = [each for each in hashes if each not in self._template]
            own = struct.pack(f"<{len(rest)}I", *rest)
        packed = _START + own + end
        triples = map(packed.__getitem__, islice(_TRIPLES, max(0, len(packed) // 4 - 2)))
        return map(crc32, triples), len(own) // 4


def _least_triples(hashes: int, own: int) -> int:
    """Return how many triples a near text shares: a third of what is expected in random order.

    That is at least 1 and, without a template, no more than there must be.
    """
    of_all = math.ceil(NEAR * hashes) - (hashes - own)
    shared = max(of_all, math.ceil(_NEAR_BESIDE_TEMPLATE * own))
    return max(1, int(shared**3 / max(1, own) ** 2 / 3))


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
    for sketches in ([*map(sketch_text, texts)], without_short_texts(map(sketch_text, answers))):
        pairs = NearPairs(sketches, sets.are_joined, _EFFORT_OF_GROUPS)
        for earlier, later, _ in pairs:
            sets.join(earlier, later)
        incomplete |= pairs.incomplete
    return Groups(sets.all(), frozenset(incomplete))


class _DisjointSets:
    """Disjoint sets of positions, as in https://doi.org/10.1145/364099.364331."""

    def __init__(self, size: int) -> None:
        self._parents = list(range(size))

    def join(self, one: int, other: int) -> None:
        first, second = sorted((self._root(one), self._root(other)))
        self._parents[second] = first

    def are_joined(self, one: int, other: int) -> bool:
        return self._root(one) == self._root(other)

    def all(self) -> list[list[int]]:
        sets: defaultdict[int, list[int]] = defaultdict(list)
        for at in range(len(self._parents)):
            sets[self._root(at)].append(at)
        return sorted(sets.values())

    def _root(self, at: int) -> int:
        parents = self._parents
        while parents[at] != at:
            parents[at] = parents[parents[at]]
            at = parents[at]
        return at
