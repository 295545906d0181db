"""Tasks: their limits, and tokens: who may end a wait, how often, and until when."""

from __future__ import annotations

import json
from typing import Any

import pytest

from local.states.executions import MOST_BYTES, StateError
from local.states.expressions import Expressions
from local.states.service import Refused
from tests.fakes.states_world import START, Simulation, asking, call, chain, details, types

HOUR = 3600


class Asked:
    """Keeps the tokens that a function was given."""

    def __init__(self, simulation: Simulation) -> None:
        self.tokens: list[str] = []
        self._call = simulation.service.call
        simulation.function("ask", self.tokens.append)

    def send(self, outcome: str, token: str = "", **more: Any) -> None:
        self._call(f"SendTask{outcome}", {"taskToken": token or self.tokens[-1], **more})

    def refusal(self, outcome: str, token: str = "", **more: Any) -> str:
        with pytest.raises(Refused) as refused:
            self.send(outcome, token, **more)
        return refused.value.code


@pytest.fixture
def asked(simulation: Simulation) -> Asked:
    return Asked(simulation)


def test_the_result_is_the_answer_of_the_invocation(simulation: Simulation) -> None:
    simulation.function("f", lambda payload: payload)
    ended = simulation.play(chain(Task=call("f", {"a": 1})))
    assert ended.output == {"Payload": {"a": 1}, "StatusCode": 200}


def test_the_history_tells_the_limits_of_a_task(simulation: Simulation) -> None:
    simulation.function("f", lambda payload: payload)
    limited = call("f", TimeoutSeconds="{% 6 * 10 %}", HeartbeatSeconds=5)
    ended = simulation.play(chain(Task=limited, Free=call("f")))
    told = [
        (event.get("timeoutInSeconds"), event.get("heartbeatInSeconds"))
        for event in details(ended, "TaskScheduled")
    ]
    assert told == [(60, 5), (None, None)]


def test_a_task_times_out_while_its_function_goes_on(simulation: Simulation) -> None:
    simulation.function("f", lambda payload: payload, takes=600)
    catch = [{"ErrorEquals": ["States.Timeout"], "Next": "Caught"}]
    task = call("f", TimeoutSeconds="{% 6 * 10 %}", Catch=catch)
    arn = simulation.start(chain(Task=task, Caught={"Type": "Succeed"}))
    ended = simulation.settled(arn)
    assert ended.output == {"Error": "States.Timeout", "Cause": ""}
    assert ended.ended == pytest.approx(START + 60, abs=1)
    [timed_out] = [event for event in ended.events if event["type"] == "TaskTimedOut"]
    assert timed_out["taskTimedOutEventDetails"] == {
        "resourceType": "lambda",
        "resource": "invoke",
        "error": "States.Timeout",
    }
    assert simulation.clock.time() >= START + 600, "the function has gone on"


def test_a_task_waits_until_its_token_is_brought_back_once(
    simulation: Simulation, asked: Asked
) -> None:
    arn = simulation.start(chain(Ask=asking("ask", Output="{% $states.result %}")))
    assert simulation.settled(arn).status == "RUNNING"
    assert asked.refusal("Success", output="{") == "InvalidOutput"
    assert asked.refusal("Success", output=json.dumps("x" * MOST_BYTES)) == "InvalidOutput"
    asked.send("Success", output='{"decision": "approve"}')
    assert asked.refusal("Failure", error="Late") == "TaskTimedOut"
    ended = simulation.settled(arn)
    assert ended.output == {"decision": "approve"}
    assert asked.refusal("Success", output="1") == "TaskTimedOut"
    assert asked.refusal("Success", "unknown", output="{}") == "InvalidToken"
    assert types(ended)[2:6] == ["TaskScheduled", "TaskStarted", "TaskSubmitted", "TaskSucceeded"]


def test_an_answer_may_come_before_the_function_has_ended(simulation: Simulation) -> None:
    def answer(token: str) -> None:
        simulation.service.call("SendTaskSuccess", {"taskToken": token, "output": '"at once"'})

    simulation.function("ask", answer, takes=30)
    assert simulation.play(chain(Ask=asking("ask"))).output == "at once"


def test_a_task_fails_as_who_brings_its_token_says(simulation: Simulation, asked: Asked) -> None:
    arn = simulation.start(chain(Ask=asking("ask")))
    simulation.settled(arn)
    asked.send("Failure", error="Rejected", cause="too dear")
    ended = simulation.settled(arn)
    assert (ended.status, ended.error, ended.cause) == ("FAILED", "Rejected", "too dear")


def test_an_error_without_a_name_is_null_as_recorded(simulation: Simulation, asked: Asked) -> None:
    catch = [{"ErrorEquals": ["States.ALL"], "Next": "Caught"}]
    machine = chain(Ask=asking("ask", Catch=catch), Caught={"Type": "Succeed"})
    arn = simulation.start(machine)
    simulation.settled(arn)
    asked.send("Failure")
    ended = simulation.settled(arn)
    assert ended.output == {"Error": None, "Cause": None}
    [failed] = [event for event in ended.events if event["type"] == "TaskFailed"]
    assert failed["taskFailedEventDetails"] == {
        "resourceType": "lambda",
        "resource": "invoke.waitForTaskToken",
    }


def test_a_result_at_the_limit_counts_as_recorded(expressions: Expressions) -> None:
    """A function takes 1 s."""
    for seed in range(20):
        simulation = Simulation(expressions, seed)
        simulation.function("f", lambda payload: payload)
        assert simulation.play(chain(Task=call("f", TimeoutSeconds=1))).status == "SUCCEEDED"
        simulation.clock.stop()


def test_a_time_out_that_nobody_catches_has_no_cause(simulation: Simulation) -> None:
    simulation.function("f", lambda payload: payload, takes=600)
    ended = simulation.play(chain(Task=call("f", TimeoutSeconds=60)))
    assert ended.events[-1]["executionFailedEventDetails"] == {"error": "States.Timeout"}


def test_each_attempt_has_a_token_of_its_own(simulation: Simulation, asked: Asked) -> None:
    retry = [{"ErrorEquals": ["Again"], "MaxAttempts": 1}]
    arn = simulation.start(chain(Ask=asking("ask", Retry=retry)))
    simulation.settled(arn)
    asked.send("Failure", error="Again")
    simulation.settled(arn)
    first, second = asked.tokens
    assert asked.refusal("Success", first, output="1") == "TaskTimedOut"
    asked.send("Success", second, output="2")
    assert simulation.settled(arn).output == 2


def test_a_function_that_fails_to_ask_fails_the_task(simulation: Simulation) -> None:
    def refuse(_: str) -> None:
        raise StateError("Refused")

    simulation.function("ask", refuse)
    assert simulation.play(chain(Ask=asking("ask"))).error == "Refused"


def test_time_stands_by_while_a_person_decides(simulation: Simulation, asked: Asked) -> None:
    """With nobody else waiting, the limit of the decision does not come by itself."""
    arn = simulation.start(chain(Ask=asking("ask", TimeoutSeconds=24 * HOUR)))
    simulation.clock.advance(23 * HOUR)
    assert simulation.settled(arn).status == "RUNNING"
    simulation.clock.advance(1.5 * HOUR)
    ended = simulation.settled(arn)
    assert (ended.error, ended.ended) == ("States.Timeout", pytest.approx(START + 24 * HOUR, abs=5))
    assert asked.refusal("Success", output="1") == "TaskTimedOut"


@pytest.mark.parametrize("listed", ["States.HeartbeatTimeout", "States.Timeout", "States.ALL"])
def test_a_missed_heartbeat_is_a_time_out_by_either_name(
    simulation: Simulation, asked: Asked, listed: str
) -> None:
    catch = [{"ErrorEquals": [listed], "Next": "Caught"}]
    machine = chain(
        Ask=asking("ask", HeartbeatSeconds=5400, Catch=catch), Caught={"Type": "Succeed"}
    )
    arn = simulation.start(machine)
    for _ in range(3):
        simulation.clock.advance(HOUR)
        asked.send("Heartbeat")
    assert simulation.settled(arn).status == "RUNNING"
    simulation.clock.advance(2 * HOUR)
    ended = simulation.settled(arn)
    assert ended.output == {"Error": "States.Timeout", "Cause": ""}
    assert ended.ended == pytest.approx(START + 4.5 * HOUR, abs=5)
    assert "TaskTimedOut" in types(ended)


def test_stop_execution_closes_the_token(simulation: Simulation, asked: Asked) -> None:
    arn = simulation.start(chain(Ask=asking("ask")))
    simulation.settled(arn)
    simulation.service.call("StopExecution", {"executionArn": arn})
    assert simulation.settled(arn).status == "ABORTED"
    assert asked.refusal("Success", output="1") == "TaskTimedOut"


def test_executions_of_one_name_have_tokens_of_their_own(
    simulation: Simulation, asked: Asked
) -> None:
    arn = simulation.start(chain(Ask=asking("ask")))
    [record] = simulation.world.records.values()
    other = f"{record['stateMachineArn']}-2"
    simulation.world.records[other] = {**record, "stateMachineArn": other}
    simulation.service.call("StartExecution", {"stateMachineArn": other, "name": "run"})
    simulation.settled(arn)
    assert len({*asked.tokens}) == 2
