"""Tasks that wait for their token: who may end the wait, how often, and until when."""

from __future__ import annotations

import json
import time
from typing import Any

import boto3
import pytest

from local.server import OfflineAws
from tests.workflow.ministack.definitions import (
    HOUR,
    Run,
    Token,
    one_state,
    received,
    refusal,
    seconds_of,
    waits,
)


def test_a_task_waits_until_its_token_is_brought_back_once(
    function: str, token: Token, run: Run
) -> None:
    states: Any = boto3.client("stepfunctions")

    def decide(_: str) -> None:
        given = {"taskToken": token()}
        not_json = refusal(states.send_task_success, **given, output="{")
        states.send_task_success(**given, output=json.dumps({"decision": "approve"}))
        again = refusal(states.send_task_failure, **given, error="Late", cause="twice")
        assert (not_json, again) == ("InvalidOutput", "TaskTimedOut")

    ended = run(one_state(waits(function)), during=decide)
    assert json.loads(ended["output"]) == {"decision": "approve"}
    assert refusal(states.send_task_success, taskToken="unknown", output="{}") == "InvalidToken"


def test_a_task_fails_as_who_brings_its_token_says(function: str, token: Token, run: Run) -> None:
    states: Any = boto3.client("stepfunctions")

    def reject(_: str) -> None:
        states.send_task_failure(taskToken=token(), error="Rejected", cause="too dear")

    ended = run(one_state(waits(function)), during=reject)
    assert (ended["status"], ended["error"], ended["cause"]) == ("FAILED", "Rejected", "too dear")


def test_each_attempt_has_a_token_of_its_own(function: str, token: Token, run: Run) -> None:
    states: Any = boto3.client("stepfunctions")
    told: list[str] = []

    def decide(_: str) -> None:
        told.append(token())
        states.send_task_failure(taskToken=told[0], error="Again", cause="")
        told.append(token())
        states.send_task_success(taskToken=told[1], output="{}")

    retry = [{"ErrorEquals": ["Again"], "IntervalSeconds": 1, "MaxAttempts": 1}]
    assert run(one_state(waits(function, Retry=retry)), during=decide)["status"] == "SUCCEEDED"
    assert told[0] != told[1]


def test_a_function_that_fails_to_ask_fails_the_task(function: str, run: Run, queue: str) -> None:
    assert run(one_state(waits(function, {"raise": True})))["error"] == "Refused"
    received(queue)


def test_time_stands_by_while_a_person_decides(
    function: str, token: Token, run: Run, offline: OfflineAws
) -> None:
    """With nobody else waiting, the limit of the decision does not come by itself."""
    states: Any = boto3.client("stepfunctions")
    told: list[str] = []

    def wait_a_while_then_a_day(arn: str) -> None:
        told.append(token())
        time.sleep(0.5)
        assert states.describe_execution(executionArn=arn)["status"] == "RUNNING"
        offline.clock.advance(23 * HOUR)
        assert states.describe_execution(executionArn=arn)["status"] == "RUNNING"
        offline.clock.advance(1.5 * HOUR)

    asking = waits(function, TimeoutSeconds="{% 24 * 3600 %}")
    ended = run(one_state(asking), during=wait_a_while_then_a_day)
    assert ended["error"] == "States.Timeout"
    assert seconds_of(ended) == pytest.approx(24 * HOUR, abs=30)
    late = refusal(states.send_task_success, taskToken=told[0], output="{}")
    assert late == "TaskTimedOut"


def test_a_task_whose_heart_stops_fails(
    function: str, token: Token, run: Run, offline: OfflineAws
) -> None:
    states: Any = boto3.client("stepfunctions")

    def beat_then_stop(arn: str) -> None:
        given = {"taskToken": token()}
        for _ in range(3):
            offline.clock.advance(HOUR)
            states.send_task_heartbeat(**given)
        assert states.describe_execution(executionArn=arn)["status"] == "RUNNING"
        offline.clock.advance(2 * HOUR)

    ended = run(one_state(waits(function, HeartbeatSeconds=5400)), during=beat_then_stop)
    assert ended["error"] == "States.HeartbeatTimeout"
    assert seconds_of(ended) == pytest.approx(4.5 * HOUR, abs=30)


def test_stop_execution_ends_the_wait_for_a_token(function: str, token: Token, run: Run) -> None:
    states: Any = boto3.client("stepfunctions")
    told: list[str] = []

    def stop(arn: str) -> None:
        told.append(token())
        states.stop_execution(executionArn=arn)

    assert run(one_state(waits(function)), during=stop)["status"] == "ABORTED"
    late = refusal(states.send_task_success, taskToken=told[0], output="{}")
    assert late == "TaskTimedOut"
