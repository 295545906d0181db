"""Distributed Maps: reader, batcher, child executions, tolerance and writer.

Rules, read 2026-11-23: Step Functions Developer Guide, state-map-distributed.html,
input-output-itemreader.html, -itembatcher.html and -resultwriter.html.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from local.clock import iso
from local.states.executions import RUNTIME, Execution, Machine, Scope, StateError, identity, text
from local.states.language import Interpreter, State
from local.states.routines import Steps, together

Json = Any  # a state's input, output or definition
_AT_ONCE = 10_000  # without MaxConcurrency


@dataclass
class MapRun:
    """The child executions of a Map."""

    arn: str
    machine: Machine  # of the child executions
    batches: list[Json]  # the inputs
    children: list[Execution] = field(default_factory=list)  # of the first batches


def run_map(interpreter: Interpreter, state: State, scope: Scope) -> Steps:
    """Run a Map state once; its result is where the results were written."""
    tolerates = bool(state.get("ToleratedFailurePercentage"))  # all or none
    most = int(interpreter.number(state, "MaxConcurrency", scope)) or _AT_ONCE
    try:
        run = scope.map_run = scope.map_run or _begin(interpreter, state, scope)
        again = [child for child in run.children if child.status != "SUCCEEDED"]
        for child in again:
            child.redrive()
        left = chain(again, _begun(interpreter, run))
        jobs = [
            (f"{run.arn}/{worker}", _work(interpreter, left, tolerates=tolerates))
            for worker in range(max(1, min(most, len(run.batches))))
        ]
        yield together(jobs)
        result = _written(interpreter, state, scope, run)
    except StateError as error:
        scope.note("MapRunFailed", error=error.error, cause=error.cause)
        raise
    scope.note("MapRunSucceeded")
    return result, state


def _begin(interpreter: Interpreter, state: State, scope: Scope) -> MapRun:
    machine = scope.execution.machine
    label = state.get("Label") or identity(scope.at)[:8]
    inner = Machine(machine.arn, machine.role_arn, state["ItemProcessor"], label)
    name = identity(scope.path, scope.at, len(scope.execution.events))
    arn = f"{inner.shown_arn.replace(':stateMachine:', ':mapRun:')}:{name}"
    scope.note("MapStateStarted", length=0)
    scope.note("MapRunStarted", mapRunArn=arn)
    return MapRun(arn, inner, list(_batches(interpreter, state, scope)))


# --- what is processed


def _batches(interpreter: Interpreter, state: State, scope: Scope) -> Iterator[Json]:
    """Yield the input of each child execution."""
    items, machine = _read(interpreter, state, scope), scope.execution.machine
    if interpreter.world.denied(machine, "states:StartExecution", machine.arn):
        denied = f"{machine.role_arn} is not authorized to perform: states:StartExecution"
        raise StateError(RUNTIME, f"The role {denied} on resource: {machine.arn}")
    if "ItemBatcher" not in state:
        yield from items
        return
    rules = interpreter.fill(state["ItemBatcher"], scope, "ItemBatcher")
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


def _read(interpreter: Interpreter, state: State, scope: Scope) -> list[Json]:
    where = interpreter.fill(state["ItemReader"]["Arguments"], scope, "ItemReader/Arguments")
    try:
        body = interpreter.world.read(scope.execution.machine, where["Bucket"], where["Key"])
        return [json.loads(line) for line in body.decode().splitlines() if line.strip()]
    except (LookupError, ValueError) as error:
        cause = f"s3://{where['Bucket']}/{where['Key']} cannot be read: {error}"
        raise StateError("States.ItemReaderFailed", cause) from None


# --- child executions


def _begun(interpreter: Interpreter, run: MapRun) -> Iterator[Execution]:
    """Yield the child executions of the batches that have none, as each begins."""
    for index in range(len(run.children), len(run.batches)):
        name, given = identity(run.arn, index), run.batches[index]
        child = Execution(run.machine, name, given, interpreter.clock, run.arn)
        interpreter.executions[child.arn] = child
        run.children.append(child)
        yield child


def _work(interpreter: Interpreter, left: Iterator[Execution], *, tolerates: bool) -> Steps:
    """Run one child execution after the other; unless it `tolerates` it, none after a failure."""
    for child in left:
        yield from interpreter.run(child)
        if child.status == "FAILED" and not tolerates:
            cause = "The specified tolerated failure threshold was exceeded"
            raise StateError("States.ExceedToleratedFailureThreshold", cause)


# --- results


def _written(interpreter: Interpreter, state: State, scope: Scope, run: MapRun) -> Json:
    """Write what the child executions returned; return where it is."""
    where = interpreter.fill(state["ResultWriter"]["Arguments"], scope, "ResultWriter/Arguments")
    name = run.arn.rpartition(":")[2]
    folder = "/".join(filter(None, [where.get("Prefix", "").strip("/"), name]))

    def write(file: str, content: Json) -> Json:
        key, body = f"{folder}/{file}", text(content).encode()
        try:
            interpreter.world.write(run.machine, where["Bucket"], key, body)
        except LookupError as error:
            cause = f"s3://{where['Bucket']}/{key} cannot be written: {error}"
            raise StateError("States.ResultWriterFailed", cause) from None
        return {"Key": key, "Size": len(body)}

    files: dict[str, list[Json]] = {"FAILED": [], "PENDING": [], "SUCCEEDED": []}
    for status, listed in files.items():
        if records := [_told(child) for child in run.children if child.status == status]:
            listed.append(write(f"{status}_0.json", records))
    about = {"DestinationBucket": where["Bucket"], "MapRunArn": run.arn, "ResultFiles": files}
    there = {"Bucket": where["Bucket"], "Key": write("manifest.json", about)["Key"]}
    return {"MapRunArn": run.arn, "ResultWriterDetails": there}


def _told(child: Execution) -> Json:
    """Return the entry of a child execution in a result file."""
    told = child.describe()
    del told["mapRunArn"]
    told |= {name: iso(told[name]) for name in ("startDate", "stopDate")}
    return {name[0].upper() + name[1:]: value for name, value in told.items()}
