"""Finds near-duplicates among many texts, as pairs and groups, at a bounded cost per text.

Candidates are found by prefix filtering (Chaudhuri et al. 2006:
https://doi.org/10.1109/ICDE.2006.9): two sets that share most of their members must share some of
their few rarest ones. What more than a tenth of all texts share is a template and does not count:
records that differ in the one part that matters are not duplicates.

Each distinct sketch is looked up and compared a bounded number of times, however similar the texts
are. `incomplete` has the texts for which the bound left something out.
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
_SHARED_RAREST = 4  # of their rarest hashes that two texts must share to be compared
_FREQUENCY_SLOTS = 1 << 20

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
        self._frequencies = _Frequencies(self._copies.keys())
        self._seen: defaultdict[int, array[int]] = defaultdict(lambda: array("I"))
        self._needed = bytearray(len(sketches))
        self._undemanding: set[int] = set()  # that need fewer shared hashes than most

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
        hashes = hashes_of(self._sketches[at])
        keys, needed = self._frequencies.rarest(hashes)
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
                alike = self._frequencies.similarity(hashes, other)
                if alike >= NEAR:
                    wanted -= 1
                    yield earlier, alike
        self._needed[at] = needed
        if needed < _SHARED_RAREST:
            self._undemanding.add(at)
        for key in keys:
            self._seen[key].append(at)

    def _is_like_itself(self, sketch: bytes) -> bool:
        """Return whether copies are near: not if they may differ in what their sketches omit."""
        hashes = hashes_of(sketch)
        return self._frequencies.similarity(hashes, hashes) >= NEAR

    def _candidates(self, at: int, keys: Sequence[int], needed: int) -> Iterator[int]:
        """Yield the earlier texts that share enough rare hashes, the most similar first."""
        met: Counter[int] = Counter()
        left, skipped = _MOST_LOOKED_UP * self._effort, 0
        for key in keys:
            entries = self._seen.get(key, ())
            if len(entries) > left:
                skipped += 1
                continue
            left -= len(entries)
            met.update(entries)
        if skipped >= needed:  # a near text may share only hashes that were skipped
            self.incomplete.add(at)
        yield from self._enough(met, skipped, needed - skipped)

    def _enough(self, met: Counter[int], skipped: int, enough: int) -> Iterator[int]:
        """Yield the texts that share enough, `skipped` of which are not counted in `met`."""
        if enough <= 1:  # of very many, a caller takes the first
            most = _shared_by_few(met)
            yield from _ranked((-shared, each) for each, shared in met.items() if shared >= most)
            yield from _ranked((-shared, each) for each, shared in met.items() if shared < most)
            return
        ranked = [(-shared, each) for each, shared in met.items() if shared >= enough]
        few, many = sorted((self._undemanding, met), key=len)
        for each in few:
            shared = met[each] if each in many else enough
            if shared < enough and shared + skipped >= self._needed[each]:
                ranked.append((-shared, each))
        yield from _ranked(ranked)


def _shared_by_few(met: Counter[int]) -> int:
    """Return a number of hashes that more texts share than one is compared with, but not all."""
    texts = 0
    for shared, count in sorted(Counter(met.values()).items(), reverse=True):
        texts += count
        if texts > 2 * MOST_COMPARED:
            return shared
    return 0


def _ranked(texts: Iterable[tuple[int, int]]) -> Iterator[int]:
    return (each for _, each in sorted(texts))


class _Frequencies:
    """How many texts have a shingle; hashes may share a slot, which only changes their order."""

    def __init__(self, sketches: Collection[bytes]) -> None:
        """Take distinct sketches: copies of one text do not make a template."""
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

    def rarest(self, hashes: Sequence[int]) -> tuple[list[int], int]:
        """Return the rarest hashes, and how many of them a near text must share.

        Those of the template are left out, and those that no other text has.
        """
        own = [each for each in hashes if each not in self._template]
        least_shared = _least_shared(len(hashes), len(own))
        needed = min(_SHARED_RAREST, least_shared)
        counts = self._counts
        ordered = sorted((counts[each % _FREQUENCY_SLOTS], each) for each in own)
        prefix = ordered[: len(own) - least_shared + needed]
        return [each for count, each in prefix if count > 1], max(1, needed)

    def similarity(self, one: Sequence[int], other: Sequence[int]) -> float:
        """Return the similarity, or 0 if the texts share little but their template."""
        shared, every = shared_and_all(one, other)
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
    """Return the least number of hashes outside the template that a near text shares."""
    of_all = math.ceil(NEAR * hashes) - (hashes - beside_template)
    return max(of_all, math.ceil(_NEAR_BESIDE_TEMPLATE * beside_template))


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
