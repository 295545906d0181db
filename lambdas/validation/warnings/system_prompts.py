"""The system prompts of the training records, and warnings where they differ."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from lambdas.validation.jsonl.findings import Finding

_MOST_DISTINCT, _MOST_CHARACTERS = 200, 4_000_000


@dataclass
class SystemPrompts:
    """Records per system prompt; None is the prompt of records without one.

    If every record has its own, only the first few are kept: it is enough to know that there are
    several.
    """

    counts: Counter[str | None] = field(default_factory=Counter)
    others: int = 0  # records with a prompt that is not kept

    def add(self, system: str | None) -> None:
        """Add the system prompt of the next record."""
        if system in self.counts or self._has_room():
            self.counts[system] += 1
        else:
            self.others += 1

    def _has_room(self) -> bool:
        if len(self.counts) >= _MOST_DISTINCT:
            return False
        return sum(map(len, filter(None, self.counts))) < _MOST_CHARACTERS

    def most_common(self) -> tuple[str | None, int] | None:
        """Return the prompt of most records, the first in a tie, and their number."""
        return next(iter(self.counts.most_common(1)), None)

    def warnings(self, file: str, given: str | None) -> Iterator[Finding]:
        """Yield warnings of the training file; `given` is the prompt to evaluate with, if set."""
        common = self.most_common()
        if common is None:
            return
        if len(self.counts) > 1:
            distinct = f"more than {len(self.counts)}" if self.others else str(len(self.counts))
            records = self.counts.total() + self.others
            message = (
                f"{distinct} different system prompts (none counts as one); the most common is in "
                f"{common[1]} of {records} records"
            )
            yield Finding.of("several-system-prompts", "", message, file=file)
        if given is not None and given not in self.counts and not self.others:
            yield Finding.of("other-system-prompt", file=file)
