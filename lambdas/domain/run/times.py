"""Ages and points in time, as they are computed and as messages show them."""

from __future__ import annotations

from datetime import datetime

_MINUTES_UP_TO = 120  # longer durations are shown in hours
# An assumption: AWS does not say for how long an answer may be out of date. Waiting costs nothing,
# for what is gone does not bill.
_GONE_AFTER_MINUTES = 5


def minutes_between(start: datetime, end: datetime) -> float:
    # Bedrock's clock and Step Functions' differ slightly; an age is never negative.
    return round(max((end - start).total_seconds(), 0) / 60, 2)


def is_gone(missing_since: datetime, now: datetime) -> bool:
    """Whether something was not found for so long that AWS's answers cannot be stale any more."""
    return minutes_between(missing_since, now) >= _GONE_AFTER_MINUTES


def duration(minutes: float) -> str:
    """Return "12 min" or "3.4 h"."""
    return f"{minutes:.0f} min" if minutes < _MINUTES_UP_TO else f"{minutes / 60:.1f} h"


def utc(at: datetime) -> str:
    """Return "2026-11-28 17:02 UTC"; `at` is in UTC."""
    return f"{at:%Y-%m-%d %H:%M} UTC"
