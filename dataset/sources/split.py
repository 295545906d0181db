"""Splits records so that near-duplicates stay in one file."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Collection, Sequence
from hashlib import sha256

from dataset.sources.conversations import Entry
from dataset.sources.files import SourceInvalid
from lambdas.domain.models.model import Model
from lambdas.validation.warnings.near_duplicates import near_duplicate_groups
from lambdas.validation.warnings.sketches import normalised
from lambdas.validation.warnings.topics import MOST_QUESTIONS, Topics, pack_words

DEFAULT = "80/10/10"
_DEFAULT_WITHOUT_VALIDATION = "90/0/10"
_SHARES = re.compile(r"(\d{1,3})/(\d{1,3})/(\d{1,3})")
_WHOLE = 100
_MOST_ROUNDS = 8  # of placing records until no question's topic is thin
_NAMES = ("training", "validation", "evaluation")

Shares = tuple[int, int, int]


def shares_of(text: str) -> Shares:
    """Parse percentages of training, validation and evaluation, such as 80/10/10."""
    parts = _SHARES.fullmatch(text)
    training, validation, evaluation = map(int, parts.groups()) if parts else (0, 0, 0)
    if training + validation + evaluation != _WHOLE or not training:
        raise SourceInvalid(
            f"--split {text}: give three percentages adding up to 100, for training/validation/"
            f"evaluation, such as {DEFAULT}; the last two may be 0"
        )
    return training, validation, evaluation


def default_shares(model: Model, records: int) -> Shares:
    """Return the usual shares; without validation where the model takes none that small."""
    shares, limits = shares_of(DEFAULT), model.limits
    least = limits.min_validation_records
    if limits.max_validation_records == 0 or records * shares[1] // _WHOLE < least:
        return shares_of(_DEFAULT_WITHOUT_VALIDATION)
    return shares


def split(entries: Sequence[Entry], shares: Shares, seed: int) -> list[list[Entry]]:
    """Return training, validation and evaluation entries, each in the source's order.

    Records with the same or nearly the same prompt, or nearly the same longer answer, stay
    together, and every topic is spread by the same shares; what few others are on the topic of is
    trained on, not asked. The result depends only on the texts, the shares and the seed.

    Raises
    ------
    SourceInvalid
        There are too few records, or groups of records, for each file to have one.
    """
    groups, _ = near_duplicate_groups(
        [entry.conversation.prompt for entry in entries],
        [entry.conversation.answer for entry in entries],
    )
    placed = _placed(_in_order(groups, entries, seed), entries, shares)
    for name, share, numbers in zip(_NAMES, shares, placed, strict=True):
        if share and not numbers:
            raise SourceInvalid(
                f"no record is left for {name}: {len(entries)} records are too few, as "
                "near-duplicates stay together: add records, or make its share 0"
            )
    return [[entries[at] for at in sorted(numbers)] for numbers in placed]


def _placed(
    groups: Sequence[list[int]], entries: Sequence[Entry], shares: Shares
) -> Sequence[list[int]]:
    """Return the records of each file; what training has too little of is trained on, not asked."""
    said = [entry.conversation for entry in entries]
    words = [pack_words(normalised(each.prompt), normalised(each.answer)) for each in said]
    thin: set[int] = set()
    for _ in range(_MOST_ROUNDS):
        files = _Files(entries, shares)
        for group in groups:
            files.add(group, is_asked=thin.isdisjoint(group))
        training, _, evaluation = files.numbers
        topics = Topics([words[at] for at in training])
        found = {at for at in sorted(evaluation)[:MOST_QUESTIONS] if topics.thin(words[at])}
        if not found:
            break
        thin |= found
    return files.numbers


def _in_order(
    groups: Collection[list[int]], entries: Sequence[Entry], seed: int
) -> list[list[int]]:
    """Return groups, the hardest to place first: large ones."""
    # A hash draws the same lots in every version of Python and order of the records.
    lots = {group[0]: min(_lot(seed, entries[at]) for at in group) for group in groups}
    return sorted(groups, key=lambda group: (-len(group), lots[group[0]]))


def _lot(seed: int, entry: Entry) -> bytes:
    said = entry.conversation
    return sha256(f"{seed}\0{said.prompt}\0{said.answer}".encode(errors="surrogatepass")).digest()


class _Files:
    """Three files that fill up, and how far each is from its share, as a whole and by topic."""

    def __init__(self, entries: Sequence[Entry], shares: Shares) -> None:
        self.numbers: list[list[int]] = [[], [], []]
        self._entries, self._shares = entries, shares
        self._of_topic = Counter(entry.topic for entry in entries)
        self._filled: Counter[tuple[int, str | None]] = Counter()

    def add(self, group: Sequence[int], *, is_asked: bool) -> None:
        """Add a group to the file that needs it most; to evaluation only what is asked."""
        allowed = [file for file, share in enumerate(self._shares) if share]
        if not is_asked:
            allowed = [file for file in allowed if _NAMES[file] != "evaluation"]
        roomy = [file for file in allowed if self._has_room(file, len(group))]
        topic = self._entries[group[0]].topic
        chosen = max(roomy or allowed, key=lambda file: self._needs(file, topic))
        self.numbers[chosen].extend(group)
        self._filled.update((chosen, self._entries[at].topic) for at in group)

    def _has_room(self, file: int, records: int) -> bool:
        wanted = self._shares[file] * len(self._entries) / _WHOLE
        return len(self.numbers[file]) + records <= math.ceil(wanted)

    def _needs(self, file: int, topic: str | None) -> tuple[float, float]:
        """Return the fraction of its share that a file lacks, of the topic and as a whole."""
        share = self._shares[file] / _WHOLE
        of_topic = 1 - self._filled[file, topic] / (share * self._of_topic[topic])
        return of_topic, 1 - len(self.numbers[file]) / (share * len(self._entries))
