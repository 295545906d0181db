"""A dozen of the cases of `make faults`, on the machine that the other tests run."""

from __future__ import annotations

import pytest

from local.call_faults import CallFault
from local.fault_matrix.cases import Case
from local.fault_matrix.runner import FaultTarget, run_case
from local.server import OfflineAws
from operate.deployed import Deployed

pytestmark = pytest.mark.usefixtures("enforced")

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


@pytest.fixture
def target(offline: OfflineAws, deployed: Deployed) -> FaultTarget:
    return FaultTarget(offline, deployed.state_machine_arn)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.what)
def test_nothing_is_left_and_nothing_paid_twice(case: Case, target: FaultTarget) -> None:
    assert run_case(case, target).breaches == []


def test_a_case_that_leaves_something_is_a_breach(target: FaultTarget) -> None:
    """Nobody can delete: run, guard and reaper. The matrix has to notice."""
    nobody = CallFault("access_denied", DELETE)
    result = run_case(Case("run", "nobody may delete", (nobody,)), target)
    assert any("deployments left" in each for each in result.breaches)
