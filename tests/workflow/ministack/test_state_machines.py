"""Executions among the other services: what they read, write and tell, and how they end."""

from __future__ import annotations

import json
from typing import Any

import boto3
import pytest

from local.server import OfflineAws
from tests.workflow.ministack.definitions import (
    Definition,
    Run,
    Token,
    call,
    eventually,
    one_state,
    payload_of,
    queue_arn,
    received,
    refusal,
    waits,
)


def mapped(state: Definition, bucket: str, **more: Any) -> Definition:
    """A Map that runs `state` for each line of an object, and writes what comes of it."""
    processor = {
        "ProcessorConfig": {"Mode": "DISTRIBUTED"},
        **one_state({**state, "End": True}),
    }
    reader = {
        "Resource": "arn:aws:states:::s3:getObject",
        "ReaderConfig": {"InputType": "JSONL"},
        "Arguments": {"Bucket": f"{{% '{bucket}' %}}", "Key": "items/all.jsonl"},
    }
    writer = {
        "Resource": "arn:aws:states:::s3:putObject",
        "Arguments": {"Bucket": bucket, "Prefix": "{% 'results' %}"},
    }
    parts = {"ItemReader": reader, "ItemProcessor": processor, "ResultWriter": writer}
    return one_state({"Type": "Map", **parts, "End": True, **more})


def test_a_distributed_map_reads_batches_and_writes(bucket: str, run: Run) -> None:
    s3: Any = boto3.client("s3")
    lines = "\n".join(json.dumps({"n": n}) for n in range(9))
    s3.put_object(Bucket=bucket, Key="items/all.jsonl", Body=lines.encode())
    total = {"Type": "Pass", "Output": "{% {'sum': $sum($states.input.Items.n)} %}"}
    batcher = {"MaxItemsPerBatch": "{% 2 * 2 %}", "BatchInput": {"run": "{% 'r' %}"}}
    ended = run(mapped(total, bucket, ItemBatcher=batcher))
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
    children = states.list_executions(mapRunArn=manifest["MapRunArn"])["executions"]
    assert [each["status"] for each in children] == ["SUCCEEDED"] * 3


def test_a_map_reads_what_the_role_of_its_machine_may(
    bucket: str, run: Run, offline: OfflineAws
) -> None:
    boto3.client("s3").put_object(Bucket=bucket, Key="items/all.jsonl", Body=b"1")
    assert run(mapped({"Type": "Pass"}, bucket))["status"] == "SUCCEEDED"
    offline.enforce_iam(on=True)
    try:
        ended = run(mapped({"Type": "Pass"}, bucket))
    finally:
        offline.enforce_iam(on=False)
    assert ended["error"] == "States.ItemReaderFailed"
    assert "is not authorized to perform: s3:GetObject" in ended["cause"]


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


def test_a_task_that_names_no_function_fails(function: str, run: Run) -> None:
    for arguments in ("{% 5 %}", {"Payload": {}}):
        ended = run(one_state({**call(function, {}), "Arguments": arguments}))
        assert ended["error"] == "States.Runtime"


def test_a_function_gets_an_object_for_null_as_recorded(function: str, run: Run) -> None:
    def given(payload: object) -> Definition:
        return one_state({**call(function, {}), "Arguments": arguments | {"Payload": payload}})

    arguments = {"FunctionName": function}
    assert payload_of(run(given(None))) == {}
    refused = run(given('{"JSON": "text"}'))
    assert refused["error"] == "States.Runtime"
    assert "not played offline" in refused["cause"]


def test_a_machine_is_tagged_and_untagged(run: Run) -> None:
    states: Any = boto3.client("stepfunctions")
    arn = run(one_state({"Type": "Succeed"}))["stateMachineArn"]
    states.tag_resource(resourceArn=arn, tags=[{"key": "team", "value": "a"}])
    assert states.list_tags_for_resource(resourceArn=arn)["tags"][-1]["value"] == "a"
    states.untag_resource(resourceArn=arn, tagKeys=["team"])
    assert not states.list_tags_for_resource(resourceArn=arn)["tags"]


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
    states.delete_state_machine(stateMachineArn=machine)  # repeated, as on AWS: not an error
    events.remove_targets(Rule="failed", Ids=["q"])
    events.delete_rule(Name="failed")


def test_a_definition_that_aws_refuses_is_refused(role: str) -> None:
    states: Any = boto3.client("stepfunctions")
    definition = {"QueryLanguage": "JSONata", **one_state({"Type": "Pass", "Next": "Gone"})}
    with pytest.raises(states.exceptions.InvalidDefinition, match="Missing target: Gone"):
        states.create_state_machine(name="bad", definition=json.dumps(definition), roleArn=role)


def test_what_is_not_played_is_refused_by_name() -> None:
    states: Any = boto3.client("stepfunctions")
    assert refusal(states.list_activities) == "UnknownOperationException"


def test_a_redrive_goes_on_where_it_failed(function: str, token: Token, run: Run) -> None:
    states: Any = boto3.client("stepfunctions")

    def fail(_: str) -> None:
        states.send_task_failure(taskToken=token(), error="Once", cause="")

    failed = run(one_state(waits(function)), during=fail)
    assert failed["error"] == "Once"
    arn = failed["executionArn"]
    states.redrive_execution(executionArn=arn)
    states.send_task_success(taskToken=token(), output='"well"')
    eventually(lambda: states.describe_execution(executionArn=arn)["status"] == "SUCCEEDED")
