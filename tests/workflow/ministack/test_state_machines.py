"""State machines: scopes and times of their states, how they stop, and how they are deleted."""

from __future__ import annotations

import json
import time
from typing import Any

import boto3
import pytest

from local.server import OfflineAws
from tests.workflow.ministack.definitions import (
    HOUR,
    Definition,
    Run,
    Token,
    call,
    eventually,
    one_state,
    queue_arn,
    received,
    refusal,
    seconds_of,
    waits,
)


def test_branches_have_their_own_scope_and_time_and_the_parallel_its_output(run: Run) -> None:
    def branch(seconds: int) -> Definition:
        return {
            "StartAt": f"Wait {seconds}",
            "States": {
                f"Wait {seconds}": {
                    "Type": "Wait",
                    "Seconds": seconds,
                    "Assign": {"mine": seconds},
                    "Next": f"Tell {seconds}",
                },
                f"Tell {seconds}": {
                    "Type": "Pass",
                    "Output": {
                        "entered": "{% $toMillis($states.context.State.EnteredTime) / 1000 %}",
                        "mine": "{% $mine %}",
                    },
                    "End": True,
                },
            },
        }

    began = time.time()
    ended = run(
        one_state(
            {
                "Type": "Parallel",
                "Branches": [branch(60), branch(HOUR)],
                "Output": {"first": "{% $states.result[0] %}", "last": "{% $states.result[1] %}"},
                "End": True,
            }
        )
    )
    output = json.loads(ended["output"])
    assert output["first"]["mine"] == 60
    assert output["last"]["mine"] == HOUR
    assert output["last"]["entered"] - output["first"]["entered"] == pytest.approx(HOUR - 60, abs=5)
    assert time.time() - began < 20
    entered = [
        e["stateEnteredEventDetails"]["name"] for e in ended["history"] if "Entered" in e["type"]
    ]
    assert "Tell 60" in entered


def test_succeed_evaluates_its_output(run: Run) -> None:
    ended = run(one_state({"Type": "Succeed", "Output": {"sum": "{% 1 + 1 %}"}}))
    assert json.loads(ended["output"]) == {"sum": 2}


def test_a_stopped_execution_stays_stopped(function: str, queue: str, run: Run) -> None:
    """Neither the branch that waits nor the retry goes on, and the clock does not run ahead."""
    branches = [
        {
            "StartAt": "Wait",
            "States": {
                "Wait": {"Type": "Wait", "Seconds": 9 * HOUR, "Next": "Call"},
                "Call": call(function, {"count": True}),
            },
        },
        one_state(
            call(
                function,
                {"raise": True},
                Retry=[{"ErrorEquals": ["Refused"], "IntervalSeconds": 1, "MaxAttempts": 999}],
            )
        ),
    ]
    states: Any = boto3.client("stepfunctions")

    def stop(arn: str) -> None:
        time.sleep(1)
        states.stop_execution(executionArn=arn, error="Stopped", cause="by a person")

    ended = run(one_state({"Type": "Parallel", "Branches": branches, "End": True}), during=stop)
    time.sleep(1)
    assert ended["status"] == "ABORTED"
    assert received(queue) == 0
    assert (ended["stopDate"] - ended["startDate"]).total_seconds() < 9 * HOUR


def test_the_machine_times_out(run: Run) -> None:
    slow = {"Type": "Wait", "Seconds": 2 * HOUR, "End": True}
    ended = run({**one_state(slow), "TimeoutSeconds": HOUR})
    assert ended["status"] == "TIMED_OUT"
    lasted = (ended["stopDate"] - ended["startDate"]).total_seconds()
    assert lasted == pytest.approx(HOUR, abs=10)


def test_a_task_times_out_in_simulated_time_while_its_function_goes_on(
    patient: str, queue: str, run: Run, offline: OfflineAws
) -> None:
    limit = {"TimeoutSeconds": "{% 6 * 10 %}"}
    ended = run(one_state(call(patient, {"sleeps": [600]}, **limit)))
    assert ended["error"] == "States.Timeout"
    assert seconds_of(ended) == pytest.approx(60, abs=5)
    offline.clock.advance(600)  # the function sleeps on
    ended = run(one_state(call(patient, {"sleeps": [30], "count": True}, **limit)))
    assert ended["status"] == "SUCCEEDED"
    assert received(queue) == 1


def test_a_retry_waits_as_long_as_it_says(function: str, run: Run) -> None:
    often = {"ErrorEquals": ["Refused"], "IntervalSeconds": 100, "MaxAttempts": 4}
    ended = run(
        one_state(call(function, {"raise": True}, Retry=[{**often, "MaxDelaySeconds": 300}]))
    )
    assert seconds_of(ended) == pytest.approx(100 + 200 + 300 + 300, abs=10)


def test_a_start_that_is_repeated_starts_once(function: str, token: Token, run: Run) -> None:
    states: Any = boto3.client("stepfunctions")

    def start_again(arn: str) -> None:
        running = states.describe_execution(executionArn=arn)
        given = {"stateMachineArn": running["stateMachineArn"], "name": running["name"]}
        again = states.start_execution(**given, input="{}")
        assert again["executionArn"] == arn
        assert again["startDate"] == running["startDate"]
        other = refusal(states.start_execution, **given, input='{"other": 1}')
        assert other == "ExecutionAlreadyExists"
        states.send_task_success(taskToken=token(), output="{}")

    ended = run(one_state(waits(function)), during=start_again)
    given = {"stateMachineArn": ended["stateMachineArn"], "name": ended["name"]}
    assert refusal(states.start_execution, **given) == "ExecutionAlreadyExists"


def test_a_machine_is_deleted_at_the_next_transition_of_what_runs(
    function: str, token: Token, queue: str, role: str
) -> None:
    """The execution fails, an event tells of it, and then nothing of the machine is left."""
    states: Any = boto3.client("stepfunctions")
    ask = {**waits(function), "End": False, "Next": "Never"}
    both = {"Ask": ask, "Never": call(function, {"count": True})}
    definition = {"QueryLanguage": "JSONata", "StartAt": "Ask", "States": both}
    machine = states.create_state_machine(
        name="to-delete", definition=json.dumps(definition), roleArn=role
    )["stateMachineArn"]
    events: Any = boto3.client("events")
    detail = {"stateMachineArn": [machine], "status": ["FAILED"]}
    pattern = {"source": ["aws.states"], "detail": detail}
    events.put_rule(Name="failed", EventPattern=json.dumps(pattern))
    events.put_targets(Rule="failed", Targets=[{"Id": "q", "Arn": queue_arn(queue)}])
    execution = states.start_execution(stateMachineArn=machine)["executionArn"]
    told = token()

    states.delete_state_machine(stateMachineArn=machine)
    assert states.describe_state_machine(stateMachineArn=machine)["status"] == "DELETING"
    assert states.describe_execution(executionArn=execution)["status"] == "RUNNING"
    another = refusal(states.start_execution, stateMachineArn=machine)
    assert another == "StateMachineDeleting"

    states.send_task_success(taskToken=told, output="{}")
    failed = json.loads(token())["detail"]
    assert failed["error"] == "States.Runtime"
    assert failed["cause"] == "State machine to-delete has been deleted."
    eventually(lambda: machine not in json.dumps(states.list_state_machines(), default=str))
    assert received(queue) == 0
    gone = refusal(states.describe_execution, executionArn=execution)
    assert gone == "ExecutionDoesNotExist"
    gone = refusal(states.list_executions, stateMachineArn=machine)
    assert gone == "StateMachineDoesNotExist"
    states.delete_state_machine(stateMachineArn=machine)  # as on AWS, once more is no error
    events.remove_targets(Rule="failed", Ids=["q"])
    events.delete_rule(Name="failed")
