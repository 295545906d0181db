"""A dozen of the cases of `make faults`, on the machine that the other tests run."""

from __future__ import annotations

import pickle
from collections.abc import Mapping

import pytest

from local.call_faults import CallFault
from local.fault_matrix.branches import play
from local.fault_matrix.cases import Case
from local.fault_matrix.results import CaseResult
from local.fault_matrix.runner import FaultTarget, run_case
from local.server import OfflineAws
from operate.deployed import Deployed

pytestmark = [pytest.mark.usefixtures("enforced"), pytest.mark.xdist_group("faults")]

BUY, DELETE = "CreateProvisionedModelThroughput", "DeleteProvisionedModelThroughput"
START = "CreateModelCustomizationJob"
SERVING = "Wait for throughput"

CASES = [
    Case(
        "run",
        "the purchase is throttled until the retries are used up",
        (CallFault("throttle", BUY, "buy-throughput"),),
        expected=("staged throttle",),
    ),
    Case(
        "run",
        "the answer to the purchase is lost",
        (CallFault("lost_answer", BUY, "buy-throughput", times=1),),
    ),
    Case(
        "run",
        "every function that has bought is killed",
        (CallFault("function_killed", BUY, "buy-throughput"),),
        expected=("Worker process died", "exited"),
    ),
    Case(
        "run",
        "the function that starts the job times out",
        (CallFault("function_timed_out", START, "start-training", times=1),),
    ),
    Case(
        "run",
        "the run may not delete its throughput",
        (CallFault("access_denied", DELETE, "release-hosting"),),
        expected=("staged access denied",),
    ),
    Case(
        "run",
        "no answer of the tuned model arrives",
        (CallFault("lost_answer", "Converse", "answer-with-tuned-model"),),
        expected=("it may be paid for",),
    ),
    Case(
        "guard",
        "the guard cannot delete the throughput",
        (CallFault("server_error", DELETE, "stop-run"),),
        stop_at=SERVING,
    ),
    Case(
        "reaper",
        "the guard is not told, and a pass of the reaper fails",
        (CallFault("throttle", DELETE, "reap-leftovers", times=4),),
        stop_at=SERVING,
        guard_lost=True,
    ),
    Case(
        "decision",
        "the function that asks is killed after its mail",
        (CallFault("function_killed", "Publish", "approve-spend", times=1),),
        course="approved",
    ),
    Case(
        "decision",
        "the decision cannot be brought, which is a rejection",
        (CallFault("access_denied", "SendTaskSuccess", "decide-spend"),),
        course="approved",
        expected=("nobody decided",),
    ),
    Case("stop", "stopped while it buys", stop_at="Buy throughput"),
    Case(
        "stop",
        "the guard is not told, and the reaper can read no tag",
        (CallFault("access_denied", "ListTagsForResource", "reap-leftovers"),),
        stop_at=SERVING,
        guard_lost=True,
    ),
    Case(
        "stop",
        "the guard is not told, and the reaper can list no execution",
        (CallFault("access_denied", "ListExecutions", "reap-leftovers"),),
        stop_at=SERVING,
        guard_lost=True,
        time_decides=True,
    ),
    Case(
        "guard",
        "the guard cannot ask whether the run is over",
        (CallFault("access_denied", "DescribeExecution", "stop-run"),),
        stop_at=SERVING,
    ),
    Case("deleted", "the machine is deleted while it serves", delete_at=SERVING),
    Case(
        "two runs",
        "two runs at once, both answers lost",
        (CallFault("lost_answer", BUY, "buy-throughput", times=2),),
        executions=2,
    ),
]


NOBODY = Case("run", "nobody may delete", (CallFault("access_denied", DELETE),))


@pytest.fixture(scope="module")
def results(
    offline: OfflineAws, deployed: Deployed, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, CaseResult]:
    """All cases, played at once, by what they are."""
    told = tmp_path_factory.mktemp("faults") / "results"

    def tell(result: CaseResult) -> None:
        with told.open("ab") as file:
            pickle.dump(result, file)

    target = FaultTarget(offline, deployed)
    run_case(Case("alone", "nothing goes wrong"), target)  # or each fork starts each function
    play([*CASES, NOBODY], target, tell)
    with told.open("rb") as file:
        found: list[CaseResult] = [pickle.load(file) for _ in (*CASES, NOBODY)]  # noqa: S301
    return {result.case.what: result for result in found}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.what)
def test_nothing_is_left_and_nothing_paid_twice(
    case: Case, results: Mapping[str, CaseResult]
) -> None:
    assert results[case.what].breaches == []


def test_a_case_that_leaves_something_is_a_breach(results: Mapping[str, CaseResult]) -> None:
    """Nobody can delete: run, guard and reaper. The matrix has to notice."""
    assert any("deployments left" in each for each in results[NOBODY.what].breaches)
