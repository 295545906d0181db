"""What docs/faults.md says, and that it says the same when only durations differ."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from local.fault_matrix.report import Row, markdown, terminal
from tests.repository import ROOT

DELETE = "release-throughput DeleteProvisionedModelThroughput"


def row(group: str, what: str, status: str, minutes: float, **more: object) -> Row:
    bought = int(minutes > 0)
    made = Row(group, what, [status], 0, 0, bought, 1, 1, minutes, [])
    return replace(made, **more)  # type: ignore[arg-type]  # fields of any type


ROWS = [
    row("run", f"{DELETE}, throttle every time", "FAILED", 43.6),
    row("run", f"{DELETE}, lost answer every time", "SUCCEEDED", 2.3),
    row("run", f"{DELETE}, lost answer once", "SUCCEEDED", 2.24),
    row("run", "quote-cost PutObject, server error every time", "FAILED", 0),
    row("stop", "Stop execution at Hold throughput", "ABORTED", 2.3),
    row("two runs", "two runs at once", "SUCCEEDED", 4.6, executions=2, purchases=2, jobs=2),
]


def test_the_document_has_outcomes_and_the_longest_case_only() -> None:
    text = markdown(ROWS)
    assert f"| {DELETE} | failed, bought | - | - | recovered; recovered | - | - |" in text
    assert "| quote-cost PutObject | - | failed | - | - | - | - |" in text
    assert "| Stop execution at Hold throughput | stopped, bought |" in text
    assert "| two runs at once | recovered |" in text
    assert "at most 50 simulated minutes, in steps of 10 ($110.00 at $132 an hour)" in text
    assert "- Cases: 6\n- Recovered and succeeded: 3\n" in text


@pytest.mark.parametrize("factor", [0.95, 1.05, 1.1])
def test_other_durations_give_the_same_document(factor: float) -> None:
    others = [replace(each, metered_minutes=each.metered_minutes * factor) for each in ROWS]
    assert markdown(others) == markdown(ROWS)
    assert terminal(others, 2.2) != terminal(ROWS, 2.2)


def test_a_breach_and_what_is_left_show() -> None:
    broken = replace(ROWS[4], throughputs_alive=1, breaches=["1 throughputs alive"])
    text = markdown([*ROWS[:4], broken])
    assert "| Stop execution at Hold throughput | **BREACH** stopped, bought |" in text
    assert "- Throughputs or deployments left: 1\n" in text
    assert "- Cases with a breach: 1\n" in text


def test_the_terminal_has_the_exact_figures() -> None:
    assert terminal(ROWS, 2.24)[-1] == (
        "Longest on the meter: 43.6 simulated minutes ($95.92 at $132 an hour; without a fault "
        f"2.2): {DELETE}, throttle every time"
    )


def test_the_committed_document_has_no_minutes_of_a_case() -> None:
    lines = (ROOT / "docs" / "faults.md").read_text(encoding="utf-8").splitlines()
    cells = [line for line in lines if line.startswith("| ")]
    assert len(cells) > 100
    assert not [line for line in cells if re.search(r"\d\.\d", line)]
