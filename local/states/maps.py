"""Map states, inline and distributed: reader, batcher, child executions, tolerance and writer.

Rules, read 2026-11-23: Step Functions Developer Guide, state-map-distributed.html,
input-output-itemreader.html, -itembatcher.html and -resultwriter.html.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from local.clock import iso
from local.states.executions import (
    RUNTIME,
    Execution,
    Machine,
    Scope,
    StateError,
    identity,
    is_too_large,
    text,
)
from local.states.language import Interpreter, State, together, too_large
from local.states.routines import Join, Steps

Json = Any  # a state's input, output or definition
_INLINE_AT_ONCE, _DISTRIBUTED_AT_ONCE = 40, 10_000  # without MaxConcurrency
_SHOWN = {
    "PENDING": "pending",
    "RUNNING": "running",
    "SUCCEEDED": "succeeded",
    "FAILED": "failed",
    "TIMED_OUT": "timedOut",
    "ABORTED": "aborted",
}


def run_map(interpreter: Interpreter, state: State, scope: Scope) -> Steps:
    """Run a Map state once; its result is the array of results, or where they were written."""
    if state["ItemProcessor"].get("ProcessorConfig", {}).get("Mode") == "DISTRIBUTED":
        return (yield from _run_distributed(interpreter, state, scope))
    most = int(interpreter.number(state, "MaxConcurrency", scope, 0)) or _INLINE_AT_ONCE
    if not scope.children:
        items = list(_items(interpreter, state, scope))
        scope.note("MapStateStarted", length=len(items))
        for index, (item, given) in enumerate(items):
            scope.child(state["ItemProcessor"], given, Map=_about(index, item))
    jobs = [
        (child.path, _iterate(interpreter, child, scope.at, index))
        for index, child in enumerate(scope.children)
    ]
    return (yield from together(interpreter, state, scope, jobs, most))


def _iterate(interpreter: Interpreter, child: Scope, name: str, index: int) -> Steps:
    if not child.at:
        child.note("MapIterationStarted", name=name, index=index)
    try:
        result = yield from interpreter.walk(child)
    except StateError:
        child.note("MapIterationFailed", name=name, index=index)
        raise
    except GeneratorExit:
        if child.execution.is_running:
            child.note("MapIterationAborted", name=name, index=index)
        raise
    child.note("MapIterationSucceeded", name=name, index=index)
    return result


def _about(index: int, item: Json) -> Json:
    return {"Item": {"Index": index, "Value": item}}


# --- what is processed


def _items(interpreter: Interpreter, state: State, scope: Scope) -> Iterator[tuple[Json, Json]]:
    """Yield the items, each with what ItemSelector makes of it."""
    if "ItemReader" in state:
        items = _read(interpreter, state["ItemReader"], scope)
    else:
        given = {"Items": "{% $states.input %}", **state}
        items = interpreter.typed("array", given, "Items", scope)
    for index, item in enumerate(items):
        given, context = item, {**scope.context, "Map": _about(index, item)}
        if "ItemSelector" in state:
            selector = state["ItemSelector"]
            given = interpreter.fill(selector, scope, "ItemSelector", context=context)
        yield item, given


def _read(interpreter: Interpreter, reader: State, scope: Scope) -> list[Json]:
    where = interpreter.fill(reader["Arguments"], scope, "ItemReader/Arguments")
    config = interpreter.fill(reader.get("ReaderConfig", {}), scope, "ItemReader/ReaderConfig")
    try:
        body = interpreter.world.read(scope.execution.machine, where["Bucket"], where["Key"])
        items = PARSERS[config["InputType"]](body.decode())
    except (LookupError, ValueError) as error:
        cause = f"s3://{where['Bucket']}/{where['Key']} cannot be read: {error}"
        raise StateError("States.ItemReaderFailed", cause) from None
    return items[: int(config.get("MaxItems", len(items)))]


def _json(body: str) -> list[Json]:
    items = json.loads(body)
    if not isinstance(items, list):
        raise ValueError("Attempting to map over non-iterable node.")  # noqa: TRY004  # AWS's words
    return items


def _json_lines(body: str) -> list[Json]:
    return [json.loads(line) for line in body.splitlines() if line.strip()]


PARSERS: dict[str, Callable[[str], list[Json]]] = {"JSON": _json, "JSONL": _json_lines}


def _batches(
    interpreter: Interpreter, state: State, scope: Scope, machine: Machine
) -> Iterator[tuple[Json, int]]:
    """Yield the input of each child execution, and how many items are in it."""
    items = [given for _, given in _items(interpreter, state, scope)]
    if not interpreter.world.allows(machine, "states:StartExecution", machine.arn):
        denied = f"{machine.role_arn} is not authorized to perform: states:StartExecution"
        raise StateError(RUNTIME, f"The role {denied} on resource: {machine.arn}")
    if "ItemBatcher" not in state:
        yield from ((item, 1) for item in items)
        return
    rules = interpreter.fill(state["ItemBatcher"], scope, "ItemBatcher")
    most = int(rules.get("MaxItemsPerBatch", len(items) or 1))
    most_bytes = rules.get("MaxInputBytesPerBatch", math.inf)
    common = {"BatchInput": rules["BatchInput"]} if "BatchInput" in rules else {}
    batch: list[Json] = []
    for item in items:
        longer = {**common, "Items": [*batch, item]}
        if batch and (len(batch) == most or len(text(longer).encode()) > most_bytes):
            yield {**common, "Items": batch}, len(batch)
            batch = []
        batch.append(item)
    if batch:
        yield {**common, "Items": batch}, len(batch)


# --- child executions


@dataclass
class MapRun:
    """The child executions of a Distributed Map, and the limits within which they run."""

    arn: str
    execution: Execution
    machine: Machine
    batches: list[tuple[Json, int]]
    most: int
    percentage: float | None
    count: float | None
    began: float
    ended: float | None = None
    status: str = "RUNNING"
    written: int = 0
    children: dict[int, Execution] = field(default_factory=dict)

    @property
    def is_exceeded(self) -> bool:
        """Whether more items failed than may: with both limits set, the lower one counts."""
        counts = self.counts(items=True)
        limits = [] if self.count is None else [self.count]
        limits += [] if self.percentage is None else [self.percentage * counts["total"] / 100]
        return counts["failed"] > min(limits, default=0)

    def counts(self, *, items: bool) -> Counter[str]:
        """Return how many items, or executions, there are of each status."""
        found = Counter(dict.fromkeys(_SHOWN.values(), 0))
        for index, (_, size) in enumerate(self.batches):
            status = self.children[index].status if index in self.children else "PENDING"
            found[_SHOWN[status]] += size if items else 1
        found["total"] = found.total()
        found["resultsWritten"] = self.written
        return found

    def in_order(self) -> list[Execution]:
        """Return the child executions that began, in the order of their items."""
        return [self.children[index] for index in sorted(self.children)]

    def end(self, status: str, now: float | None) -> None:
        self.status, self.ended = status, now


def _run_distributed(interpreter: Interpreter, state: State, scope: Scope) -> Steps:
    clock, run = interpreter.clock, scope.map_run
    if run:
        run.end("RUNNING", None)
        for child in run.in_order():
            if child.status != "SUCCEEDED":
                child.redrive()
    else:
        run = scope.map_run = _begin(interpreter, state, scope)
    jobs = [
        (f"{run.arn}/{index}", _play(interpreter, run, index)) for index in range(len(run.batches))
    ]
    try:
        yield Join(clock, jobs, run.most or _DISTRIBUTED_AT_ONCE, lambda: run.is_exceeded)
        result = _result(interpreter, state, scope, run)
    except StateError as error:
        run.end("FAILED", clock.time())
        raise _failed(scope, error) from None
    except GeneratorExit:
        run.end("ABORTED", clock.time())
        raise
    scope.map_run = None
    run.end("SUCCEEDED", clock.time())
    scope.note("MapRunSucceeded")
    scope.note("MapStateSucceeded")
    return result, state


def _failed(scope: Scope, error: StateError) -> StateError:
    scope.note("MapRunFailed", error=error.error, cause=error.cause)
    scope.note("MapStateFailed")
    return error


def _begin(interpreter: Interpreter, state: State, scope: Scope) -> MapRun:
    machine = scope.execution.machine
    label = state.get("Label") or identity(scope.at)[:8]
    inner = Machine(machine.arn, machine.name, machine.role_arn, state["ItemProcessor"], label)
    name = identity(scope.path, scope.at, len(scope.execution.events))
    arn = f"{inner.shown_arn.replace(':stateMachine:', ':mapRun:')}:{name}"
    scope.note("MapStateStarted", length=0)
    scope.note("MapRunStarted", mapRunArn=arn)
    try:
        batches = list(_batches(interpreter, state, scope, machine))
    except StateError as error:
        raise _failed(scope, error) from None
    most = int(interpreter.number(state, "MaxConcurrency", scope, 0))
    percentage, count = (
        interpreter.number(state, limit, scope, 0) if limit in state else None
        for limit in ("ToleratedFailurePercentage", "ToleratedFailureCount")
    )
    now = interpreter.clock.time()
    run = MapRun(arn, scope.execution, inner, batches, most, percentage, count, now)
    interpreter.map_runs[arn] = run
    return run


def _play(interpreter: Interpreter, run: MapRun, index: int) -> Steps:
    """Run a child execution; how it ends is in its record, never an error here."""
    child = run.children.get(index)
    if child is None:
        name, (given, _) = identity(run.arn, index), run.batches[index]
        child = Execution(run.machine, name, given, interpreter.clock, map_run=run.arn)
        run.children[index] = interpreter.executions[child.arn] = child
    elif child.status == "SUCCEEDED":
        return
    try:
        output = yield from interpreter.walk(child.scope)
    except StateError as error:
        child.end("FAILED", child.scope.last, error=error.error, cause=error.cause)
    except GeneratorExit:
        child.end("ABORTED", child.scope.last)
        raise
    else:
        child.end("SUCCEEDED", child.scope.last, output)


# --- results


def _result(interpreter: Interpreter, state: State, scope: Scope, run: MapRun) -> Json:
    """Return what the child executions returned, or write it, and return where it is."""
    if run.is_exceeded:
        cause = "The specified tolerated failure threshold was exceeded"
        raise StateError("States.ExceedToleratedFailureThreshold", cause)
    children = run.in_order()
    if "ResultWriter" not in state:
        found = [
            child.output if child.status == "SUCCEEDED" else _told(child) for child in children
        ]
        if is_too_large(found):
            raise too_large(f"The state/task '{scope.at}'")
        return found
    where = interpreter.fill(state["ResultWriter"]["Arguments"], scope, "ResultWriter/Arguments")
    name = run.arn.rpartition(":")[2]
    folder = "/".join(filter(None, [where.get("Prefix", "").strip("/"), name]))

    def write(file: str, content: Json) -> Json:
        key, body = f"{folder}/{file}", text(content).encode()
        try:
            interpreter.world.write(run.execution.machine, where["Bucket"], key, body)
        except LookupError as error:
            cause = f"s3://{where['Bucket']}/{key} cannot be written: {error}"
            raise StateError("States.ResultWriterFailed", cause) from None
        return {"Key": key, "Size": len(body)}

    files: dict[str, list[Json]] = {"FAILED": [], "PENDING": [], "SUCCEEDED": []}
    for status, listed in files.items():
        if records := [_told(child) for child in children if child.status == status]:
            listed.append(write(f"{status}_0.json", records))
            run.written += len(records)
    about = {"DestinationBucket": where["Bucket"], "MapRunArn": run.arn, "ResultFiles": files}
    key = write("manifest.json", about)["Key"]
    there = {"Bucket": where["Bucket"], "Key": key}
    return {"MapRunArn": run.arn, "ResultWriterDetails": there}


def _told(child: Execution) -> Json:
    """Return the entry of a child execution in a result file."""
    succeeded = child.status == "SUCCEEDED"
    given = {
        "ExecutionArn": child.arn,
        "Input": text(child.given),
        "InputDetails": {"Included": True},
        "Name": child.name,
        "Output": text(child.output) if succeeded else None,
        "OutputDetails": {"Included": True} if succeeded else None,
        "Error": child.error,
        "Cause": child.cause,
        "StartDate": iso(child.began),
        "StateMachineArn": child.machine.shown_arn,
        "Status": child.status,
        "StopDate": None if child.ended is None else iso(child.ended),
    }
    return {name: value for name, value in given.items() if value is not None}
