"""Step Functions without the rest of AWS: functions are Python functions, objects a dict."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable
from typing import Any

from local.clock import SimulatedClock
from local.states.executions import Execution, Machine
from local.states.expressions import Expressions
from local.states.service import StepFunctions

Json = Any
Function = Callable[[Json], Json]
START = 1_790_000_000.0
ROLE = "arn:aws:iam::000000000000:role/machine"
MACHINES = "arn:aws:states:us-west-2:000000000000:stateMachine:"


class FakeWorld:
    """`functions` may raise `StateError`, and `takes` says how long some sleep."""

    def __init__(self, clock: SimulatedClock) -> None:
        self._clock = clock
        self.functions: dict[str, Function] = {}
        self.takes: dict[str, float] = {}
        self.objects: dict[str, bytes] = {}
        self.forbidden: set[str] = set()
        self.records: dict[str, dict[str, Any]] = {}
        self.statuses: list[tuple[str, str]] = []
        self.called: list[tuple[str, Json]] = []

    def invoke(self, machine: Machine, arguments: Json) -> Json:
        del machine
        name, payload = arguments["FunctionName"], arguments.get("Payload")
        self.called.append((name, payload))
        answer = self.functions[name](payload)
        with self._clock.computing() as hold:
            hold.sleep(self.takes.get(name, 0))
        return {"Payload": answer, "StatusCode": 200}

    def denied(self, machine: Machine, action: str, resource: str) -> str | None:
        del machine, resource
        return "AccessDenied" if action in self.forbidden else None

    def read(self, machine: Machine, bucket: str, key: str) -> bytes:
        if denied := self.denied(machine, "s3:GetObject", key):
            raise LookupError(denied)
        return self.objects[f"{bucket}/{key}"]

    def write(self, machine: Machine, bucket: str, key: str, body: bytes) -> None:
        if denied := self.denied(machine, "s3:PutObject", key):
            raise LookupError(denied)
        self.objects[f"{bucket}/{key}"] = body

    def changed(self, execution: Execution) -> None:
        self.statuses.append((execution.name, execution.status))

    def find(self, arn: str) -> dict[str, Any] | None:
        return self.records.get(arn)

    def delete(self, arn: str) -> None:
        self.records.pop(arn, None)


class Simulation:
    """Machines that run in no time; nothing happens by itself once nobody waits."""

    def __init__(
        self, expressions: Expressions, seed: int = 0, not_in_all: Collection[str] = ()
    ) -> None:
        self.clock = SimulatedClock(START, seed=seed, idle_runs=False)
        self.world = FakeWorld(self.clock)
        self.service = StepFunctions(self.clock, expressions, self.world, frozenset(not_in_all))

    def start(self, definition: Json, given: Json = None, name: str = "run") -> str:
        """Start an execution of a machine of its own; return its ARN."""
        arn = f"{MACHINES}of-{name}"
        definition = json.dumps({"QueryLanguage": "JSONata", **definition})
        self.world.records[arn] = {
            "stateMachineArn": arn,
            "name": f"of-{name}",
            "roleArn": ROLE,
            "definition": definition,
            "status": "ACTIVE",
        }
        request = {"stateMachineArn": arn, "name": name, "input": json.dumps(given)}
        started: str = self.service.call("StartExecution", request)["executionArn"]
        return started

    def play(self, definition: Json, given: Json = None, name: str = "run") -> Execution:
        """Run an execution until nobody waits any more."""
        return self.settled(self.start(definition, given, name))

    def settled(self, arn: str) -> Execution:
        self.clock.settle()
        return self.service.records[arn]

    def function(self, name: str, act: Function, takes: float = 0) -> None:
        self.world.functions[name], self.world.takes[name] = act, takes


def chain(**states: Json) -> Json:
    """Return a machine whose states follow each other, unless they say where they go."""
    names = list(states)
    for name, after in zip(names, [*names[1:], None], strict=True):
        state = states[name]
        if state["Type"] in {"Succeed", "Fail", "Choice"} or "Next" in state:
            continue
        states[name] = {**state, "End": True} if after is None else {**state, "Next": after}
    return {"StartAt": names[0], "States": states}


def call(function: str, payload: Json = None, **more: Json) -> Json:
    arguments = {"FunctionName": function, "Payload": payload}
    return {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Arguments": arguments,
        **more,
    }


def asking(function: str, **more: Json) -> Json:
    """Return a task that hands its token to a function, and waits for it."""
    resource = "arn:aws:states:::lambda:invoke.waitForTaskToken"
    return {**call(function, "{% $states.context.Task.Token %}", **more), "Resource": resource}


def distributed(inner: Json, **more: Json) -> Json:
    """Return a machine of one Map, which runs the machine `inner` for each line of an object."""
    there = {"Bucket": "{% 'buc' & 'ket' %}", "Key": "items"}
    reader = {
        "Resource": "arn:aws:states:::s3:getObject",
        "ReaderConfig": {"InputType": "JSONL"},
        "Arguments": there,
    }
    results = {"Bucket": "bucket", "Prefix": "{% 'results' %}"}
    writer = {"Resource": "arn:aws:states:::s3:putObject", "Arguments": results}
    processor = {"ProcessorConfig": {"Mode": "DISTRIBUTED"}, **inner}
    parts = {"ItemReader": reader, "ItemProcessor": processor, "ResultWriter": writer}
    return chain(Map={"Type": "Map", **parts, **more})


def lines(items: Iterable[Json]) -> bytes:
    return "\n".join(map(json.dumps, items)).encode()


def types(execution: Execution) -> list[str]:
    return [event["type"] for event in execution.events]


def details(execution: Execution, kind: str) -> list[Json]:
    """Return what the events of a type tell besides."""
    of_kind = [event for event in execution.events if event["type"] == kind]
    return [event[key] for event in of_kind for key in event if key.endswith("EventDetails")]
