"""Calls of functions: recorded, refused as their service refuses, cut off after their effect."""

from __future__ import annotations

import json
import time
from typing import Any

import boto3
import pytest

from local.call_faults import Call, CallFault, CallFaults
from tests.workflow.ministack.definitions import (
    Definition,
    Run,
    asks,
    call,
    one_state,
    payload_of,
    received,
    seconds_of,
)


def took_effect() -> bool:
    listed: dict[str, Any] = boto3.client("s3").list_objects_v2(Bucket="contract-calls")
    return "it" in [each["Key"] for each in listed.get("Contents", [])]


def test_calls_are_recorded_with_the_function_that_makes_them(
    function: str, put: Definition, queue: str, run: Run, faults: CallFaults
) -> None:
    run(one_state(call(function, {"count": True})))
    run(one_state(call(function, put)))
    boto3.client("sns").list_topics()
    assert received(queue) == 1
    assert [each for each in faults.calls if each.function] == [
        Call("contract", "sqs", "SendMessage"),
        Call("contract", "s3", "PutObject"),
    ]
    assert Call(None, "states", "StartExecution") in faults.calls
    assert Call(None, "sns", "ListTopics") in faults.calls


REFUSED = {
    "s3": (
        asks("s3", "get_object_attributes", Bucket="b", Key="k", ObjectAttributes=["ETag"]),
        "GetObjectAttributes",
        {"throttle": "SlowDown 503", "server_error": "InternalError 500"},
        "AccessDenied 403",
    ),
    "bedrock": (
        asks("bedrock", "list_model_customization_jobs"),
        "ListModelCustomizationJobs",
        {"throttle": "ThrottlingException 429", "server_error": "InternalServerException 500"},
        "AccessDeniedException 403",
    ),
    "states": (
        asks("stepfunctions", "list_state_machines"),
        "ListStateMachines",
        {"throttle": "ThrottlingException 400", "server_error": "InternalFailure 500"},
        "AccessDeniedException 400",
    ),
    "sns": (
        asks("sns", "list_topics"),
        "ListTopics",
        {"throttle": "Throttled 429", "server_error": "InternalError 500"},
        "AuthorizationError 403",
    ),
}


@pytest.mark.parametrize("service", REFUSED)
def test_a_refused_call_fails_in_the_words_of_its_service(
    service: str, function: str, run: Run, faults: CallFaults
) -> None:
    request, operation, transient, denied = REFUSED[service]
    expected = {**transient, "access_denied": denied}
    for kind in ("throttle", "server_error", "access_denied"):
        faults.set(CallFault(kind, operation, "contract"))
        failure = payload_of(run(one_state(call(function, request))))
        assert f"{failure['code']} {failure['status']}" == expected[kind]
        assert faults.fired >= 1


def test_a_fault_passes_after_its_times_and_hits_one_function_only(
    function: str, patient: str, put: Definition, run: Run, faults: CallFaults
) -> None:
    faults.set(CallFault("access_denied", "PutObject", "contract", times=1))
    boto3.client("s3").put_object(Bucket="contract-calls", Key="it", Body=b"a test's own")
    assert payload_of(run(one_state(call(patient, put)))) == {"tries": 1}
    assert payload_of(run(one_state(call(function, put))))["code"] == "AccessDenied"
    assert payload_of(run(one_state(call(function, put)))) == {"tries": 1}
    assert faults.fired == 1


def test_a_lost_answer_is_a_closed_connection_after_the_effect(
    function: str, put: Definition, run: Run, faults: CallFaults
) -> None:
    faults.set(CallFault("lost_answer", "PutObject", "contract"))
    assert payload_of(run(one_state(call(function, put))))["code"] == "ConnectionClosedError"
    assert took_effect()
    faults.set(CallFault("lost_answer", "PutObject", "contract", times=1))
    assert payload_of(run(one_state(call(function, put)))) == {"tries": 2}


def test_a_function_killed_after_its_call_ends_as_on_aws(
    function: str, put: Definition, run: Run, faults: CallFaults
) -> None:
    faults.set(CallFault("function_killed", "PutObject", "contract", times=1))
    ended = run(one_state(call(function, put)))
    assert ended["error"] == "Runtime.ExitError"
    assert "Error: Runtime exited with error: signal: killed" in ended["cause"]
    assert took_effect()
    assert payload_of(run(one_state(call(function, put)))) == {"tries": 1}


def test_a_function_timed_out_after_its_call_takes_its_time_but_nobody_elses(
    function: str, put: Definition, run: Run, faults: CallFaults
) -> None:
    faults.set(CallFault("function_timed_out", "PutObject", "contract", times=1))
    began = time.monotonic()
    ended = run(one_state(call(function, put)))
    assert ended["error"] == "Sandbox.Timedout"
    assert "Error: Task timed out after 20.00 seconds" in ended["cause"]
    assert took_effect()
    assert seconds_of(ended) == pytest.approx(20, abs=5)
    assert time.monotonic() - began < 10


def test_of_two_that_run_only_the_caller_is_killed(
    function: str, put: Definition, run: Run, faults: CallFaults
) -> None:
    faults.set(CallFault("function_killed", "PutObject", "contract", times=1))
    sleeper = one_state(call(function, {"sleeps": [15]}))
    caught = {"ErrorEquals": ["Runtime.ExitError"], "Output": "killed", "Next": "After"}
    caller = {
        "StartAt": "Wait",
        "States": {
            "Wait": {"Type": "Wait", "Seconds": 5, "Next": "Call"},
            "Call": call(function, put, Catch=[caught]),
            "After": {"Type": "Succeed"},
        },
    }
    ended = run(one_state({"Type": "Parallel", "Branches": [sleeper, caller], "End": True}))
    [slept, killed] = json.loads(ended["output"])
    assert slept["Payload"] == {"sleeps": [15]}
    assert killed == "killed"
