"""Map states, inline and distributed: reader, batcher, child executions, tolerance and writer.

Rules, read 2026-11-23: Step Functions Developer Guide, state-map-distributed.html,
input-output-itemreader.html, -itembatcher.html and -resultwriter.html.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from local.clock import iso
from local.states.executions import Execution, Machine, Scope, StateError, is_too_large, text
from local.states.identities import identity
from local.states.language import State, too_large
from local.states.routines import Steps, join

if TYPE_CHECKING:
    from local.states.language import Interpreter

Json = Any  # a state's input, output or definition
_INLINE_AT_ONCE, _DISTRIBUTED_AT_ONCE = 40, 10_000  # without MaxConcurrency


def run_map(interpreter: Interpreter, state: State, scope: Scope) -> Steps:
    """Run a Map state once; its result is the array of results, or where they were written."""
    config = state["ItemProcessor"].get("ProcessorConfig", {})
    if config.get("Mode") == "DISTRIBUTED":
        return (yield from _run_distributed(interpreter, state, scope))
    return (yield from _run_inline(interpreter, state, scope))


def _run_inline(interpreter: Interpreter, state: State, scope: Scope) -> Steps:
    most = int(interpreter.number(state, "MaxConcurrency", scope, 0)) or _INLINE_AT_ONCE
    if not scope.children:
        items = _items(interpreter, state, scope)
        scope.note("MapStateStarted", length=len(items))
        for index, (item, given) in enumerate(items):
            scope.child(state["ItemProcessor"], given, Map=_about(index, item))
    jobs = [
        (child.path, _iterate(interpreter, child, scope.at, index))
        for index, child in enumerate(scope.children)
    ]
    try:
        results = yield join(interpreter.clock, jobs, most)
    except StateError:
        scope.last = len(scope.execution.events)
        scope.note("MapStateFailed")
        raise
    scope.last = max([scope.last, *(child.last for child in scope.children)])
    scope.note("MapStateSucceeded")
    return results, state


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


def _items(interpreter: Interpreter, state: State, scope: Scope) -> list[tuple[Json, Json]]:
    """Return the items, each with what ItemSelector makes of it."""
    if "ItemReader" in state:
        items = _read(interpreter, state["ItemReader"], scope)
    else:
        items = interpreter.typed(
            "array", {"Items": "{% $states.input %}", **state}, "Items", scope
        )
    return [
        (item, _selected(interpreter, state, scope, index, item))
        for index, item in enumerate(items)
    ]


def _selected(interpreter: Interpreter, state: State, scope: Scope, index: int, item: Json) -> Json:
    if "ItemSelector" not in state:
        return item
    outer = scope.context
    scope.context = {**outer, "Map": _about(index, item)}
    try:
        return interpreter.fill(state["ItemSelector"], scope, "ItemSelector")
    finally:
        scope.context = outer


def _read(interpreter: Interpreter, reader: State, scope: Scope) -> list[Json]:
    where = interpreter.fill(reader["Arguments"], scope, "ItemReader/Arguments")
    config = interpreter.fill(reader.get("ReaderConfig", {}), scope, "ItemReader/ReaderConfig")
    at = f"s3://{where['Bucket']}/{where['Key']}"
    try:
        body = interpreter.world.read(scope.execution.machine, where["Bucket"], where["Key"])
        items = _PARSERS[config["InputType"]](body.decode(), config)
    except (LookupError, ValueError) as error:
        raise StateError("States.ItemReaderFailed", f"{at} cannot be read: {error}") from None
    return items[: int(config.get("MaxItems", len(items)))]


def _json(body: str, _: Json) -> list[Json]:
    items = json.loads(body)
    if not isinstance(items, list):
        raise ValueError("Attempting to map over non-iterable node.")  # noqa: TRY004  # AWS's words
    return items


def _json_lines(body: str, _: Json) -> list[Json]:
    return [json.loads(line) for line in body.splitlines() if line.strip()]


def _csv(body: str, config: Json) -> list[Json]:
    header = config.get("CSVHeaders") if config.get("CSVHeaderLocation") == "GIVEN" else None
    return list(csv.DictReader(io.StringIO(body), fieldnames=header))


_PARSERS: dict[str, Callable[[str, Json], list[Json]]] = {
    "JSON": _json,
    "JSONL": _json_lines,
    "CSV": _csv,
}
INPUT_TYPES = tuple(_PARSERS)


def _batches(
    interpreter: Interpreter, state: State, scope: Scope, items: list[Json]
) -> Iterator[tuple[Json, int]]:
    """Yield the input of each child execution, and how many items are in it."""
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

    def __post_init__(self) -> None:
        self.children: dict[int, Execution] = {}

    @property
    def is_exceeded(self) -> bool:
        """Whether more items failed than may: with both limits set, the lower one counts."""
        items = sum(size for _, size in self.batches)
        limits = [] if self.count is None else [self.count]
        limits += [] if self.percentage is None else [self.percentage * items / 100]
        return self.counts(items=True)["failed"] > min(limits, default=0)

    def counts(self, *, items: bool) -> Counter[str]:
        """Return how many items, or executions, there are of each status."""
        found = Counter(dict.fromkeys(_STATUSES, 0))
        for index, (_, size) in enumerate(self.batches):
            child = self.children.get(index)
            found[_SHOWN[child.status] if child else "pending"] += size if items else 1
        found["total"] = found.total()
        found["resultsWritten"] = self.written
        return found

    def in_order(self) -> list[Execution]:
        """Return the child executions that began, in the order of their items."""
        return [self.children[index] for index in sorted(self.children)]

    def end(self, status: str, now: float) -> None:
        self.status, self.ended = status, now

    def redrive(self) -> None:
        """Let those that did not succeed run again."""
        self.status, self.ended = "RUNNING", None
        for child in self.children.values():
            if child.status != "SUCCEEDED":
                child.redrive()


_SHOWN = {
    "RUNNING": "running",
    "SUCCEEDED": "succeeded",
    "FAILED": "failed",
    "TIMED_OUT": "timedOut",
    "ABORTED": "aborted",
}
_STATUSES = ("pending", *_SHOWN.values())


def _run_distributed(interpreter: Interpreter, state: State, scope: Scope) -> Steps:
    clock = interpreter.clock
    if scope.map_run:
        scope.map_run.redrive()
    run = scope.map_run = scope.map_run or _MapStart(interpreter, state, scope).run()
    jobs = [
        (f"{run.arn}/{index}", _play(interpreter, run, index)) for index in range(len(run.batches))
    ]
    try:
        yield join(clock, jobs, run.most or _DISTRIBUTED_AT_ONCE, lambda: run.is_exceeded)
        _check_tolerance(run)
        result = _Writer(interpreter, state, scope, run).result()
    except StateError as error:
        run.end("FAILED", clock.time())
        raise _map_failed(scope, error) from None
    except GeneratorExit:
        run.end("ABORTED", clock.time())
        raise
    scope.map_run = None
    run.end("SUCCEEDED", clock.time())
    scope.note("MapRunSucceeded")
    scope.note("MapStateSucceeded")
    return result, state


def _check_tolerance(run: MapRun) -> None:
    if run.is_exceeded:
        cause = "The specified tolerated failure threshold was exceeded"
        raise StateError("States.ExceedToleratedFailureThreshold", cause)


def _map_failed(scope: Scope, error: StateError) -> StateError:
    scope.note("MapRunFailed", error=error.error, cause=error.cause)
    scope.note("MapStateFailed")
    return error


@dataclass(frozen=True)
class _MapStart:
    """Begins a Distributed Map."""

    interpreter: Interpreter
    state: State
    scope: Scope

    def run(self) -> MapRun:
        interpreter, state, scope = self.interpreter, self.state, self.scope
        machine = scope.execution.machine
        label = state.get("Label") or identity(scope.at)[:8]
        inner = Machine(machine.arn, machine.name, machine.role_arn, state["ItemProcessor"], label)
        name = identity(scope.path, scope.at, len(scope.execution.events))
        arn = inner.shown_arn.replace(":stateMachine:", ":mapRun:") + f":{name}"
        scope.note("MapStateStarted", length=0)
        scope.note("MapRunStarted", mapRunArn=arn)
        try:
            batches = self._batches()
        except StateError as error:
            raise _map_failed(scope, error) from None
        run = interpreter.map_runs[arn] = MapRun(
            arn,
            scope.execution,
            inner,
            batches,
            int(interpreter.number(state, "MaxConcurrency", scope, 0)),
            self._limit("ToleratedFailurePercentage"),
            self._limit("ToleratedFailureCount"),
            interpreter.clock.time(),
        )
        return run

    def _batches(self) -> list[tuple[Json, int]]:
        items = [given for _, given in _items(self.interpreter, self.state, self.scope)]
        machine, world = self.scope.execution.machine, self.interpreter.world
        if not world.allows(machine, "states:StartExecution", machine.arn):
            raise StateError(
                "States.Runtime",
                f"The role {machine.role_arn} is not authorized to perform: states:StartExecution "
                f"on resource: {machine.arn}",
            )
        return list(_batches(self.interpreter, self.state, self.scope, items))

    def _limit(self, field: str) -> float | None:
        given = field in self.state
        return self.interpreter.number(self.state, field, self.scope, 0) if given else None


def _play(interpreter: Interpreter, run: MapRun, index: int) -> Steps:
    """Run a child execution; how it ends is in its record, never an error here."""
    child = run.children.get(index)
    if child is None:
        name = identity(run.arn, index)
        given, _ = run.batches[index]
        child = Execution(run.machine, name, given, interpreter.clock, map_run=run.arn)
        run.children[index] = interpreter.executions[child.arn] = child
    elif child.status == "SUCCEEDED":
        return
    try:
        output = yield from interpreter.walk(child.scope)
    except StateError as error:
        last = child.scope.last
        child.end("FAILED", last, error=error.error, cause=error.cause)
    except GeneratorExit:
        child.end("ABORTED", child.scope.last)
        raise
    else:
        child.end("SUCCEEDED", child.scope.last, output=output)


# --- results


@dataclass(frozen=True)
class _Writer:
    """Gathers what the child executions returned, or writes it."""

    interpreter: Interpreter
    state: State
    scope: Scope
    run: MapRun

    def result(self) -> Json:
        given = self.state.get("ResultWriter", {})
        writer = self.interpreter.fill(given, self.scope, "ResultWriter")
        config = writer.get("WriterConfig", {})
        if "Resource" in writer:
            return self._written(writer["Arguments"], config)
        found = _transformed(self.run.in_order(), config.get("Transformation", "COMPACT"))
        if is_too_large(found):
            raise too_large(f"The state/task '{self.scope.at}'")
        return found

    def _written(self, where: Json, config: Json) -> Json:
        folder = "/".join(
            filter(None, [where.get("Prefix", "").strip("/"), self.run.arn.rpartition(":")[2]])
        )
        files: dict[str, list[Json]] = {"FAILED": [], "PENDING": [], "SUCCEEDED": []}
        kind = config.get("OutputType", "JSON")
        for status, listed in files.items():
            children = [child for child in self.run.in_order() if child.status == status]
            if children:
                records = _transformed(children, config.get("Transformation", "NONE"))
                key = f"{folder}/{status}_0.{kind.lower()}"
                size = self._write(where["Bucket"], key, records, kind)
                listed.append({"Key": key, "Size": size})
                self.run.written += len(children)
        manifest = {"DestinationBucket": where["Bucket"], "MapRunArn": self.run.arn}
        key = f"{folder}/manifest.json"
        self._write(where["Bucket"], key, {**manifest, "ResultFiles": files}, "JSON")
        there = {"Bucket": where["Bucket"], "Key": key}
        return {"MapRunArn": self.run.arn, "ResultWriterDetails": there}

    def _write(self, bucket: str, key: str, content: Json, kind: str) -> int:
        lines = map(text, content) if kind == "JSONL" else [text(content)]
        body = "\n".join(lines).encode()
        try:
            self.interpreter.world.write(self.scope.execution.machine, bucket, key, body)
        except LookupError as error:
            cause = f"s3://{bucket}/{key} cannot be written: {error}"
            raise StateError("States.ResultWriterFailed", cause) from None
        return len(body)


def _transformed(children: list[Execution], transformation: str) -> list[Json]:
    """Return the children's outputs; those that failed, or all with NONE, with their metadata."""
    results: list[Json] = []
    for child in children:
        if transformation == "NONE" or child.status != "SUCCEEDED":
            results.append(_with_metadata(child))
        elif transformation == "FLATTEN" and isinstance(child.output, list):
            results.extend(child.output)
        else:
            results.append(child.output)
    return results


def _with_metadata(child: Execution) -> Json:
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
