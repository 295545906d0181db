"""What docs/faults.md says, and that it says the same when only durations differ."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from local.fault_matrix.cases import ON_DEMAND, Case
from local.fault_matrix.report import markdown, terminal
from local.fault_matrix.results import CaseResult, Deployment
from tests.repository import ROOT

DELETE = "release-hosting DeleteProvisionedModelThroughput"


def result(case: Case, minutes: float, *statuses: str) -> CaseResult:
    return CaseResult(
        case,
        statuses=list(statuses),
        purchases=case.executions if minutes else 0,
        jobs=case.executions,
        metered_minutes=minutes,
    )


RESULTS = [
    result(Case("run", f"{DELETE}, throttle every time"), 43.6, "FAILED"),
    result(Case("run", f"{DELETE}, lost answer every time"), 2.3, "SUCCEEDED"),
    result(Case("run", f"{DELETE}, lost answer once"), 2.24, "SUCCEEDED"),
    result(Case("run", "quote-cost PutObject, server error every time"), 0, "FAILED"),
    result(Case("stop", "Stop execution at Hold throughput"), 2.3, "ABORTED"),
    result(Case("two runs", "two runs at once", executions=2), 4.6, "SUCCEEDED", "SUCCEEDED"),
]


def left(what: str, minutes: float, *, time_decides: bool = False) -> CaseResult:
    case = Case("stop", what, setting=ON_DEMAND, time_decides=time_decides)
    of_it = Deployment(minutes, -400, of_success=False, is_there=False)
    return CaseResult(case, statuses=["ABORTED"], deployments=[of_it])


STOPPED = [left("stopped", 12.3), left("unseen", 443, time_decides=True)]


def test_the_document_has_outcomes_and_the_longest_case_only() -> None:
    text = markdown(RESULTS)
    assert f"| {DELETE} | failed, bought | - | - | recovered; recovered | - | - |" in text
    assert "| quote-cost PutObject | - | failed | - | - | - | - |" in text
    assert "| Stop execution at Hold throughput | stopped, bought |" in text
    assert "| two runs at once | recovered, recovered |" in text
    assert f"at most 50 min ($110.00 at $132 an hour): {DELETE}, throttle every time\n" in text
    assert "## `local`: by the hour\n\n- Cases: 6\n- Recovered and succeeded: 3\n" in text


def test_each_environment_has_its_section_and_its_longest_times() -> None:
    _, text = markdown([*RESULTS, *STOPPED]).split("## `dev`: on demand\n")
    longest = "- Longest that a deployment of a failed or stopped run was there"
    assert f"{longest}: at most 20 min: stopped\n" in text
    assert f"{longest}, where only its release-by ends it: at most 450 min: unseen\n" in text
    assert "| stopped | stopped, deployed |" in text
    assert "on the meter" not in text


@pytest.mark.parametrize("factor", [0.95, 1.05, 1.1])
def test_other_durations_give_the_same_document(factor: float) -> None:
    others = [replace(each, metered_minutes=each.metered_minutes * factor) for each in RESULTS]
    assert markdown(others) == markdown(RESULTS)
    assert terminal(others) != terminal(RESULTS)


def test_a_breach_and_what_is_left_show() -> None:
    broken = replace(RESULTS[4], hosting_left=1, breaches=["1 throughput left"])
    text = markdown([*RESULTS[:4], broken])
    assert "| Stop execution at Hold throughput | **BREACH** stopped, bought |" in text
    assert "- Throughputs or deployments left: 1\n" in text
    assert "- Cases with a breach: 1\n" in text


def test_the_terminal_has_the_exact_figures() -> None:
    assert terminal(RESULTS)[-1] == (
        f"Longest on the meter: 43.6 min ($95.92 at $132 an hour): {DELETE}, throttle every time"
    )


def test_the_committed_document_has_no_minutes_of_a_case() -> None:
    lines = (ROOT / "docs" / "faults.md").read_text(encoding="utf-8").splitlines()
    cells = [line for line in lines if line.startswith("| ")]
    assert len(cells) > 100
    assert not [line for line in cells if re.search(r"\d\.\d", line)]
