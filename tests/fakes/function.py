"""A function's invocation, as far as its code sees it."""

from __future__ import annotations

from dataclasses import dataclass

LIMIT_SECONDS = 900.0  # Lambda's own


@dataclass
class FakeContext:
    """Lambda's context; a test moves `seconds`, which nothing else does."""

    seconds: float = LIMIT_SECONDS

    def get_remaining_time_in_millis(self) -> int:
        return int(self.seconds * 1000)


def plenty() -> float:
    """Return all of a function's time."""
    return LIMIT_SECONDS
