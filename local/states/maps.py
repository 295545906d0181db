"""Distributed Maps: reader, batcher, child executions, tolerance and writer.

Rules, read 2026-11-23: Step Functions Developer Guide, state-map-distributed.html,
input-output-itemreader.html, -itembatcher.html and -resultwriter.html.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from local.clock import iso
from local.states.executions import RUNTIME, Execution, Machine, Scope, StateError, identity, text
from local.states.expressions import Json
from local.states.routines import Steps, together

_AT_ONCE = 10_000  # without MaxConcurrency


@dataclass
class MapRun:
    """The child executions of a Map."""

    arn: str
    machine: Machine  # of the child executions
    batches: list[Json]  # the inputs
    children: list[Execution] = field(default_factory=list)  # of the first batches


def run_map(scope: Scope, run: Callable[[Execution], Steps]) -> Steps:
    """Run a Map state once; its result is where the results were written.

    `run` runs a child execution to its end.
    """
    tolerates = bool(scope.state.get("ToleratedFailurePercentage"))  # all or none
    most = int(scope.number("MaxConcurrency")) or _AT_ONCE

    def work() -> Steps:
        for child in left:
            yield from run(child)
            if child.status == "FAILED" and not tolerates:
                cause = "The specified tolerated failure threshold was exceeded"
                raise StateError("States.ExceedToleratedFailureThreshold", cause)

    try:
        map_run = scope.map_run = scope.map_run or _begin(scope)
        left = _left(scope, map_run)
        workers = range(max(1, min(most, len(map_run.batches))))
        yield together({f"{map_run.arn}/{worker}": work() for worker in workers})
        result = _written(scope, map_run)
    except StateError as error:
        scope.note("MapRunFailed", error=error.error, cause=error.cause)
        raise
    scope.note("MapRunSucceeded")
    return result, scope.state


def _begin(scope: Scope) -> MapRun:
    machine = scope.execution.machine
    label = scope.state.get("Label") or identity(scope.at)[:8]
    inner = Machine(machine.arn, machine.role_arn, scope.state["ItemProcessor"], label)
    name = identity(scope.path, scope.at, len(scope.execution.events))
    arn = f"{inner.shown_arn.replace(':stateMachine:', ':mapRun:')}:{name}"
    scope.note("MapStateStarted", length=0)
    scope.note("MapRunStarted", mapRunArn=arn)
    return MapRun(arn, inner, list(_batches(scope)))


def _left(scope: Scope, map_run: MapRun) -> Iterator[Execution]:
    """Yield the child executions that have not succeeded, as each begins, again or at all."""
    for child in [*map_run.children]:
        if child.status != "SUCCEEDED":
            child.redrive()
            yield child
    for index in range(len(map_run.children), len(map_run.batches)):
        name, given = identity(map_run.arn, index), map_run.batches[index]
        child = Execution(scope.execution.engine, map_run.machine, name, given, map_run.arn)
        map_run.children.append(child)
        yield child


# --- what is processed


def _batches(scope: Scope) -> Iterator[Json]:
    """Yield the input of each child execution."""
    items, machine = _read(scope), scope.execution.machine
    if scope.execution.engine.world.denied(machine, "states:StartExecution", machine.arn):
        denied = f"{machine.role_arn} is not authorized to perform: states:StartExecution"
        raise StateError(RUNTIME, f"The role {denied} on resource: {machine.arn}")
    if "ItemBatcher" not in scope.state:
        yield from items
        return
    rules = scope.fill(scope.state["ItemBatcher"], "ItemBatcher")
    most, most_bytes = rules["MaxItemsPerBatch"], rules.get("MaxInputBytesPerBatch", math.inf)
    common = {"BatchInput": rules["BatchInput"]} if "BatchInput" in rules else {}
    batch: list[Json] = []
    for item in items:
        longer = {**common, "Items": [*batch, item]}
        if batch and (len(batch) == most or len(text(longer).encode()) > most_bytes):
            yield {**common, "Items": batch}
            batch = []
        batch.append(item)
    if batch:
        yield {**common, "Items": batch}


def _read(scope: Scope) -> list[Json]:
    where = scope.fill(scope.state["ItemReader"]["Arguments"], "ItemReader/Arguments")
    execution, place = scope.execution, (where["Bucket"], where["Key"])
    try:
        body = execution.engine.world.read(execution.machine, *place)
        return [json.loads(line) for line in body.decode().splitlines() if line.strip()]
    except (LookupError, ValueError) as error:
        cause = f"s3://{'/'.join(place)} cannot be read: {error}"
        raise StateError("States.ItemReaderFailed", cause) from None


# --- results


def _written(scope: Scope, map_run: MapRun) -> Json:
    """Write what the child executions returned; return where it is."""
    where = scope.fill(scope.state["ResultWriter"]["Arguments"], "ResultWriter/Arguments")
    name = map_run.arn.rpartition(":")[2]
    folder = "/".join(filter(None, [where.get("Prefix", "").strip("/"), name]))

    def write(file: str, content: Json) -> Json:
        key, body = f"{folder}/{file}", text(content).encode()
        try:
            scope.execution.engine.world.write(map_run.machine, where["Bucket"], key, body)
        except LookupError as error:
            cause = f"s3://{where['Bucket']}/{key} cannot be written: {error}"
            raise StateError("States.ResultWriterFailed", cause) from None
        return {"Key": key, "Size": len(body)}

    files: dict[str, list[Json]] = {"FAILED": [], "PENDING": [], "SUCCEEDED": []}
    for status, listed in files.items():
        if records := [_told(child) for child in map_run.children if child.status == status]:
            listed.append(write(f"{status}_0.json", records))
    about = {"DestinationBucket": where["Bucket"], "MapRunArn": map_run.arn, "ResultFiles": files}
    there = {"Bucket": where["Bucket"], "Key": write("manifest.json", about)["Key"]}
    return {"MapRunArn": map_run.arn, "ResultWriterDetails": there}


def _told(child: Execution) -> Json:
    """Return the entry of a child execution in a result file."""
    told = child.describe()
    del told["mapRunArn"]
    told |= {name: iso(told[name]) for name in ("startDate", "stopDate")}
    return {name[0].upper() + name[1:]: value for name, value in told.items()}
