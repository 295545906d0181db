"""Maps, inline and distributed: what waits together, what is read, written and tolerated."""

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
    call,
    one_state,
    received,
    seconds_of,
)


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
