"""The contract of each patch in `local/ministack/`: what AWS does and stock MiniStack does not."""

from __future__ import annotations

import io
import json
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from local.call_faults import Call, CallFault, CallFaults
from local.environment import ACCOUNT
from local.ministack.upstream import PatchOutdated, original
from local.rehearsal.rehearse import REGION
from local.server import OfflineAws

HOUR = 3600
FUNCTION = """
import os, threading, time, boto3
from botocore.exceptions import BotoCoreError, ClientError
class Refused(Exception): pass
def handler(event, context):
    if event.get("exit"): os._exit(3)
    if event.get("raise"): raise Refused("no, because")
    if event.get("count"): tell("called")
    if event.get("token"): tell(event["token"])
    if event.get("sleeps"): sleep(event["sleeps"])
    if event.get("call"): return call(**event["call"])
    return event
def tell(what):
    boto3.client("sqs").send_message(QueueUrl=os.environ["QUEUE"], MessageBody=what)
def sleep(seconds):
    threads = [threading.Thread(target=time.sleep, args=(each,)) for each in seconds]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
def call(service, operation, arguments):
    try:
        answer = getattr(boto3.client(service), operation)(**arguments)
        return {"tries": answer["ResponseMetadata"]["RetryAttempts"] + 1}
    except ClientError as error:
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        return {"code": error.response["Error"]["Code"], "status": status}
    except BotoCoreError as error:
        return {"code": type(error).__name__}
"""
Definition = dict[str, Any]
Run = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def role(offline: OfflineAws) -> str:
    del offline
    trust = json.dumps({"Version": "2012-10-17", "Statement": []})
    iam: Any = boto3.client("iam")
    created = iam.create_role(RoleName="contract", AssumeRolePolicyDocument=trust)
    arn: str = created["Role"]["Arn"]
    return arn


@pytest.fixture(scope="module")
def queue(offline: OfflineAws) -> str:
    del offline
    url: str = boto3.client("sqs").create_queue(QueueName="contract")["QueueUrl"]
    return url


@pytest.fixture(scope="module")
def function(role: str, queue: str) -> str:
    return make_function("contract", FUNCTION, role, queue)


def make_function(name: str, source: str, role: str, queue: str, timeout: int = 20) -> str:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as zipped:
        zipped.writestr("index.py", source)
    created = boto3.client("lambda").create_function(
        FunctionName=name,
        Runtime="python3.11",
        Handler="index.handler",
        Role=role,
        Code={"ZipFile": archive.getvalue()},
        Timeout=timeout,
        Environment={"Variables": {"QUEUE": queue}},
    )
    arn: str = created["FunctionArn"]
    return arn


@pytest.fixture(scope="module")
def patient(role: str, queue: str) -> str:
    """A function with the longest limit that Lambda has."""
    return make_function("patient", FUNCTION, role, queue, timeout=900)


@pytest.fixture
def run(role: str) -> Iterator[Run]:
    states: Any = boto3.client("stepfunctions")
    made: list[str] = []

    def play(definition: Definition, during: Callable[[str], None] | None = None) -> dict[str, Any]:
        definition = {"QueryLanguage": "JSONata", **definition}
        machine = states.create_state_machine(
            name=f"contract-{len(made)}-{time.monotonic_ns()}",
            definition=json.dumps(definition),
            roleArn=role,
        )["stateMachineArn"]
        made.append(machine)
        arn = states.start_execution(stateMachineArn=machine)["executionArn"]
        if during:
            during(arn)
        deadline = time.monotonic() + 30
        while (found := states.describe_execution(executionArn=arn))["status"] == "RUNNING":
            assert time.monotonic() < deadline
            time.sleep(0.02)
        history = states.get_execution_history(executionArn=arn)["events"]
        return {**found, "history": history}

    yield play
    for machine in made:
        states.delete_state_machine(stateMachineArn=machine)


def one_state(state: Definition) -> Definition:
    return {"StartAt": "Only", "States": {"Only": state}}


def call(function: str, payload: Definition, **more: object) -> Definition:
    arguments = {"FunctionName": function, "Payload": payload}
    task = {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Arguments": arguments}
    return {**task, "End": True, **more}


def received(queue: str) -> int:
    sqs: Any = boto3.client("sqs")
    count = 0
    while messages := sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages"):
        count += len(messages)
        for message in messages:
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
    return count


def eventually(check: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 15
    while not check():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_patch_says_when_what_it_mends_is_gone() -> None:
    with pytest.raises(PatchOutdated, match="no_such_name is gone"):
        original(json, "no_such_name")


def test_an_exception_is_reported_by_its_class_name(function: str, run: Run) -> None:
    ended = run(one_state(call(function, {"raise": True})))
    assert ended["error"] == "Refused"
    assert json.loads(ended["cause"])["errorMessage"] == "no, because"


def test_a_dead_process_is_reported_as_runtime_exit_error(function: str, run: Run) -> None:
    ended = run(one_state(call(function, {"exit": True})))
    assert ended["error"] == "Runtime.ExitError"
    assert "Error: Runtime exited with error: exit status 3" in ended["cause"]


def test_a_missing_module_is_reported_as_import_module_error(
    role: str, queue: str, run: Run
) -> None:
    broken = make_function("broken", "import no_such_module\n", role, queue)
    assert run(one_state(call(broken, {})))["error"] == "Runtime.ImportModuleError"


def test_functions_share_an_unpacked_layer(role: str, queue: str, run: Run) -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as zipped:
        zipped.writestr("python/shared.py", "WHERE = __file__\n")
    lambda_: Any = boto3.client("lambda")
    layer = lambda_.publish_layer_version(
        LayerName="shared", Content={"ZipFile": archive.getvalue()}
    )["LayerVersionArn"]
    source = (
        "import os, shared\ndef handler(event, context): return os.path.realpath(shared.WHERE)\n"
    )
    seen = set()
    for name in ("first", "second"):
        function = make_function(name, source, role, queue)
        lambda_.update_function_configuration(FunctionName=name, Layers=[layer])
        seen.add(json.loads(run(one_state(call(function, {})))["output"])["Payload"])
    assert len(seen) == 1


def seconds_of(ended: dict[str, Any]) -> float:
    lasted: float = (ended["stopDate"] - ended["startDate"]).total_seconds()
    return lasted


def payload_of(ended: dict[str, Any]) -> Any:
    assert ended["status"] == "SUCCEEDED", ended["cause"]
    return json.loads(ended["output"])["Payload"]


def test_threads_of_a_function_sleep_in_simulated_time(patient: str, run: Run) -> None:
    began = time.monotonic()
    ended = run(one_state(call(patient, {"sleeps": [600, 60, 600, 300]})))
    assert ended["status"] == "SUCCEEDED", ended["cause"]
    assert seconds_of(ended) == pytest.approx(600, abs=10)
    assert time.monotonic() - began < 20


def test_a_function_that_sleeps_past_its_limit_times_out_there(function: str, run: Run) -> None:
    ended = run(one_state(call(function, {"sleeps": [60]})))
    assert ended["error"] == "Sandbox.Timedout"
    assert "Error: Task timed out after 20.00 seconds" in ended["cause"]
    assert seconds_of(ended) == pytest.approx(20, abs=5)
    assert payload_of(run(one_state(call(function, {"well": "again"})))) == {"well": "again"}


def asks(service: str, operation: str, **arguments: object) -> Definition:
    return {"call": {"service": service, "operation": operation, "arguments": arguments}}


@pytest.fixture(scope="module")
def bucket(offline: OfflineAws) -> str:
    del offline
    s3: Any = boto3.client("s3")
    location = {"LocationConstraint": REGION}
    s3.create_bucket(Bucket="contract-calls", CreateBucketConfiguration=location)
    return "contract-calls"


@pytest.fixture
def put(bucket: str) -> Definition:
    """What lets a function write an object that is not there yet."""
    boto3.client("s3").delete_object(Bucket=bucket, Key="it")
    return asks("s3", "put_object", Bucket=bucket, Key="it", Body="effect")


def took_effect() -> bool:
    listed: dict[str, Any] = boto3.client("s3").list_objects_v2(Bucket="contract-calls")
    return "it" in [each["Key"] for each in listed.get("Contents", [])]


@pytest.fixture
def faults(offline: OfflineAws) -> Iterator[CallFaults]:
    offline.faults.set()
    yield offline.faults
    offline.faults.set()


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


def waits(function: str, payload: Definition | None = None, **more: Any) -> Definition:
    """A task that tells its token to the queue, and waits for it."""
    given = {"token": "{% $states.context.Task.Token %}", **(payload or {})}
    resource = "arn:aws:states:::lambda:invoke.waitForTaskToken"
    return {**call(function, given, **more), "Resource": resource}


@pytest.fixture
def token(queue: str) -> Callable[[], str]:
    """Gives the token that a waiting task has told."""
    sqs: Any = boto3.client("sqs")

    def told() -> str:
        [message] = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=20)["Messages"]
        sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
        body: str = message["Body"]
        return body

    return told


Token = Callable[[], str]


def refusal(act: Callable[..., Any], **arguments: object) -> str:
    with pytest.raises(ClientError) as error:
        act(**arguments)
    code: str = error.value.response["Error"]["Code"]
    return code


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
    assert refusal(states.send_task_success, taskToken="made up", output="{}") == "InvalidToken"


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


def queue_arn(queue: str) -> str:
    sqs: Any = boto3.client("sqs")
    found = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])
    arn: str = found["Attributes"]["QueueArn"]
    return arn


def mapped(state: Definition, mode: str = "DISTRIBUTED", **more: Any) -> Definition:
    """A Map that runs `state` for each item."""
    processor = {"ProcessorConfig": {"Mode": mode}, **one_state({**state, "End": True})}
    return one_state({"Type": "Map", "ItemProcessor": processor, "End": True, **more})


@pytest.mark.parametrize("mode", ["INLINE", "DISTRIBUTED"])
def test_items_of_a_map_wait_together_and_at_most_so_many_at_once(mode: str, run: Run) -> None:
    ended = run(
        mapped(
            {"Type": "Wait", "Seconds": "{% $states.input.minutes * 60 %}"},
            mode,
            Items="{% [1..6] %}",
            ItemSelector={"minutes": "{% $states.context.Map.Item.Value * 10 %}"},
            MaxConcurrency="{% 2 * 3 %}",
            Output="{% $states.result.minutes %}",
        )
    )
    assert json.loads(ended["output"]) == [10, 20, 30, 40, 50, 60]
    assert seconds_of(ended) == pytest.approx(HOUR, abs=10)
    two_at_once = run(
        mapped({"Type": "Wait", "Seconds": 60}, mode, Items="{% [1..6] %}", MaxConcurrency=2)
    )
    assert seconds_of(two_at_once) == pytest.approx(180, abs=10)


def test_a_distributed_map_reads_batches_and_writes(bucket: str, run: Run) -> None:
    s3: Any = boto3.client("s3")
    lines = "\n".join(json.dumps({"n": n}) for n in range(10))
    s3.put_object(Bucket=bucket, Key="items/all.jsonl", Body=lines.encode())
    total = {"Type": "Pass", "Output": "{% {'sum': $sum($states.input.Items.n)} %}"}
    reader = {
        "Resource": "arn:aws:states:::s3:getObject",
        "ReaderConfig": {"InputType": "JSONL", "MaxItems": "{% 3 * 3 %}"},
        "Arguments": {"Bucket": "{% 'contract-' & 'calls' %}", "Key": "items/all.jsonl"},
    }
    writer = {
        "Resource": "arn:aws:states:::s3:putObject",
        "Arguments": {"Bucket": bucket, "Prefix": "{% 'results' %}"},
    }
    ended = run(
        mapped(
            total,
            ItemReader=reader,
            ItemBatcher={"MaxItemsPerBatch": "{% 2 * 2 %}", "BatchInput": {"run": "{% 'r' %}"}},
            ResultWriter=writer,
        )
    )
    details = json.loads(ended["output"])["ResultWriterDetails"]
    assert details["Key"].startswith("results/")

    def read(key: str) -> Any:
        return json.loads(s3.get_object(Bucket=bucket, Key=key)["Body"].read())

    manifest = read(details["Key"])
    [file] = manifest["ResultFiles"]["SUCCEEDED"]
    records = read(file["Key"])
    assert [json.loads(each["Output"])["sum"] for each in records] == [6, 22, 8]
    assert json.loads(records[2]["Input"]) == {"BatchInput": {"run": "r"}, "Items": [{"n": 8}]}
    states: Any = boto3.client("stepfunctions")
    counts = states.describe_map_run(mapRunArn=manifest["MapRunArn"])
    assert counts["itemCounts"]["succeeded"] == 9
    assert counts["executionCounts"]["succeeded"] == 3


def test_a_distributed_map_tolerates_what_it_says(function: str, run: Run) -> None:
    picky = {**call(function, {"raise": "{% $states.input = 2 %}"}), "Output": "fine"}
    tolerant = run(mapped(picky, Items="{% [1..4] %}", ToleratedFailurePercentage=25))
    output = json.loads(tolerant["output"])
    assert [output[i] for i in (0, 2, 3)] == ["fine"] * 3
    assert (output[1]["Status"], output[1]["Error"]) == ("FAILED", "Refused")
    strict = run(mapped(picky, Items="{% [1..4] %}", ToleratedFailurePercentage="{% 24 %}"))
    assert strict["error"] == "States.ExceedToleratedFailureThreshold"


def test_stop_execution_stops_a_distributed_map(
    function: str, queue: str, run: Run, offline: OfflineAws
) -> None:
    states: Any = boto3.client("stepfunctions")

    def stop(arn: str) -> None:
        with offline.clock.computing():  # the children stay in their Wait meanwhile
            time.sleep(0.5)
            states.stop_execution(executionArn=arn)

    machine = mapped({"Type": "Pass"}, Items="{% [1..3] %}")
    wait_then_tell = {
        "Wait": {"Type": "Wait", "Seconds": HOUR, "Next": "Tell"},
        "Tell": call(function, {"count": True}),
    }
    machine["States"]["Only"]["ItemProcessor"].update(StartAt="Wait", States=wait_then_tell)
    with offline.clock.computing():
        ended = run(machine, during=stop)
    offline.clock.advance(2 * HOUR)
    assert ended["status"] == "ABORTED"
    assert received(queue) == 0


def test_schedules_ring_on_the_simulated_clock(
    function: str, queue: str, role: str, offline: OfflineAws
) -> None:
    payload = json.dumps({"count": True})
    events: Any = boto3.client("events")
    events.put_rule(Name="hourly", ScheduleExpression="rate(1 hour)")
    events.put_targets(Rule="hourly", Targets=[{"Id": "f", "Arn": function, "Input": payload}])
    schedules: Any = boto3.client("scheduler")
    schedules.create_schedule(
        Name="two-hourly",
        ScheduleExpression="rate(2 hours)",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target={"Arn": function, "RoleArn": role, "Input": payload},
    )
    calls = 0

    def all_called() -> bool:
        nonlocal calls
        calls += received(queue)
        return calls >= 6

    try:
        offline.clock.advance(4.5 * HOUR)
        eventually(all_called)
        assert calls == 4 + 2
    finally:
        schedules.delete_schedule(Name="two-hourly")
        events.remove_targets(Rule="hourly", Ids=["f"])
        events.delete_rule(Name="hourly")


def test_a_message_of_an_event_is_there_at_once(queue: str, offline: OfflineAws) -> None:
    events: Any = boto3.client("events")
    events.put_rule(Name="told", EventPattern=json.dumps({"source": ["contract"]}))
    events.put_targets(Rule="told", Targets=[{"Id": "q", "Arn": queue_arn(queue)}])
    offline.clock.advance(HOUR)
    entry = {"Source": "contract", "DetailType": "Told", "Detail": "{}"}
    events.put_events(Entries=[entry])
    eventually(lambda: received(queue) == 1)
    events.remove_targets(Rule="told", Ids=["q"])
    events.delete_rule(Name="told")


@contextmanager
def as_user(
    offline: OfflineAws, name: str, actions: list[str], **conditions: Definition
) -> Iterator[boto3.Session]:
    """Enforce IAM and act as a user who may do `actions`, under `conditions`."""
    iam: Any = boto3.client("iam")
    iam.create_user(UserName=name)
    allow = {"Effect": "Allow", "Action": actions, "Resource": "*", "Condition": conditions}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
    iam.put_user_policy(UserName=name, PolicyName="all", PolicyDocument=policy)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    offline.enforce_iam(on=True)
    try:
        yield boto3.Session(key["AccessKeyId"], key["SecretAccessKey"], region_name=REGION)
    finally:
        offline.enforce_iam(on=False)


def test_a_message_of_a_topic_is_no_older_than_the_clock_says(offline: OfflineAws) -> None:
    """A queue drops what is older than it keeps, and the simulated clock passes that quickly."""
    sqs: Any = boto3.client("sqs")
    sns: Any = boto3.client("sns")
    queue = sqs.create_queue(
        QueueName="keeps-a-minute", Attributes={"MessageRetentionPeriod": "60"}
    )["QueueUrl"]
    topic = sns.create_topic(Name="after-minutes")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue_arn(queue))
    offline.clock.advance(120)
    sns.publish(TopicArn=topic, Message="still here")
    assert received(queue) == 1


def test_requests_count_as_tls(offline: OfflineAws) -> None:
    """A bucket that denies plain HTTP is open to a user's calls over loopback."""
    s3: Any = boto3.client("s3")
    s3.create_bucket(
        Bucket="contract-tls", CreateBucketConfiguration={"LocationConstraint": REGION}
    )
    deny = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": ["arn:aws:s3:::contract-tls/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    s3.put_bucket_policy(
        Bucket="contract-tls", Policy=json.dumps({"Version": "2012-10-17", "Statement": [deny]})
    )
    with as_user(offline, "tls", ["s3:PutObject"]) as session:
        session.client("s3").put_object(Bucket="contract-tls", Key="k", Body=b"1")


def test_a_machine_may_only_invoke_what_its_role_allows(
    function: str, run: Run, offline: OfflineAws
) -> None:
    offline.enforce_iam(on=True)
    try:
        ended = run(one_state(call(function, {})))
    finally:
        offline.enforce_iam(on=False)
    assert ended["status"] == "FAILED"
    assert "not authorized to perform: lambda:InvokeFunction" in ended["cause"]


def test_bedrock_calls_are_authorized_as_on_aws(offline: OfflineAws) -> None:
    """Stock checks bedrock:Converse, which no policy on AWS can name, and `*`."""
    request: Any = {
        "modelId": "us.amazon.nova-pro-v1:0",
        "messages": [{"role": "user", "content": [{"text": "Hello"}]}],
        "inferenceConfig": {"maxTokens": 20},
    }
    with as_user(offline, "asks", ["bedrock:InvokeModel"]) as session:
        runtime: Any = session.client("bedrock-runtime")
        assert runtime.converse(**request)["stopReason"]
    with as_user(offline, "may-not", ["bedrock:Converse"]) as session:
        runtime = session.client("bedrock-runtime")
        with pytest.raises(runtime.exceptions.AccessDeniedException, match="bedrock:InvokeModel"):
            runtime.converse(**request)


def test_policies_see_the_tags_of_bedrock_resources(offline: OfflineAws) -> None:
    """In stock, a condition on aws:ResourceTag denies whatever the tags are."""
    arn = f"arn:aws:bedrock:{REGION}:{ACCOUNT}:provisioned-model/abcdefghijkl"
    own = {"aws:ResourceTag/environment": "ours"}
    action = "bedrock:DeleteProvisionedModelThroughput"
    answers = {}
    with as_user(offline, "tagged", [action], StringEquals=own) as session:
        control: Any = session.client("bedrock")
        for environment in ("ours", "theirs"):
            offline.bedrock._world.tags[arn] = {"environment": environment}
            with pytest.raises(ClientError) as error:
                control.delete_provisioned_model_throughput(provisionedModelId=arn)
            answers[environment] = error.value.response["Error"]["Code"]
    assert answers == {"ours": "ResourceNotFoundException", "theirs": "AccessDeniedException"}


def test_a_bucket_that_empties_itself_can_be_deleted(offline: OfflineAws) -> None:
    from ministack.core.responses import request_scope  # noqa: PLC0415  # after the server started
    from ministack.services import s3 as store  # noqa: PLC0415  # same
    from ministack.services.cloudformation import provisioners  # noqa: PLC0415  # same

    del offline
    s3: Any = boto3.client("s3")
    s3.create_bucket(
        Bucket="contract-auto", CreateBucketConfiguration={"LocationConstraint": REGION}
    )
    s3.put_object(Bucket="contract-auto", Key="k", Body=b"1")
    with request_scope(ACCOUNT, REGION):
        handlers = provisioners._RESOURCE_HANDLERS["Custom::S3AutoDeleteObjects"]
        physical, _ = handlers["create"]("Empty", {"BucketName": "contract-auto"}, "stack")
        handlers["delete"](physical, {"BucketName": "contract-auto"})
        assert not store._buckets["contract-auto"]["objects"]
    s3.delete_bucket(Bucket="contract-auto")
