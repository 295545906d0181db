"""Maps, inline and distributed: what waits together, what is read, written and tolerated."""

from __future__ import annotations

import json
from typing import Any

import pytest

from local.states.executions import StateError
from tests.fakes.states_world import START, Simulation, call, chain, types

READER = {
    "Resource": "arn:aws:states:::s3:getObject",
    "ReaderConfig": {"InputType": "JSONL"},
    "Arguments": {"Bucket": "{% 'buc' & 'ket' %}", "Key": "items"},
}
WRITER = {
    "Resource": "arn:aws:states:::s3:putObject",
    "Arguments": {"Bucket": "bucket", "Prefix": "{% 'results' %}"},
}


def mapped(mode: str = "DISTRIBUTED", *, inner: Any = None, **more: Any) -> Any:
    """Return a machine of one Map, which runs the machine `inner` for each item."""
    inner = inner or chain(Only={"Type": "Pass"})
    processor = {"ProcessorConfig": {"Mode": mode}, **inner}
    return chain(Map={"Type": "Map", "ItemProcessor": processor, **more})


@pytest.mark.parametrize("mode", ["INLINE", "DISTRIBUTED"])
def test_items_wait_together_and_at_most_so_many_at_once(simulation: Simulation, mode: str) -> None:
    wait = chain(Wait={"Type": "Wait", "Seconds": "{% $states.input.seconds %}"})
    ended = simulation.play(
        mapped(
            mode,
            inner=wait,
            Items="{% [1..6] %}",
            ItemSelector={"seconds": "{% $states.context.Map.Item.Value * 600 %}"},
            MaxConcurrency="{% 2 * 3 %}",
            Output="{% $states.result.seconds %}",
        )
    )
    assert ended.output == [600, 1200, 1800, 2400, 3000, 3600]
    assert ended.ended == pytest.approx(START + 3600, abs=1)
    two = mapped(mode, inner=chain(W={"Type": "Wait", "Seconds": 60}), Items=[1] * 6)
    two["States"]["Map"]["MaxConcurrency"] = 2
    again = simulation.play(two, name="2")
    assert again.ended is not None
    assert again.ended - again.began == pytest.approx(180, abs=1)


def test_an_iteration_sees_the_variables_around_it_and_a_child_execution_none(
    simulation: Simulation,
) -> None:
    outputs = []
    for mode in ("INLINE", "DISTRIBUTED"):
        sees = chain(See={"Type": "Pass", "Output": "{% $exists($outer) %}"})
        machine = mapped(mode, inner=sees, Items=[1])
        machine["States"]["Before"] = {"Type": "Pass", "Assign": {"outer": 1}, "Next": "Map"}
        machine["StartAt"] = "Before"
        outputs.append(simulation.play(machine, name=mode).output)
    assert outputs == [[True], [False]]


def test_an_iteration_that_fails_fails_the_map_and_aborts_the_others(
    simulation: Simulation,
) -> None:
    def picky(item: int) -> int:
        if item == 2:
            raise StateError("Picky", "not two")
        return item

    simulation.function("picky", picky)
    inner = chain(Call=call("picky", "{% $states.input %}"), Wait={"Type": "Wait", "Seconds": 3600})
    ended = simulation.play(mapped("INLINE", inner=inner, Items="{% [1..3] %}"))
    assert (ended.error, ended.cause) == ("Picky", "not two")
    kinds = [kind for kind in types(ended) if kind.startswith("Map")]
    assert sorted(kinds[:5]) == ["MapIterationStarted"] * 3 + ["MapStateEntered", "MapStateStarted"]
    assert sorted(kinds[5:8]) == ["MapIterationAborted"] * 2 + ["MapIterationFailed"]
    assert kinds[8:] == ["MapStateFailed"]


def test_a_distributed_map_reads_batches_and_writes(simulation: Simulation) -> None:
    lines = "\n".join(json.dumps({"n": n}) for n in range(10))
    simulation.world.objects["bucket/items"] = lines.encode()
    total = {"Type": "Pass", "Output": "{% {'sum': $sum($states.input.Items.n)} %}"}
    reader = {**READER, "ReaderConfig": {"InputType": "JSONL", "MaxItems": "{% 3 * 3 %}"}}
    batcher = {"MaxItemsPerBatch": "{% 2 * 2 %}", "BatchInput": {"run": "{% 'r' %}"}}
    ended = simulation.play(
        mapped(
            inner=chain(Total=total), ItemReader=reader, ItemBatcher=batcher, ResultWriter=WRITER
        )
    )
    there = ended.output["ResultWriterDetails"]
    assert there["Key"].startswith("results/")
    manifest = json.loads(simulation.world.objects[f"bucket/{there['Key']}"])
    [file] = manifest["ResultFiles"]["SUCCEEDED"]
    body = simulation.world.objects[f"bucket/{file['Key']}"]
    records = json.loads(body)
    assert len(body) == file["Size"]
    assert [json.loads(each["Output"])["sum"] for each in records] == [6, 22, 8]
    assert json.loads(records[2]["Input"]) == {"BatchInput": {"run": "r"}, "Items": [{"n": 8}]}
    request = {"mapRunArn": manifest["MapRunArn"]}
    run = simulation.service.call("DescribeMapRun", request)
    assert run["status"] == "SUCCEEDED"
    assert (run["itemCounts"]["succeeded"], run["itemCounts"]["total"]) == (9, 9)
    assert (run["executionCounts"]["succeeded"], run["itemCounts"]["resultsWritten"]) == (3, 3)
    children = simulation.service.call("ListExecutions", request)["executions"]
    assert len(children) == 3
    listed = simulation.service.call("ListMapRuns", {"executionArn": ended.arn})["mapRuns"]
    assert [each["mapRunArn"] for each in listed] == [manifest["MapRunArn"]]


def test_batches_are_cut_by_their_size_too(simulation: Simulation) -> None:
    count = {"Type": "Pass", "Output": "{% $count($states.input.Items) %}"}
    items = ["x" * 100] * 10
    batcher = {"MaxItemsPerBatch": 5, "MaxInputBytesPerBatch": 350}
    ended = simulation.play(mapped(inner=chain(Count=count), Items=items, ItemBatcher=batcher))
    assert ended.output == [3, 3, 3, 1]


def test_a_reader_reads_an_array(simulation: Simulation) -> None:
    simulation.world.objects["bucket/items"] = b'[1, {"a": "{% 2 %}"}]'
    reader = {**READER, "ReaderConfig": {"InputType": "JSON"}}
    assert simulation.play(mapped(ItemReader=reader)).output == [1, {"a": "{% 2 %}"}]


@pytest.mark.parametrize(
    ("body", "denied", "said"),
    [
        (None, "", "cannot be read"),
        (b'{"not": "a line', "", "cannot be read"),
        (b"1", "s3:GetObject", "AccessDenied"),
    ],
)
def test_a_reader_that_fails_fails_the_map(
    simulation: Simulation, body: bytes | None, denied: str, said: str
) -> None:
    if body is not None:
        simulation.world.objects["bucket/items"] = body
    simulation.world.denied = {denied}
    catch = [{"ErrorEquals": ["States.ItemReaderFailed"], "Next": "Caught"}]
    machine = mapped(ItemReader=READER, Catch=catch, Next="Caught")
    machine["States"]["Caught"] = {"Type": "Succeed"}
    ended = simulation.play(machine)
    assert said in ended.output["Cause"]
    kinds = [kind for kind in types(ended) if kind.startswith("Map")]
    assert kinds[1:5] == ["MapStateStarted", "MapRunStarted", "MapRunFailed", "MapStateFailed"]


def test_a_writer_that_may_not_write_fails_the_map(simulation: Simulation) -> None:
    simulation.world.denied = {"s3:PutObject"}
    ended = simulation.play(mapped(Items=[1], ResultWriter=WRITER))
    assert ended.error == "States.ResultWriterFailed"


def test_a_role_that_may_not_start_child_executions_runs_none(simulation: Simulation) -> None:
    simulation.world.denied = {"states:StartExecution"}
    ended = simulation.play(mapped(Items=[1]))
    assert "not authorized to perform: states:StartExecution" in str(ended.cause)


@pytest.mark.parametrize(
    ("limits", "is_tolerated"),
    [
        ({}, False),
        ({"ToleratedFailurePercentage": 25}, True),
        ({"ToleratedFailurePercentage": "{% 24 %}"}, False),
        ({"ToleratedFailureCount": 1}, True),
        ({"ToleratedFailureCount": 0, "ToleratedFailurePercentage": 100}, False),
    ],
)
def test_a_distributed_map_tolerates_what_it_says(
    simulation: Simulation, limits: Any, *, is_tolerated: bool
) -> None:
    def picky(item: int) -> str:
        if item == 2:
            raise StateError("Picky", "not two")
        return "fine"

    simulation.function("picky", picky)
    inner = chain(Call=call("picky", "{% $states.input %}", Output="{% $states.result.Payload %}"))
    ended = simulation.play(mapped(inner=inner, Items="{% [1..4] %}", **limits))
    if not is_tolerated:
        assert ended.error == "States.ExceedToleratedFailureThreshold"
        assert "MapRunFailed" in types(ended)
        return
    assert [ended.output[i] for i in (0, 2, 3)] == ["fine"] * 3
    assert (ended.output[1]["Status"], ended.output[1]["Error"]) == ("FAILED", "Picky")


def test_stop_execution_aborts_the_child_executions(simulation: Simulation) -> None:
    simulation.function("count", lambda _: None)
    inner = chain(Wait={"Type": "Wait", "Seconds": 3600}, Call=call("count"))
    stop = simulation.service.call
    with simulation.service.watching(
        lambda arn, state: (
            stop("StopExecution", {"executionArn": f"{arn.partition('/Map')[0]}:run"})
            if state == "Call"
            else None
        )
    ):
        machine = mapped(inner=inner, Items=[1, 2, 3], Label="Map", MaxConcurrency=2)
        ended = simulation.play(machine)
    assert ended.status == "ABORTED"
    assert simulation.world.called == []
    [listed] = stop("ListMapRuns", {"executionArn": ended.arn})["mapRuns"]
    run = stop("DescribeMapRun", {"mapRunArn": listed["mapRunArn"]})
    assert run["status"] == "ABORTED"
    assert (run["itemCounts"]["aborted"], run["itemCounts"]["pending"]) == (2, 1)
