"""The system prompts of the training records, counted within bounds."""

from __future__ import annotations

from dataclasses import dataclass, field

_MOST_DISTINCT, _MOST_CHARACTERS = 200, 4_000_000


@dataclass
class SystemPrompts:
    """How many records have which system prompt; None is that of records without one.

    Of a file whose every record has its own, only the first few are kept: that there are several
    is what matters then.
    """

    counts: dict[str | None, int] = field(default_factory=dict)
    others: int = 0  # records with a prompt beyond those kept
    _characters: int = 0

    def add(self, system: str | None, count: int = 1) -> None:
        if system in self.counts:
            self.counts[system] += count
        elif len(self.counts) < _MOST_DISTINCT and self._characters < _MOST_CHARACTERS:
            self.counts[system] = count
            self._characters += len(system or "")
        else:
            self.others += count

    def merge(self, later: SystemPrompts) -> None:
        """Add those of records that come later."""
        for system, count in later.counts.items():
            self.add(system, count)
        self.others += later.others

    @property
    def records(self) -> int:
        return sum(self.counts.values()) + self.others

    def most_common(self) -> tuple[str | None, int] | None:
        """Return the prompt of most records, the first of several, and their number."""
        return max(self.counts.items(), key=lambda each: each[1], default=None)

    @property
    def distinct(self) -> str:
        return f"more than {len(self.counts)}" if self.others else str(len(self.counts))
