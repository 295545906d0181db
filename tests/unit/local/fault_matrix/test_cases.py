"""The cases that are made of the calls which the runs were seen to make, and their rules."""

from __future__ import annotations

import pickle
from dataclasses import replace

import pytest

from local.call_faults import KINDS, Call, CallFault
from local.fault_matrix.cases import (
    AFTER_EFFECT,
    BY_THE_HOUR,
    ON_DEMAND,
    Case,
    Course,
    Setting,
    call_cases,
    change_cases,
    kept_cases,
    stop_cases,
    together_cases,
)
from local.fault_matrix.discovery import Found, all_cases
from local.fault_matrix.results import CaseResult, Deployment

CREATE = Call("create-deployment", "bedrock", "CreateCustomModelDeployment")
BUY = Call("buy-throughput", "bedrock", "CreateProvisionedModelThroughput")
GET = Call("check-deployment", "bedrock", "GetCustomModelDeployment")
DELETE = Call("release-hosting", "bedrock", "DeleteCustomModelDeployment")
LOOK = Call("check-preflight", "bedrock", "ListCustomModelDeployments")
READ = Call("write-report", "s3", "GetObject")
STOPPED = Call("stop-run", "bedrock", "DeleteCustomModelDeployment")


def test_every_call_takes_part_with_every_kind_and_one_that_spends_with_more() -> None:
    def kinds(call: Call) -> list[str]:
        return [case.faults[0].kind for case in call_cases([call, call], ON_DEMAND)]

    assert kinds(GET) == [*KINDS]
    assert kinds(CREATE) == [*KINDS, *AFTER_EFFECT]


def test_what_spends_hits_two_runs_at_once_in_the_function_that_calls_it() -> None:
    cases = [*together_cases([GET, CREATE, CREATE], ON_DEMAND)]
    faults = [fault for case in cases for fault in case.faults]
    assert {(fault.operation, fault.function) for fault in faults} == {
        ("CreateCustomModelDeployment", "create-deployment")
    }
    assert [fault.kind for fault in faults] == ["throttle", "lost_answer", "function_killed"]


def test_runs_of_both_kinds_are_stopped_in_either() -> None:
    cases = [*together_cases([CREATE, BUY], ON_DEMAND, "both kinds")]
    assert {case.stop_at for case in cases} == {None, "Buy throughput", "Create deployment"}
    assert {(case.throughputs, case.deployments) for case in cases} == {(1, 1)}


@pytest.mark.parametrize(
    ("setting", "wait"), [(BY_THE_HOUR, "throughput"), (ON_DEMAND, "deployment")]
)
def test_the_guards_are_played_while_there_is_hosting(setting: Setting, wait: str) -> None:
    of_call = next(call_cases([STOPPED], setting))
    broken = next(change_cases(["stop-run"], [], setting))
    assert (of_call.group, of_call.stop_at) == ("guard", f"Wait for {wait}")
    assert (broken.broken_function, broken.stop_at) == ("stop-run", f"Wait for {wait}")


STATES = ["Approve spend", "Review data", "Wait for training", "Write report", "Notify failure"]
REVIEWED = Call("review-records", "bedrock-runtime", "Converse")
DECIDED = Call("decide-spend", "states", "SendTaskSuccess")
MAILED = Call("notify", "s3", "GetObject")


@pytest.mark.parametrize(
    ("case", "states"),
    [
        (Case("alone", "nothing"), ["Approve spend"]),
        (next(call_cases([READ], BY_THE_HOUR)), ["Approve spend", "Write report"]),
        (next(call_cases([REVIEWED], BY_THE_HOUR)), ["Approve spend", "Review data"]),
        (next(call_cases([DECIDED], BY_THE_HOUR)), ["Approve spend"]),
        (next(call_cases([MAILED], BY_THE_HOUR)), ["Approve spend", "Notify failure"]),
        (
            next(stop_cases(["Wait for training"], ON_DEMAND)),
            ["Approve spend", "Wait for training"],
        ),
        (Case("run", "of any", (CallFault("throttle", "GetObject"),)), STATES),
        (Case("deleted", "there", delete_at="Write report"), ["Approve spend", "Write report"]),
    ],
    ids=lambda given: given.what if isinstance(given, Case) else "",
)
def test_a_case_differs_from_where_something_of_it_can_happen(
    case: Case, states: list[str]
) -> None:
    assert [state for state in STATES if case.differs_at(state)] == states


def test_two_runs_and_what_a_run_finds_deployed_differ_from_the_start() -> None:
    """A run calls the versions that were there when it began."""
    [broken, *changed] = change_cases(["write-report"], ["Wait for training"], ON_DEMAND)
    assert broken.starts_apart
    assert not any(case.starts_apart for case in changed)
    assert all(case.starts_apart for case in together_cases([CREATE], ON_DEMAND))


def test_an_event_is_lost_only_in_states_that_are_entered() -> None:
    found = [case for case in stop_cases(["Keep deployment"], ON_DEMAND) if case.guard_lost]
    assert [case.stop_at for case in found] == [
        "Keep deployment",
        "Wait for deployment",
        "Wait for deployment",
    ]


FOUND = {
    "local": Found(
        calls=(DELETE, LOOK, *(replace(READ, operation=f"Get{n}") for n in range(20))),
        states=("Start training", "Write report", "Run failed"),
    ),
    "dev": Found(
        calls=(CREATE, DELETE, LOOK, replace(READ, operation="Get1")),  # by write-report
        states=("Start training", "Create deployment", "Write report", "Run failed"),
        deployed=frozenset({"Write report"}),
    ),
}


def test_on_demand_is_played_what_depends_on_the_deployment() -> None:
    cases = [case for case in all_cases(FOUND) if case.setting is ON_DEMAND]
    faults = {(each.function, each.operation) for case in cases for each in case.faults}
    functions = {function for function, _ in faults}
    assert functions == {"create-deployment", "release-hosting", "reap-leftovers"}
    stops = {case.stop_at for case in cases if case.group == "stop" and not case.guard_lost}
    assert stops == {"Create deployment", "Write report"}
    assert {case.broken_function for case in cases if case.broken_function} == {
        "create-deployment",
        "release-hosting",
        "write-report",
    }
    assert "kept" in {case.group for case in cases}


def test_by_the_hour_everything_is_played() -> None:
    cases = [case for case in all_cases(FOUND) if case.setting is BY_THE_HOUR]
    assert {each.operation for case in cases for each in case.faults if case.group == "run"} == {
        call.operation for call in FOUND["local"].calls
    }


@pytest.mark.parametrize(
    ("course", "executions", "bought", "created", "breaches"),
    [
        ("run", 1, 0, 1, []),
        ("run", 2, 0, 2, []),
        ("run", 1, 0, 2, ["bought 0 times, deployed 2 times"]),
        ("run", 1, 1, 1, ["bought 1 times, deployed 1 times"]),  # instead of the deployment
        ("both kinds", 2, 1, 1, []),
        ("both kinds", 2, 2, 0, ["bought 2 times, deployed 0 times"]),
    ],
)
def test_a_run_owns_one_hosting_at_the_most_and_of_its_kind(
    course: Course, executions: int, bought: int, created: int, breaches: list[str]
) -> None:
    case = Case("alone", "what", setting=ON_DEMAND, course=course, executions=executions)
    kept = Deployment(60, -60, of_success=True, is_there=True)
    result = CaseResult(case, purchases=bought, deployments=[kept] * created)
    result.judge()
    assert result.breaches == breaches


def test_a_case_means_the_same_in_the_process_that_plays_it() -> None:
    for case in (Case("alone", "what"), Case("alone", "what", setting=ON_DEMAND)):
        there = pickle.loads(pickle.dumps(case))  # noqa: S301  # its own
        assert (there.throughputs, there.deployments) == (case.throughputs, case.deployments)
        assert there == case


@pytest.mark.parametrize(
    ("deployment", "breaches"),
    [
        (Deployment(440, 20, of_success=True, is_there=False), []),
        (Deployment(430, -10, of_success=True, is_there=True), []),
        (
            Deployment(430, -10, of_success=True, is_there=False),
            ["not kept: gone 10 min before its release-by"],
        ),
        (
            Deployment(500, 60, of_success=True, is_there=True),
            ["kept for 60 min after its release-by"],
        ),
        (Deployment(10, -430, of_success=False, is_there=False), []),
    ],
)
def test_a_kept_deployment_is_there_until_its_release_by(
    deployment: Deployment, breaches: list[str]
) -> None:
    kept, *_ = kept_cases(ON_DEMAND)
    result = CaseResult(kept, deployments=[deployment])
    result.judge()
    assert result.breaches == breaches


@pytest.mark.parametrize("time_decides", [False, True])
def test_after_two_passes_of_the_reaper_nothing_is_left(*, time_decides: bool) -> None:
    case = Case("stop", "what", time_decides=time_decides)
    for passes, breaches in ((2, []), (3, [] if time_decides else ["left for 3 passes"])):
        result = CaseResult(case, passes=passes)
        result.judge()
        assert result.breaches == breaches
