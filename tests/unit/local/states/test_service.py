"""Starting, stopping, redriving, listing and deleting: what the API does and refuses."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import pytest

from local.states.executions import MOST_BYTES, StateError
from local.states.service import Refused
from tests.fakes.states_world import (
    START,
    Simulation,
    asking,
    call,
    chain,
    distributed,
    lines,
    types,
)

HOUR = 3600


def refusal(simulation: Simulation, operation: str, **request: Any) -> str:
    with pytest.raises(Refused) as refused:
        simulation.service.call(operation, request)
    return refused.value.code


def test_a_start_that_is_repeated_starts_once(simulation: Simulation) -> None:
    simulation.function("ask", lambda _: None)
    arn = simulation.start(chain(Ask=asking("ask")), {"a": 1})
    simulation.settled(arn)
    machine = f"{arn.rpartition(':')[0].replace(':execution:', ':stateMachine:')}"
    again = {"stateMachineArn": machine, "name": "run", "input": '{ "a": 1 }'}
    started = simulation.service.call("StartExecution", again)
    assert started == {"executionArn": arn, "startDate": START}
    other = refusal(simulation, "StartExecution", **(again | {"input": "{}"}))
    assert other == "ExecutionAlreadyExists"
    simulation.service.call("StopExecution", {"executionArn": arn})
    assert refusal(simulation, "StartExecution", **again) == "ExecutionAlreadyExists"
    unnamed = {"stateMachineArn": machine}
    arns = {simulation.service.call("StartExecution", unnamed)["executionArn"] for _ in range(3)}
    assert len(arns) == 3


def test_what_is_no_input_or_machine_is_refused(simulation: Simulation) -> None:
    arn = simulation.play(chain(Pass={"Type": "Pass"})).machine.arn
    for given in ("{", json.dumps("x" * MOST_BYTES)):
        request = {"stateMachineArn": arn, "input": given}
        assert refusal(simulation, "StartExecution", **request) == "InvalidExecutionInput"
    unknown = {"stateMachineArn": arn + "x"}
    assert refusal(simulation, "StartExecution", **unknown) == "StateMachineDoesNotExist"
    assert refusal(simulation, "ListExecutions", **unknown) == "StateMachineDoesNotExist"
    gone = refusal(simulation, "DescribeExecution", executionArn="unknown")
    assert gone == "ExecutionDoesNotExist"


def test_the_machine_times_out_once_its_time_has_passed(simulation: Simulation) -> None:
    slow = chain(Wait={"Type": "Wait", "Seconds": 2 * HOUR})
    ended = simulation.play({**slow, "TimeoutSeconds": HOUR})
    assert (ended.status, ended.ended) == ("TIMED_OUT", pytest.approx(START + HOUR))
    assert not {"error", "cause"} & ended.describe().keys(), "as recorded"
    assert types(ended)[-1] == "ExecutionTimedOut"
    quick = simulation.play({**chain(Pass={"Type": "Pass"}), "TimeoutSeconds": 5}, name="2")
    simulation.clock.advance(HOUR)
    assert quick.status == "SUCCEEDED"


def test_a_stopped_execution_stays_stopped(simulation: Simulation) -> None:
    """Neither the branch that waits nor the retry goes on, and the clock does not run ahead."""

    def refuse(_: Any) -> None:
        if len(simulation.world.called) > 5:
            simulation.service.call("StopExecution", {"executionArn": arn, "error": "Stopped"})
        raise StateError("Refused")

    simulation.function("refuse", refuse)
    simulation.function("count", lambda _: None)
    retry = [{"ErrorEquals": ["Refused"], "MaxAttempts": 999}]
    waits = chain(Wait={"Type": "Wait", "Seconds": 9 * HOUR}, Call=call("count"))
    branches = [waits, chain(Call=call("refuse", Retry=retry))]
    arn = simulation.start(chain(Both={"Type": "Parallel", "Branches": branches}))
    ended = simulation.settled(arn)
    assert (ended.status, ended.error) == ("ABORTED", "Stopped")
    assert ended.events[-1]["previousEventId"] == 0, "as recorded"
    assert [name for name, _ in simulation.world.called] == ["refuse"] * 6
    assert simulation.clock.time() < START + 9 * HOUR
    again = simulation.service.call("StopExecution", {"executionArn": arn})
    assert again == {"stopDate": ended.ended}


def test_a_running_execution_keeps_its_definition_but_meets_functions_as_they_are(
    simulation: Simulation,
) -> None:
    simulation.function("f", lambda _: "as it was")
    machine = chain(Wait={"Type": "Wait", "Seconds": 60}, Call=call("f"), End={"Type": "Pass"})
    arn = simulation.start(machine)
    record = simulation.world.records[
        f"{arn.rpartition(':')[0]}".replace("execution", "stateMachine")
    ]
    record["definition"] = json.dumps(chain(Other={"Type": "Fail", "Error": "Other"}))
    simulation.function("f", lambda _: "as it is")
    ended = simulation.settled(arn)
    assert (ended.status, ended.output["Payload"]) == ("SUCCEEDED", "as it is")


def test_a_machine_is_deleted_at_the_next_transition_of_what_runs(simulation: Simulation) -> None:
    simulation.function("ask", lambda _: None)
    simulation.function("never", lambda _: None)
    arn = simulation.start(chain(Ask=asking("ask"), Never=call("never")))
    running = simulation.settled(arn)
    machine = running.machine.arn
    simulation.service.call("DeleteStateMachine", {"stateMachineArn": machine})
    assert simulation.world.records[machine]["status"] == "DELETING"
    assert running.status == "RUNNING"
    request = {"stateMachineArn": machine}
    assert refusal(simulation, "StartExecution", **request) == "StateMachineDeleting"
    token = next(payload for name, payload in simulation.world.called if name == "ask")
    simulation.service.call("SendTaskSuccess", {"taskToken": token, "output": "{}"})
    simulation.clock.settle()
    assert (running.error, running.cause) == (
        "States.Runtime",
        "State machine of-run has been deleted.",
    )
    assert simulation.world.statuses[-1] == ("run", "FAILED")
    assert machine not in simulation.world.records
    assert [name for name, _ in simulation.world.called] == ["ask"]
    assert refusal(simulation, "DescribeExecution", executionArn=arn) == "ExecutionDoesNotExist"
    simulation.service.call("DeleteStateMachine", request)  # repeated, as on AWS: not an error


class Moody:
    """Fails until it is told not to."""

    def __init__(self) -> None:
        self.is_well = False

    def __call__(self, payload: Any) -> Any:
        if not self.is_well:
            raise StateError("Moody")
        return payload


def redriven(simulation: Simulation, machine: Any, moody: Moody) -> Any:
    simulation.function("moody", moody)
    simulation.function("once", lambda payload: payload)
    failed = simulation.play(machine, {"given": 1})
    assert failed.status == "FAILED"
    first = failed.events[: len(failed.events)]
    moody.is_well = True
    simulation.service.call("RedriveExecution", {"executionArn": failed.arn})
    again = simulation.settled(failed.arn)
    assert again.events[: len(first)] == first
    assert again.events[len(first)]["type"] == "ExecutionRedriven"
    return again


def test_a_redrive_goes_on_where_it_failed_with_the_same_definition(
    simulation: Simulation,
) -> None:
    machine = chain(
        Once=call("once", Assign={"kept": "{% $states.input.given %}"}),
        Moody=call("moody", "{% [$kept, $states.context.Execution.RedriveCount] %}"),
    )
    ended = redriven(simulation, machine, Moody())
    assert (ended.status, ended.output["Payload"]) == ("SUCCEEDED", [1, 1])
    assert [name for name, _ in simulation.world.called].count("once") == 1
    described = simulation.service.call("DescribeExecution", {"executionArn": ended.arn})
    assert (described["redriveCount"], described["redriveStatus"]) == (1, "NOT_REDRIVABLE")
    said = "Execution is SUCCEEDED and cannot be redriven"
    assert described["redriveStatusReason"] == said, "as recorded"
    request = {"executionArn": ended.arn}
    assert refusal(simulation, "RedriveExecution", **request) == "ExecutionNotRedrivable"


def test_a_redrive_enters_the_state_that_was_next(simulation: Simulation) -> None:
    arn = simulation.start(chain(First={"Type": "Pass"}, Second={"Type": "Pass"}))
    stop = partial(simulation.service.call, "StopExecution", {"executionArn": arn})
    simulation.clock.at(START + 0.02, stop, name="stop")  # a transition takes 0.05 s
    assert simulation.settled(arn).entered == ["First"]
    simulation.service.call("RedriveExecution", {"executionArn": arn})
    ended = simulation.settled(arn)
    assert (ended.status, ended.entered) == ("SUCCEEDED", ["First", "Second"])


def test_a_redrive_repeats_no_branch_that_succeeded(simulation: Simulation) -> None:
    branches = [
        chain(A=call("once", "a", Output="{% 1 %}")),
        chain(W={"Type": "Wait", "Seconds": 9}, B=call("moody", "b", Output="{% 2 %}")),
    ]
    machine = chain(Both={"Type": "Parallel", "Branches": branches})
    ended = redriven(simulation, machine, Moody())
    assert (ended.status, ended.output) == ("SUCCEEDED", [1, 2])
    assert [name for name, _ in simulation.world.called] == ["once", "moody", "moody"]


def test_a_redrive_repeats_no_child_execution_that_succeeded(simulation: Simulation) -> None:
    simulation.world.objects["bucket/items"] = lines(["once", "moody", "once"])
    inner = chain(Begin={"Type": "Pass"}, Task=call("{% $states.input %}", "{% $states.input %}"))
    ended = redriven(simulation, distributed(inner, MaxConcurrency=1), Moody())
    assert ended.status == "SUCCEEDED"
    assert [name for name, _ in simulation.world.called] == ["once", "moody", "moody", "once"]
    children = [*simulation.service.records.values()][1:]
    assert [each.entered for each in children] == [["Begin", "Task"]] * 3
    assert [len(each.redriven) for each in children] == [0, 1, 0]


def test_pages_of_executions_and_history(simulation: Simulation) -> None:
    states = {f"P{n}": {"Type": "Pass"} for n in range(60)}
    ended = simulation.play(chain(**states))
    call_ = simulation.service.call
    request: dict[str, Any] = {"executionArn": ended.arn}
    first = call_("GetExecutionHistory", request)
    rest = call_("GetExecutionHistory", {**request, "nextToken": first["nextToken"]})
    assert [event["id"] for event in first["events"] + rest["events"]] == [*range(1, 123)]
    assert "nextToken" not in rest
    last = call_("GetExecutionHistory", {**request, "reverseOrder": True, "maxResults": 1})
    assert [event["type"] for event in last["events"]] == ["ExecutionSucceeded"]
    listed = call_("ListExecutions", {"stateMachineArn": ended.machine.arn})["executions"]
    assert [(each["name"], each["status"]) for each in listed] == [("run", "SUCCEEDED")]
    none = {"stateMachineArn": ended.machine.arn, "statusFilter": "RUNNING"}
    assert call_("ListExecutions", none)["executions"] == []


def test_forgetting_ends_everything(simulation: Simulation) -> None:
    simulation.function("f", lambda _: None, takes=HOUR)
    arn = simulation.start(chain(Call=call("f"), Wait={"Type": "Wait", "Seconds": HOUR}))
    simulation.service.forget()
    simulation.clock.settle()
    assert arn not in simulation.service.records


def test_a_simulation_that_has_failed_answers_nobody(simulation: Simulation) -> None:
    """Or else who waits for an execution would wait for ever."""
    arn = simulation.play(chain(Pass={"Type": "Pass"})).arn

    def fail() -> None:
        raise KeyError("a bug")

    simulation.clock.at(simulation.clock.time(), fail, name="bug")
    with pytest.raises(RuntimeError, match="ended with an error"):
        simulation.clock.settle()
    with pytest.raises(RuntimeError, match="ended with an error"):
        simulation.service.call("DescribeExecution", {"executionArn": arn})
