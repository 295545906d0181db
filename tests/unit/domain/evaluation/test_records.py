from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.domain.evaluation.records import failure_summary, too_many


@pytest.mark.parametrize(
    ("failed", "total", "percent", "expected"),
    [(0, 20, 0, False), (1, 20, 0, True), (2, 20, 10, False), (3, 20, 10, True), (0, 0, 100, True)],
)
def test_too_many_is_more_than_allowed(
    failed: int, total: int, percent: float, *, expected: bool
) -> None:
    assert too_many(failed, total, percent) is expected


@given(st.lists(st.sampled_from(["a", "b"]), max_size=9), st.integers(9, 20))
def test_the_summary_names_the_most_common_reason(errors: list[str], total: int) -> None:
    summary = failure_summary(len(errors), total, errors)
    assert summary.startswith(f"{len(errors)} of {total} ")
    if errors:
        reason = summary[-1]
        assert errors.count(reason) == max(errors.count("a"), errors.count("b"))
