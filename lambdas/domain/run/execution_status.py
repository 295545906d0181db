"""The status of an execution, as it bears on what the execution made."""

from __future__ import annotations

GONE = "gone"  # no such execution: its machine was deleted, or it ended more than 90 days ago
_UNDER_WAY = frozenset({"RUNNING", "PENDING_REDRIVE"})


def is_under_way(status: str) -> bool:
    return status in _UNDER_WAY
