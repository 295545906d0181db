"""Ages and points in time, as they are computed and as messages show them."""

from __future__ import annotations

from datetime import datetime

_MINUTES_UP_TO = 120  # longer durations are shown in hours


def minutes_between(start: datetime, end: datetime) -> float:
    # Bedrock's clock and Step Functions' differ slightly; an age is never negative.
    return round(max((end - start).total_seconds(), 0) / 60, 2)


def duration(minutes: float) -> str:
    """Return "12 min" or "3.4 h"."""
    return f"{minutes:.0f} min" if minutes < _MINUTES_UP_TO else f"{minutes / 60:.1f} h"


def utc(at: datetime) -> str:
    """Return "2026-11-28 17:02 UTC"; `at` is in UTC."""
    return f"{at:%Y-%m-%d %H:%M} UTC"
