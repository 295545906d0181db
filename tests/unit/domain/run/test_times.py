"""Ages and times as messages show them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from lambdas.domain.run.times import duration, minutes_between, utc

NOW = datetime(2026, 11, 28, 17, 2, tzinfo=UTC)


@pytest.mark.parametrize(
    ("minutes", "shown"), [(0, "0 min"), (119.4, "119 min"), (120, "2.0 h"), (204, "3.4 h")]
)
def test_a_duration_has_the_unit_that_reads_well(minutes: float, shown: str) -> None:
    assert duration(minutes) == shown


def test_an_age_is_never_negative() -> None:
    assert minutes_between(NOW, NOW + timedelta(seconds=90)) == 1.5
    assert minutes_between(NOW, NOW - timedelta(seconds=5)) == 0


def test_a_time_says_that_it_is_utc() -> None:
    assert utc(NOW) == "2026-11-28 17:02 UTC"
