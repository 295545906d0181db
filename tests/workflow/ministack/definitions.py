"""Small state machines and functions for the contract tests of MiniStack's patches."""

from __future__ import annotations

import io
import json
import time
import zipfile
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

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
    if event.get("left"): return context.get_remaining_time_in_millis()
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

Token = Callable[[], str]


def zipped(name: str, text: str) -> bytes:
    """Return a zip of one file."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as written:
        written.writestr(name, text)
    return archive.getvalue()


def make_function(name: str, source: str, role: str, queue: str, timeout: int = 20) -> str:
    created = boto3.client("lambda").create_function(
        FunctionName=name,
        Runtime="python3.11",
        Handler="index.handler",
        Role=role,
        Code={"ZipFile": zipped("index.py", source)},
        Timeout=timeout,
        Environment={"Variables": {"QUEUE": queue}},
    )
    arn: str = created["FunctionArn"]
    return arn


def one_state(state: Definition) -> Definition:
    return {"StartAt": "Only", "States": {"Only": state}}


def call(function: str, payload: Definition, **more: object) -> Definition:
    arguments = {"FunctionName": function, "Payload": payload}
    task = {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Arguments": arguments}
    return {**task, "End": True, **more}


def waits(function: str, payload: Definition | None = None, **more: Any) -> Definition:
    """A task that tells its token to the queue, and waits for it."""
    given = {"token": "{% $states.context.Task.Token %}", **(payload or {})}
    resource = "arn:aws:states:::lambda:invoke.waitForTaskToken"
    return {**call(function, given, **more), "Resource": resource}


def asks(service: str, operation: str, **arguments: object) -> Definition:
    return {"call": {"service": service, "operation": operation, "arguments": arguments}}


def seconds_of(ended: dict[str, Any]) -> float:
    lasted: float = (ended["stopDate"] - ended["startDate"]).total_seconds()
    return lasted


def payload_of(ended: dict[str, Any]) -> Any:
    assert ended["status"] == "SUCCEEDED", ended["cause"]
    return json.loads(ended["output"])["Payload"]


def received(queue: str) -> int:
    sqs: Any = boto3.client("sqs")
    count = 0
    while messages := sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages"):
        count += len(messages)
        for message in messages:
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
    return count


def queue_arn(queue: str) -> str:
    sqs: Any = boto3.client("sqs")
    found = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])
    arn: str = found["Attributes"]["QueueArn"]
    return arn


def eventually(check: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 15
    while not check():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def refusal(act: Callable[..., Any], **arguments: object) -> str:
    with pytest.raises(ClientError) as error:
        act(**arguments)
    code: str = error.value.response["Error"]["Code"]
    return code
