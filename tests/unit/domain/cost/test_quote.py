"""A quote as people read it, and the ceiling that it is held against."""

from __future__ import annotations

import pytest

from lambdas.domain.cost.quote import check_ceiling, dollars, text
from lambdas.domain.errors import CostCeilingExceeded
from tests.factories import quote


@pytest.mark.parametrize(
    ("usd", "shown"),
    [(1234.5, "$1,234.50"), (0.01, "$0.01"), (0.0042, "$0.0042"), (2e-5, "<$0.0001"), (0, "$0.00")],
)
def test_what_costs_something_is_never_shown_as_nothing(usd: float, shown: str) -> None:
    assert dollars(usd) == shown


def test_the_table_has_every_item_its_arithmetic_and_the_assumptions() -> None:
    made = quote()
    shown = text(made)
    for each in made.items:
        assert each.what in shown
        assert each.how in shown
    assert all(each in shown for each in made.assumptions)
    assert "$1.95 a month" in shown
    header, *rows = shown.splitlines()[: len(made.items) + 2]
    assert len({len(each) for each in (header, *rows)}) == 1, "columns are aligned"


def test_a_run_above_the_ceiling_is_refused_with_the_arithmetic() -> None:
    made = quote(max_cost_usd=100)
    with pytest.raises(CostCeilingExceeded) as refused:
        check_ceiling(made, "claude-3-haiku", {"hold_minutes = 0": 80, "model_units = 1": 50})
    cause = str(refused.value)
    assert "max_cost_usd = 100" in cause
    assert "180 minutes x 1 unit x $132 an hour = $396.00" in cause
    assert "model_units = 1 makes that $50.00; hold_minutes = 0 makes that $80.00" in cause
    check_ceiling(quote(max_cost_usd=made.high_usd), "claude-3-haiku", {})


def test_a_run_that_no_field_makes_cheaper_is_told_so() -> None:
    with pytest.raises(CostCeilingExceeded, match="No field lowers it"):
        check_ceiling(quote(max_cost_usd=100), "claude-3-haiku", {})
