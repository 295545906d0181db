"""Distributed Maps: what waits together, what is read, written and tolerated."""

from __future__ import annotations

import json
from typing import Any

import pytest

from local.states.executions import Execution, StateError
from tests.fakes.states_world import START, Simulation, call, chain, distributed, lines, types


def played(simulation: Simulation, machine: Any, items: Any, name: str = "run") -> Execution:
    simulation.world.objects["bucket/items"] = lines(items)
    return simulation.play(machine, name=name)


def written(simulation: Simulation, ended: Execution, status: str = "SUCCEEDED") -> list[Any]:
    """Return the records that a Map has written of its child executions."""
    there = ended.output["ResultWriterDetails"]
    manifest = json.loads(simulation.world.objects[f"bucket/{there['Key']}"])
    [file] = manifest["ResultFiles"][status]
    body = simulation.world.objects[f"bucket/{file['Key']}"]
    assert len(body) == file["Size"]
    records: list[Any] = json.loads(body)
    return records


def outputs(simulation: Simulation, ended: Execution) -> list[Any]:
    return [json.loads(each["Output"]) for each in written(simulation, ended)]


def test_items_wait_together_and_at_most_so_many_at_once(simulation: Simulation) -> None:
    inner = chain(Wait={"Type": "Wait", "Seconds": "{% $states.input * 600 %}"})
    together = distributed(inner, MaxConcurrency="{% 2 * 3 %}")
    ended = played(simulation, together, range(1, 7))
    assert outputs(simulation, ended) == [1, 2, 3, 4, 5, 6]
    assert ended.ended == pytest.approx(START + 3600, abs=1)
    by_two = distributed(chain(W={"Type": "Wait", "Seconds": 60}), MaxConcurrency=2)
    again = played(simulation, by_two, [1] * 6, name="2")
    assert again.ended is not None
    assert again.ended - again.began == pytest.approx(180, abs=1)


def test_a_child_execution_sees_no_variables_of_the_map(simulation: Simulation) -> None:
    machine = distributed(chain(See={"Type": "Pass", "Output": "{% $exists($outer) %}"}))
    machine["States"]["Before"] = {"Type": "Pass", "Assign": {"outer": 1}, "Next": "Map"}
    machine["StartAt"] = "Before"
    assert outputs(simulation, played(simulation, machine, [1])) == [False]


def test_a_map_reads_batches_and_writes(simulation: Simulation) -> None:
    total = {"Type": "Pass", "Output": "{% {'sum': $sum($states.input.Items.n)} %}"}
    batcher = {"MaxItemsPerBatch": "{% 2 * 2 %}", "BatchInput": {"run": "{% 'r' %}"}}
    machine = distributed(chain(Total=total), ItemBatcher=batcher)
    ended = played(simulation, machine, [{"n": n} for n in range(9)])
    assert ended.output["ResultWriterDetails"]["Key"].startswith("results/")
    records = written(simulation, ended)
    assert [json.loads(each["Output"])["sum"] for each in records] == [6, 22, 8]
    assert json.loads(records[2]["Input"]) == {"BatchInput": {"run": "r"}, "Items": [{"n": 8}]}
    request = {"mapRunArn": ended.output["MapRunArn"]}
    children = simulation.service.call("ListExecutions", request)["executions"]
    assert [each["status"] for each in children] == ["SUCCEEDED"] * 3


def test_batches_are_cut_by_their_size_too(simulation: Simulation) -> None:
    count = {"Type": "Pass", "Output": "{% $count($states.input.Items) %}"}
    batcher = {"MaxItemsPerBatch": 5, "MaxInputBytesPerBatch": 350}
    ended = played(
        simulation, distributed(chain(Count=count), ItemBatcher=batcher), ["x" * 100] * 10
    )
    assert outputs(simulation, ended) == [3, 3, 3, 1]


def test_a_map_of_nothing_writes_a_manifest(simulation: Simulation) -> None:
    ended = played(simulation, distributed(chain(Only={"Type": "Pass"})), [])
    there = ended.output["ResultWriterDetails"]["Key"]
    assert not any(json.loads(simulation.world.objects[f"bucket/{there}"])["ResultFiles"].values())


@pytest.mark.parametrize(
    ("body", "forbidden", "said"),
    [
        (None, "", "cannot be read"),
        (b'{"not": "a line', "", "cannot be read"),
        (b"1", "s3:GetObject", "AccessDenied"),
    ],
)
def test_a_reader_that_fails_fails_the_map(
    simulation: Simulation, body: bytes | None, forbidden: str, said: str
) -> None:
    if body is not None:
        simulation.world.objects["bucket/items"] = body
    simulation.world.forbidden = {forbidden}
    catch = [{"ErrorEquals": ["States.ItemReaderFailed"], "Next": "Caught"}]
    machine = distributed(chain(Only={"Type": "Pass"}), Catch=catch, Next="Caught")
    machine["States"]["Caught"] = {"Type": "Succeed"}
    ended = simulation.play(machine)
    assert said in ended.output["Cause"]
    kinds = [kind for kind in types(ended) if kind.startswith("Map")]
    assert kinds[1:5] == ["MapStateStarted", "MapRunStarted", "MapRunFailed", "MapStateFailed"]


@pytest.mark.slow
def test_a_map_without_a_number_fails_before_its_run_begins(simulation: Simulation) -> None:
    machine = distributed(chain(Only={"Type": "Pass"}), MaxConcurrency="{% 'x' %}")
    ended = played(simulation, machine, [1])
    assert types(ended)[1:] == [
        "MapStateEntered",
        "EvaluationFailed",
        "MapStateFailed",
        "ExecutionFailed",
    ]


def test_a_map_ends_as_recorded(simulation: Simulation) -> None:
    ended = played(simulation, distributed(chain(Only={"Type": "Pass"})), [1])
    last = [(event["type"], event["previousEventId"]) for event in ended.events[4:]]
    assert last == [
        ("MapRunSucceeded", 4),
        ("MapStateSucceeded", 5),
        ("MapStateExited", 5),
        ("ExecutionSucceeded", 7),
    ]


def test_a_writer_that_may_not_write_fails_the_map(simulation: Simulation) -> None:
    simulation.world.forbidden = {"s3:PutObject"}
    ended = played(simulation, distributed(chain(Only={"Type": "Pass"})), [1])
    assert ended.error == "States.ResultWriterFailed"


def test_a_role_that_may_not_start_child_executions_runs_none(simulation: Simulation) -> None:
    simulation.world.forbidden = {"states:StartExecution"}
    ended = played(simulation, distributed(chain(Only={"Type": "Pass"})), [1])
    assert "not authorized to perform: states:StartExecution" in str(ended.cause)


@pytest.mark.parametrize(
    ("percentage", "is_tolerated"),
    [(None, False), (100, True), (0, False)],
)
def test_a_map_tolerates_what_it_says(
    simulation: Simulation, percentage: Any, *, is_tolerated: bool
) -> None:
    def picky(item: int) -> str:
        if item == 2:
            raise StateError("Picky", "not two")
        return "fine"

    simulation.function("picky", picky)
    inner = chain(Call=call("picky", "{% $states.input %}", Output="{% $states.result.Payload %}"))
    limit = {} if percentage is None else {"ToleratedFailurePercentage": percentage}
    ended = played(simulation, distributed(inner, **limit), [1, 2, 3, 4])
    if not is_tolerated:
        assert ended.error == "States.ExceedToleratedFailureThreshold"
        assert "MapRunFailed" in types(ended)
        return
    assert outputs(simulation, ended) == ["fine"] * 3
    [failed] = written(simulation, ended, "FAILED")
    assert (failed["Status"], failed["Error"], failed["Cause"]) == ("FAILED", "Picky", "not two")


def test_another_try_of_a_map_is_another_map_run(simulation: Simulation) -> None:
    left = [1]

    def once(payload: int) -> int:
        if left.pop():
            left.append(0)
            raise StateError("Once")
        left.append(0)
        return payload

    simulation.function("once", once)
    retry = [{"ErrorEquals": ["States.ALL"], "MaxAttempts": 1}]
    machine = distributed(chain(Call=call("once", "{% $states.input %}")), Retry=retry)
    ended = played(simulation, machine, [1])
    assert ended.status == "SUCCEEDED"
    runs = [
        event["mapRunStartedEventDetails"]["mapRunArn"]
        for event in ended.events
        if event["type"] == "MapRunStarted"
    ]
    assert runs[0] != runs[1] == ended.output["MapRunArn"]
    assert "MapStateFailed" not in types(ended)


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
        machine = distributed(inner, Label="Map", MaxConcurrency=2)
        ended = played(simulation, machine, [1, 2, 3])
    assert ended.status == "ABORTED"
    assert simulation.world.called == []
    begun = [each for each in simulation.service.records.values() if each.map_run_arn]
    assert [each.status for each in begun] == ["ABORTED"] * 2
