"""One role, queue and function for all contracts, and what runs a state machine."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest

from local.call_faults import CallFaults
from local.rehearsal.rehearse import REGION
from local.server import OfflineAws
from tests.workflow.ministack.definitions import FUNCTION, Definition, Run, asks, make_function


@pytest.fixture(scope="session")
def role(offline: OfflineAws) -> str:
    del offline
    trust = json.dumps({"Version": "2012-10-17", "Statement": []})
    iam: Any = boto3.client("iam")
    created = iam.create_role(RoleName="contract", AssumeRolePolicyDocument=trust)
    arn: str = created["Role"]["Arn"]
    return arn


@pytest.fixture(scope="session")
def queue(offline: OfflineAws) -> str:
    del offline
    url: str = boto3.client("sqs").create_queue(QueueName="contract")["QueueUrl"]
    return url


@pytest.fixture(scope="session")
def function(role: str, queue: str) -> str:
    return make_function("contract", FUNCTION, role, queue)


@pytest.fixture(scope="session")
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


@pytest.fixture(scope="session")
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


@pytest.fixture
def faults(offline: OfflineAws) -> Iterator[CallFaults]:
    offline.faults.set()
    yield offline.faults
    offline.faults.set()
