"""An execution as Step Functions shows it: its status, and what it was started with."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

GONE = "gone"  # no such execution: its machine was deleted, or it ended more than 90 days ago
_SUCCEEDED = "SUCCEEDED"
_UNDER_WAY = frozenset({"RUNNING", "PENDING_REDRIVE"})


@dataclass(frozen=True)
class StartedExecution:
    """One execution; `input` is whatever JSON it was started with."""

    status: str
    started_at: datetime
    input: Any


def is_under_way(status: str) -> bool:
    return status in _UNDER_WAY


def has_failed(status: str) -> bool:
    """Whether it ended without success: failed, stopped, timed out, or gone."""
    return status != _SUCCEEDED and not is_under_way(status)
