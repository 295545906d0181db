"""Step Functions: Map states, inline and distributed, on the simulated clock.

Rules, read 2026-11-23: Step Functions Developer Guide, state-map-distributed.html,
input-output-itemreader.html, -itembatcher.html and -resultwriter.html.
"""

from __future__ import annotations

import copy
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from ministack.services import s3
from ministack.services import stepfunctions as sfn

from local.clock import SimulatedClock
from local.ministack.state_machines import stop_if_ended, together
from local.ministack.upstream import original

Json = Any  # a state's input, output or definition


def run_maps_on_the_clock(clock: SimulatedClock) -> None:
    """Run a Map's items in threads that hold the clock; in stock their waits stop it.

    In distributed mode stock ignores JSONata, ItemBatcher and ResultWriter.
    """
    for name in ("_run_map_items", "_read_map_items", "_map_runs"):
        original(sfn, name)

    def run_items(
        state: dict[str, Any], raw_input: Json, execution: dict[str, Any], ctx: dict[str, Any]
    ) -> tuple[Json, str | None]:
        map_state = _Map(state, raw_input, ctx)
        run = _run_distributed if map_state.is_distributed else _run_inline
        return map_state.ended_with(run(clock, map_state, execution))

    sfn._run_map_items = run_items


@dataclass(frozen=True)
class _Map:
    """A Map state with its input."""

    state: dict[str, Any]
    raw_input: Json
    ctx: dict[str, Any]

    @property
    def is_jsonata(self) -> bool:
        return bool(sfn._state_query_language(self.state, self.ctx) == "JSONata")

    @property
    def processor(self) -> dict[str, Any]:
        found: dict[str, Any] = self.state.get("ItemProcessor") or self.state.get("Iterator") or {}
        return found

    @property
    def is_distributed(self) -> bool:
        return bool(self.processor.get("ProcessorConfig", {}).get("Mode") == "DISTRIBUTED")

    @property
    def effective(self) -> Json:
        return sfn._apply_input_path(self.state, self.raw_input, self.ctx)

    def evaluated(self, template: Json, ctx: dict[str, Any] | None = None) -> Json:
        if self.is_jsonata:
            return sfn._apply_jsonata_template(template, self.raw_input, ctx or self.ctx)
        return sfn._resolve_params_obj(template, self.effective, ctx or self.ctx)

    def number(self, field: str) -> float:
        return float(self.evaluated(self.state.get(field, 0)))

    def items(self) -> list[Json]:
        """Return what is to be processed, each item as ItemSelector makes it."""
        items = self._read() if "ItemReader" in self.state else self._given()
        selector = self.state.get("ItemSelector") or self.state.get("Parameters")
        if not selector:
            return items
        return [self.evaluated(selector, self.ctx_of(*numbered)) for numbered in enumerate(items)]

    def ctx_of(self, index: int, item: Json) -> dict[str, Any]:
        """Return the context in which an item is processed."""
        return {**copy.deepcopy(self.ctx), "Map": {"Item": {"Index": index, "Value": item}}}

    def _given(self) -> list[Json]:
        if "Items" in self.state:
            items = sfn._jsonata_state_field(self.state, "Items", "array", self.raw_input, self.ctx)
        else:
            path = self.state.get("ItemsPath", "$")
            items = sfn._resolve_path_or_ctx(path, self.effective, self.ctx)
        return items if isinstance(items, list) else [items]

    def _read(self) -> list[Json]:
        reader = self.state["ItemReader"]
        where = self.evaluated(reader.get("Arguments") or reader.get("Parameters") or {})
        config = self.evaluated(reader.get("ReaderConfig") or {})
        items = sfn._read_map_items(
            {**reader, "Parameters": where, "ReaderConfig": config}, self.effective, self.ctx
        )
        return items if isinstance(items, list) else [items]

    def ended_with(self, result: Json) -> tuple[Json, str | None]:
        if self.is_jsonata:
            output = sfn._apply_jsonata_output(
                self.state, self.raw_input, self.ctx, result=result, default=result
            )
            sfn._apply_state_assign(self.state, self.raw_input, self.ctx, result=result)
        else:
            selected = sfn._apply_result_selector(self.state, result)
            merged = sfn._apply_result_path(self.state, self.raw_input, selected)
            output = sfn._apply_output_path(self.state, merged, self.ctx)
        return output, sfn._next_or_end(self.state)

    def process(self, index: int, item: Json, execution: dict[str, Any]) -> Json:
        """Run the processor's states on one item."""
        return self._run(item, execution, self.ctx_of(index, item))

    def process_apart(self, child_input: Json, child: dict[str, Any]) -> Json:
        """Run them as an execution of their own, which has no variables of the state."""
        execution = {
            "Id": child["executionArn"],
            "Name": child["name"],
            "Input": child_input,
            "StartTime": child["startDate"],
        }
        ctx = {**copy.deepcopy(self.ctx), "Execution": execution, "variables": {}}
        return self._run(child_input, child, ctx)

    def _run(self, given: Json, execution: dict[str, Any], ctx: dict[str, Any]) -> Json:
        states, start = self.processor["States"], self.processor["StartAt"]
        return sfn._run_sub_machine(states, start, given, execution, ctx)


def _run_inline(clock: SimulatedClock, map_state: _Map, execution: dict[str, Any]) -> Json:
    items = map_state.items()
    results: list[Json] = [None] * len(items)
    errors: list[Exception] = []
    failed = threading.Event()

    def process(index: int) -> None:
        try:
            results[index] = map_state.process(index, items[index], execution)
        except Exception as error:  # noqa: BLE001  # raised again below
            errors.append(error)
            failed.set()

    jobs = [partial(process, index) for index in range(len(items))]
    together(clock, jobs, int(map_state.number("MaxConcurrency")), failed.is_set)
    if errors:
        raise errors[0]
    return results


@dataclass(frozen=True)
class _Batch:
    """The input of one child execution."""

    child_input: Json
    items: int


def _batches(map_state: _Map, items: list[Json]) -> Iterator[_Batch]:
    batcher = map_state.state.get("ItemBatcher")
    if not batcher:
        yield from (_Batch(item, 1) for item in items)
        return
    limits = map_state.evaluated(batcher)
    most_items = int(limits.get("MaxItemsPerBatch") or len(items) or 1)
    most_bytes = limits.get("MaxInputBytesPerBatch") or float("inf")
    common = {"BatchInput": limits["BatchInput"]} if "BatchInput" in limits else {}
    while items:
        count = 1
        while count < min(most_items, len(items)):
            if len(json.dumps({**common, "Items": items[: count + 1]})) > most_bytes:
                break
            count += 1
        yield _Batch({**common, "Items": items[:count]}, count)
        items = items[count:]


class _MapRun:
    """The record that DescribeMapRun shows, and its child executions."""

    def __init__(self, map_state: _Map, batches: list[_Batch], execution: dict[str, Any]) -> None:
        prefix, _, name = execution["stateMachineArn"].rpartition(":")
        label = map_state.state.get("Label") or sfn.new_uuid()
        self._batches = batches
        self._by_batch: dict[int, dict[str, Any]] = {}
        self.exceeded = threading.Event()
        self._lock = threading.Lock()
        self._tolerated = _tolerated_failures(map_state, sum(batch.items for batch in batches))
        self._machine_arn = f"{prefix}:{name}/{label}"
        self.arn = f"{prefix.replace(':stateMachine', ':mapRun')}:{name}/{label}:{sfn.new_uuid()}"
        self.record: dict[str, Any] = {
            "mapRunArn": self.arn,
            "executionArn": execution["executionArn"],
            "status": "RUNNING",
            "startDate": sfn.now_iso(),
            "maxConcurrency": int(map_state.number("MaxConcurrency")),
            "toleratedFailurePercentage": map_state.number("ToleratedFailurePercentage"),
            "toleratedFailureCount": int(map_state.number("ToleratedFailureCount")),
            "itemCounts": _counts(sum(batch.items for batch in batches)),
            "executionCounts": _counts(len(batches)),
            "redriveCount": 0,
            "_stateMachineArn": self._machine_arn,
        }
        sfn._map_runs[self.arn] = self.record

    def child(self, batch: _Batch) -> dict[str, Any]:
        """Begin a child execution."""
        name = sfn.new_uuid()
        machine = self._machine_arn.replace(":stateMachine:", ":execution:")
        child = {
            "executionArn": f"{machine}:{name}",
            "stateMachineArn": self._machine_arn,
            "mapRunArn": self.arn,
            "name": name,
            "status": "RUNNING",
            "startDate": sfn.now_iso(),
            "stopDate": None,
            "input": json.dumps(batch.child_input),
            "output": None,
            "events": [],
        }
        sfn._executions[child["executionArn"]] = child
        self._by_batch[id(batch)] = child
        self._move(batch, "pending", "running")
        return child

    def end(self, child: dict[str, Any], batch: _Batch, **how: Json) -> None:
        """Record how a child ended; too many failures end the run."""
        child.update(stopDate=sfn.now_iso(), **how)
        self._move(batch, "running", child["status"].lower())
        if self.record["itemCounts"]["failed"] > self._tolerated:
            self.exceeded.set()

    @property
    def children(self) -> list[dict[str, Any]]:
        """The child executions that began, in the order of their items."""
        found = (self._by_batch.get(id(batch)) for batch in self._batches)
        return [child for child in found if child]

    def close(self, *, stopped: bool) -> None:
        """End the run; raises where more failed than it tolerates."""
        failed = self.exceeded.is_set()
        status = "FAILED" if failed else "ABORTED" if stopped else "SUCCEEDED"
        self.record.update(status=status, stopDate=sfn.now_iso())
        if failed:
            raise sfn._ExecutionError(
                "States.ExceedToleratedFailureThreshold",
                "The specified tolerated failure threshold was exceeded",
            )

    def _move(self, batch: _Batch, before: str, after: str) -> None:
        with self._lock:
            for name, number in (("itemCounts", batch.items), ("executionCounts", 1)):
                self.record[name][before] -= number
                self.record[name][after] += number


def _counts(total: int) -> dict[str, int]:
    names = ("running", "succeeded", "failed", "timedOut", "aborted", "resultsWritten")
    return {"total": total, "pending": total, **dict.fromkeys(names, 0)}


def _tolerated_failures(map_state: _Map, items: int) -> float:
    """Return how many items may fail: with both limits set, the lower one counts."""
    limits = []
    if "ToleratedFailureCount" in map_state.state:
        limits.append(map_state.number("ToleratedFailureCount"))
    if "ToleratedFailurePercentage" in map_state.state:
        limits.append(map_state.number("ToleratedFailurePercentage") * items / 100)
    return min(limits, default=0)


def _run_distributed(clock: SimulatedClock, map_state: _Map, execution: dict[str, Any]) -> Json:
    batches = list(_batches(map_state, map_state.items()))
    run = _MapRun(map_state, batches, execution)

    def process(batch: _Batch) -> None:
        child = run.child(batch)
        try:
            output = map_state.process_apart(batch.child_input, child)
        except Exception as error:  # noqa: BLE001  # recorded with the child
            status = "ABORTED" if stopped() else "FAILED"
            name, cause = getattr(error, "error", "States.Runtime"), getattr(error, "cause", "")
            run.end(child, batch, status=status, error=name, cause=cause or str(error))
        else:
            run.end(child, batch, status="SUCCEEDED", output=json.dumps(output))

    def stopped() -> bool:
        return bool(execution["status"] != "RUNNING")

    def until() -> bool:
        return run.exceeded.is_set() or stopped()

    jobs = [partial(process, batch) for batch in batches]
    together(clock, jobs, int(map_state.number("MaxConcurrency")), until)
    # A map that was stopped writes no results.
    result = None if stopped() else _result(map_state, run)
    run.close(stopped=stopped())
    stop_if_ended(execution)
    return result


def _with_metadata(child: dict[str, Any]) -> dict[str, Any]:
    """Return the entry of a child execution in a result file."""
    given = {
        "ExecutionArn": child["executionArn"],
        "Input": child["input"],
        "InputDetails": {"Included": True},
        "Name": child["name"],
        "Output": child["output"],
        "Error": child.get("error"),
        "Cause": child.get("cause"),
        "StartDate": child["startDate"],
        "StateMachineArn": child["stateMachineArn"],
        "Status": child["status"],
        "StopDate": child["stopDate"],
    }
    if child["output"] is not None:
        given["OutputDetails"] = {"Included": True}
    return {name: value for name, value in given.items() if value is not None}


def _result(map_state: _Map, run: _MapRun) -> Json:
    """Return the state's result: what the children returned, or where it was written."""
    writer = map_state.evaluated(map_state.state.get("ResultWriter") or {})
    config = writer.get("WriterConfig") or {}
    if "Resource" not in writer:
        return _transformed(run.children, config.get("Transformation", "COMPACT"))
    where = writer.get("Arguments") or writer.get("Parameters") or {}
    folder = "/".join(filter(None, [where.get("Prefix", "").strip("/"), run.arn.split(":")[-1]]))
    manifest: dict[str, Any] = {"DestinationBucket": where["Bucket"], "MapRunArn": run.arn}
    manifest["ResultFiles"] = {"FAILED": [], "PENDING": [], "SUCCEEDED": []}
    kind = config.get("OutputType", "JSON")
    for status, files in manifest["ResultFiles"].items():
        children = [child for child in run.children if child["status"] == status]
        if children:
            records = _transformed(children, config.get("Transformation", "NONE"))
            key = f"{folder}/{status}_0.{kind.lower()}"
            files.append({"Key": key, "Size": _write(where["Bucket"], key, records, kind)})
            run.record["itemCounts"]["resultsWritten"] += len(children)
    key = f"{folder}/manifest.json"
    _write(where["Bucket"], key, manifest, "JSON")
    return {
        "MapRunArn": run.arn,
        "ResultWriterDetails": {"Bucket": where["Bucket"], "Key": key},
    }


def _transformed(children: list[dict[str, Any]], transformation: str) -> list[Json]:
    """Return the children's outputs; those that failed, or all with NONE, with their metadata."""
    results: list[Json] = []
    for child in children:
        if transformation == "NONE" or child["status"] != "SUCCEEDED":
            results.append(_with_metadata(child))
            continue
        output = json.loads(child["output"])
        flat = transformation == "FLATTEN" and isinstance(output, list)
        results.extend(output if flat else [output])
    return results


def _write(bucket: str, key: str, content: Json, kind: str) -> int:
    lines = [json.dumps(record) for record in content] if kind == "JSONL" else [json.dumps(content)]
    body = "\n".join(lines).encode()
    status = s3._put_object(bucket, key, body, {})[0]
    if status >= 400:  # noqa: PLR2004  # HTTP's first error
        raise sfn._ExecutionError(
            "States.ResultWriterFailed", f"s3://{bucket}/{key} cannot be written"
        )
    return len(body)
