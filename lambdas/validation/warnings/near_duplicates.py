"""Which of many texts say nearly the same: pairs and groups, at a cost a text that is bounded.

Candidates are found by prefix filtering (Chaudhuri et al. 2006:
https://doi.org/10.1109/ICDE.2006.9): two sets that share most of their members must share some of
the few rarest ones. What a tenth of all texts have in common is a template and not enough, so that
records which differ in the one part that matters are not taken for copies.

However much the texts resemble each other, each distinct sketch is looked up and compared a bounded
number of times, and what the bound leaves out is known by name.
"""

from __future__ import annotations

import math
from array import array
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import NamedTuple

from lambdas.validation.warnings.sketches import (
    NEAR,
    SKETCH_HASHES,
    compared,
    hashes_of,
    normalised,
    sketch_text,
    telling,
)

MOST_COMPARED = 32  # others that a text is compared with, those that share the most first
_MOST_NEAR = 8  # of these, that a text is paired with
_MOST_LOOKED_UP = 2_000  # entries of the index, a text
_EFFORT_OF_GROUPS = 8  # a pair that is not found can become a leak: what is split is split once
_TEMPLATE_SHARE, _TEMPLATE_TEXTS = 0.1, 30  # a shingle in more texts than both is a template's
_NEAR_BESIDE_TEMPLATE = 0.5  # how alike near-duplicates are in what is not the template's
_LEAST_COMPARED = 8  # fewer hashes of a long text, left beside a template, tell nothing
_SHARED_RAREST = 4  # of their rarest hashes, that two texts must share to be compared
_FREQUENCY_SLOTS = 1 << 20

Pair = tuple[int, int, float]


class NearPairs:
    """The pairs of texts that are at least `NEAR` alike.

    Iterating yields (earlier, later, similarity) by position, later ascending. A copy has the pairs
    of its original, and one with it. `cut` then has the texts that resemble so many others that
    they were not compared with all; `comparisons` counts.
    """

    def __init__(
        self,
        sketches: Sequence[bytes],
        known: Callable[[int, int], bool] = lambda *_: False,
        effort: int = 1,
    ) -> None:
        """Take one sketch a text; pairs that are `known` are neither compared nor yielded.

        `effort` times as much is looked up and compared, and as many pairs are found, a text.
        """
        self.cut: set[int] = set()
        self.comparisons = 0
        self._effort = effort
        self._sketches, self._known = sketches, known
        self._copies = Counter(sketches)
        self._frequencies = _Frequencies(self._copies.keys())
        self._seen: defaultdict[int, array[int]] = defaultdict(lambda: array("I"))
        self._needed = bytearray(len(sketches))

    def __iter__(self) -> Iterator[Pair]:
        found: dict[bytes, list[tuple[int, float]]] = {}  # of texts that have copies
        for later, sketch in enumerate(self._sketches):
            near: Iterable[tuple[int, float]]
            if sketch in found:
                near = found[sketch]
                original, _ = near[-1]
                self.cut.update({later} if original in self.cut else ())
            else:
                near = self._near(later)
                if self._copies[sketch] > 1 and self._is_like_itself(sketch):
                    near = [*near]
                    found[sketch] = [*near, (later, 1.0)]
            for earlier, alike in near:
                yield earlier, later, alike

    def _near(self, at: int) -> Iterator[tuple[int, float]]:
        """Yield the earlier texts that are near a new one."""
        hashes = hashes_of(self._sketches[at])
        keys, needed = self._frequencies.rarest(hashes)
        own = set(hashes)
        left, wanted = MOST_COMPARED * self._effort, _MOST_NEAR * self._effort
        for earlier in self._candidates(at, keys, needed):
            if self._known(earlier, at):
                continue
            if not (left and wanted):
                self.cut.add(at)
                break
            left -= 1
            self.comparisons += 1
            other = hashes_of(self._sketches[earlier])
            # Far cheaper than the exact comparison, and never below it.
            if len(own.intersection(other)) >= NEAR * max(len(own), len(other)):
                alike = self._frequencies.similarity(hashes, other)
                if alike >= NEAR:
                    wanted -= 1
                    yield earlier, alike
        self._needed[at] = needed
        for key in keys:
            self._seen[key].append(at)

    def _is_like_itself(self, sketch: bytes) -> bool:
        """Say whether copies are near: not if they may differ in what their sketches leave out."""
        hashes = hashes_of(sketch)
        return self._frequencies.similarity(hashes, hashes) >= NEAR

    def _candidates(self, at: int, keys: Sequence[int], needed: int) -> list[int]:
        """Return the earlier texts that share enough rare hashes, the most first."""
        met: Counter[int] = Counter()
        left, skipped = _MOST_LOOKED_UP * self._effort, 0
        for key in keys:
            entries = self._seen.get(key, ())
            if len(entries) > left:
                skipped += 1
                continue
            left -= len(entries)
            met.update(entries)
        if skipped >= needed:  # a near text may share none but hashes that were passed over
            self.cut.add(at)
        least = self._needed
        enough = [
            (skipped - shared, earlier)
            for earlier, shared in met.items()
            if shared + skipped >= needed or shared + skipped >= least[earlier]
        ]
        return [earlier for _, earlier in sorted(enough)]


class _Frequencies:
    """How many texts hold a shingle; hashes may share a slot, which only changes their order."""

    def __init__(self, sketches: Collection[bytes]) -> None:
        """Take distinct sketches: many copies of one text make no template of it."""
        counts = array("I", bytes(_FREQUENCY_SLOTS * array("I").itemsize))
        for sketch in sketches:
            for each in hashes_of(sketch):
                counts[each % _FREQUENCY_SLOTS] += 1
        most = max(_TEMPLATE_TEXTS, len(sketches) * _TEMPLATE_SHARE)
        self._counts = counts
        self._template = {
            each
            for sketch in sketches
            for each in hashes_of(sketch)
            if counts[each % _FREQUENCY_SLOTS] > most
        }

    def _of(self, each: int) -> int:
        return self._counts[each % _FREQUENCY_SLOTS]

    def rarest(self, hashes: Sequence[int]) -> tuple[list[int], int]:
        """Return the rarest hashes, and how many of them a near text must share.

        The template's are left out, and so are those that no other text has.
        """
        own = [each for each in hashes if each not in self._template]
        least_shared = _least_shared(len(hashes), len(own))
        needed = min(_SHARED_RAREST, least_shared)
        ordered = sorted(own, key=lambda each: (self._of(each), each))
        prefix = ordered[: len(own) - least_shared + needed]
        return [each for each in prefix if self._of(each) > 1], max(1, needed)

    def similarity(self, one: Sequence[int], other: Sequence[int]) -> float:
        """Return the similarity, or 0 where the texts share little but their template."""
        shared, every = compared(one, other)
        whole = len(shared) / len(every) if every else 0.0
        if whole < NEAR:
            return 0.0
        rest = len(every - self._template)
        if rest == len(every):
            return whole
        sampled = SKETCH_HASHES in {len(one), len(other)}
        if not rest or (sampled and rest < _LEAST_COMPARED):
            return 0.0
        return whole if len(shared - self._template) >= _NEAR_BESIDE_TEMPLATE * rest else 0.0


def _least_shared(hashes: int, beside_template: int) -> int:
    """Return how many hashes beside the template's a near text shares at least."""
    of_all = math.ceil(NEAR * hashes) - (hashes - beside_template)
    return max(of_all, math.ceil(_NEAR_BESIDE_TEMPLATE * beside_template))


class Groups(NamedTuple):
    """Positions of texts, each in one group; `cut`: not compared with all that they resemble."""

    groups: list[list[int]]
    cut: frozenset[int]


def near_duplicate_groups(texts: Sequence[str], answers: Sequence[str] = ()) -> Groups:
    """Return the texts' positions in groups: each once, alone where nothing is nearly the same.

    Give each text's answer too, in the same order, and those whose longer answers are nearly the
    same are put together as well: what `near-leak` warns of then never straddles two groups.
    Groups are transitive (a ~ b and b ~ c put all three together), ascending within and by their
    first member. Texts that differ in case, spaces and signs only are always together.
    """
    sets = _Sets(len(texts))
    first: dict[str, int] = {}
    for at, text in enumerate(texts):
        sets.join(first.setdefault(normalised(text), at), at)
    cut: set[int] = set()
    for sketches in ([*map(sketch_text, texts)], telling(map(sketch_text, answers))):
        pairs = NearPairs(sketches, sets.are_joined, _EFFORT_OF_GROUPS)
        for earlier, later, _ in pairs:
            sets.join(earlier, later)
        cut |= pairs.cut
    return Groups(sets.all(), frozenset(cut))


class _Sets:
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
