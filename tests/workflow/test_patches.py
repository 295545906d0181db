"""The contract of each patch in `local/patches/`: what AWS does and stock MiniStack does not."""

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

from local.environment import ACCOUNT
from local.patches import PatchOutdated, original
from local.rehearse import REGION
from local.server import OfflineAws

HOUR = 3600
FUNCTION = """
import os, json, boto3
class Refused(Exception): pass
def handler(event, context):
    if event.get("exit"): os._exit(3)
    if event.get("raise"): raise Refused("no, because")
    if event.get("count"):
        boto3.client("sqs").send_message(QueueUrl=os.environ["QUEUE"], MessageBody="called")
    return event
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


def make_function(name: str, source: str, role: str, queue: str) -> str:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as zipped:
        zipped.writestr("index.py", source)
    created = boto3.client("lambda").create_function(
        FunctionName=name,
        Runtime="python3.11",
        Handler="index.handler",
        Role=role,
        Code={"ZipFile": archive.getvalue()},
        Timeout=20,
        Environment={"Variables": {"QUEUE": queue}},
    )
    arn: str = created["FunctionArn"]
    return arn


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
    assert run(one_state(call(function, {"exit": True})))["error"] == "Runtime.ExitError"


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
