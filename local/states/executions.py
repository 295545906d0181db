"""Executions: their records, histories and scopes, and the limits of what they hold."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, Protocol

from local.clock import SimulatedClock, iso
from local.states.expressions import ExpressionFailed, Expressions, Json

# Of inputs, results, outputs and variables, as UTF-8. Source, read 2026-11-29:
# https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html
MOST_BYTES = 262_144
RUNTIME, TIMEOUT = "States.Runtime", "States.Timeout"
_QUERY = "States.QueryEvaluationError"
_TYPES = {bool: "boolean", int: "number", float: "number", str: "string", list: "array"}


@dataclass(eq=False)
class StateError(Exception):
    """An error by its name, as Retry and Catch see it; None of who told none.

    `uncaught`: it fails the execution whatever they list. `also` is a name that only they see.
    """

    error: str | None
    cause: str | None = ""  # as a time-out has it; the history tells none then
    uncaught: bool = False
    also: str = ""


@dataclass(frozen=True)
class Machine:
    """A state machine as it was when an execution of it began."""

    arn: str
    role_arn: str
    definition: Mapping[str, Any]
    label: str = ""  # of the Map whose child executions these are

    @property
    def shown_arn(self) -> str:
        """The ARN as executions name it."""
        return f"{self.arn}/{self.label}" if self.label else self.arn

    def execution_arn(self, name: str) -> str:
        return f"{self.shown_arn.replace(':stateMachine:', ':execution:')}:{name}"


class World(Protocol):
    """What a state machine meets outside of itself, as it is at that moment.

    `find` returns the record of a machine, which may be changed, and `delete` deletes it, if there
    is one. `changed` takes notice of an execution's new status. `denied` says why the machine's
    role may not do something; None if it may. `invoke` invokes a function as lambda:invoke does,
    and raises `StateError`. `read` and `write` an object raise `LookupError` with S3's words.
    """

    def find(self, machine_arn: str) -> dict[str, Any] | None: ...
    def delete(self, machine_arn: str) -> None: ...
    def changed(self, execution: Execution) -> None: ...
    def denied(self, machine: Machine, action: str, resource: str) -> str | None: ...
    def invoke(self, machine: Machine, arguments: Json) -> Json: ...
    def read(self, machine: Machine, bucket: str, key: str) -> bytes: ...
    def write(self, machine: Machine, bucket: str, key: str, body: bytes) -> None: ...


@dataclass
class Engine:
    """What executions share.

    `not_in_all`: errors that States.ALL does not catch, nor States.TaskFailed, but their own name
    does; AWS's documentation and its recordings differ about them. `watchers` give an effect of
    execution and state that comes before what the state does.
    """

    clock: SimulatedClock
    expressions: Expressions
    world: World
    not_in_all: frozenset[str] = frozenset()
    # By their ARNs, in the order in which they began, until their machine is deleted; those of maps
    # included.
    records: dict[str, Execution] = field(default_factory=dict)
    tokens: dict[str, Any] = field(default_factory=dict)  # of tasks
    watchers: list[Callable[[str, str], Any]] = field(default_factory=list)

    def is_deleted(self, machine_arn: str) -> bool:
        record = self.world.find(machine_arn)
        return record is None or record["status"] == "DELETING"


class Execution:
    """One execution; those that a Distributed Map starts included."""

    def __init__(
        self, engine: Engine, machine: Machine, name: str, given: Json, map_run: str = ""
    ) -> None:
        self.engine, self.machine, self.name, self.given = engine, machine, name, given
        self.arn, self.map_run_arn = machine.execution_arn(name), map_run
        self.running = ExitStack()  # ends what runs it; a child execution is part of its Map
        self.began = engine.clock.time()
        self.redriven: list[float] = []
        self.events: list[dict[str, Any]] = []
        self.status, self.output = "RUNNING", None
        self.ended: float | None = None
        self.error: str | None = None
        self.cause: str | None = None
        about = {"Id": self.arn, "Name": name, "RoleArn": machine.role_arn, "Input": given}
        about |= {"StartTime": iso(self.began), "RedriveCount": 0}
        of = {"Id": machine.arn, "Name": machine.arn.rpartition(":")[2]}
        context = {"Execution": about, "StateMachine": of}
        self.scope = Scope(self, machine.definition, self.arn, given, context)
        self.note("ExecutionStarted", 0, input=text(given), roleArn=machine.role_arn)
        engine.records[self.arn] = self

    @property
    def entered(self) -> list[str]:
        """The states that it has entered so far."""
        found = (event.get("stateEnteredEventDetails") for event in list(self.events))
        return [details["name"] for details in found if details]

    def note(self, kind: str, previous: int, **details: Json) -> int:
        """Add an event to the history; return its id."""
        event = {"id": len(self.events) + 1, "previousEventId": previous, "type": kind}
        event["timestamp"] = round(self.engine.clock.time(), 3)
        if details:
            of_any_state = kind.find("State", 3) if kind.endswith(("Entered", "Exited")) else 0
            name = kind[of_any_state:]
            event[f"{name[0].lower()}{name[1:]}EventDetails"] = _known(details)
        self.events.append(event)
        return len(self.events)

    def end(self, status: str, output: Json = None, **how: str | None) -> None:
        """End it as a status of AWS, with `output`, or `error` and `cause`."""
        self.status, self.ended, self.output = status, self.engine.clock.time(), output
        self.error, self.cause = how.get("error"), how.get("cause")
        told = text(output) if status == "SUCCEEDED" else None
        kind = status.title().replace("_", "")  # TIMED_OUT is TimedOut
        self.scope.note(f"Execution{kind}", output=told, **how)

    def redrive(self) -> None:
        """Let it run again, from where it did not succeed."""
        self.status, self.ended, self.error, self.cause = "RUNNING", None, None, None
        self.redriven.append(self.engine.clock.time())
        count = len(self.redriven)
        now = {"RedriveCount": count, "RedriveTime": iso(self.redriven[-1])}
        self.scope.context["Execution"].update(now)
        self.scope.resume(self.note("ExecutionRedriven", len(self.events), redriveCount=count))

    def describe(self) -> Json:
        """Return what DescribeExecution answers."""
        status = "REDRIVABLE_BY_MAP_RUN" if self.map_run_arn else "REDRIVABLE"
        why_not = None
        if self.status in {"RUNNING", "SUCCEEDED"}:
            status = "NOT_REDRIVABLE"
            why_not = f"Execution is {self.status} and cannot be redriven"
        told = {
            "executionArn": self.arn,
            "stateMachineArn": self.machine.shown_arn,
            "mapRunArn": self.map_run_arn or None,
            "name": self.name,
            "status": self.status,
            "startDate": self.began,
            "stopDate": self.ended,
            "input": text(self.given),
            "output": text(self.output) if self.status == "SUCCEEDED" else None,
            "error": self.error,
            "cause": self.cause,
            "redriveCount": len(self.redriven),
            "redriveDate": self.redriven[-1] if self.redriven else None,
            "redriveStatus": status,
            "redriveStatusReason": why_not,
        }
        return _known(told)


@dataclass
class Scope:
    """Where an execution or a branch of it is: its state, variables and last event."""

    execution: Execution
    definition: Mapping[str, Any]  # with StartAt and States
    path: str  # tells it from others of the engine
    given: Json
    context: dict[str, Any]
    variables: dict[str, Json] = field(default_factory=dict)
    last: int = 0
    entered: int = 0  # the event of the state's entering, once it has happened
    parent: Scope | None = None  # of a branch
    branches: list[Scope] = field(default_factory=list)  # of the state it is in
    map_run: Any = None  # likewise
    assigned: dict[str, str] | None = None  # by the state that has ended, as JSON

    def __post_init__(self) -> None:
        self.at = self.definition["StartAt"]  # nothing at the end

    @property
    def state(self) -> Json:
        return self.definition["States"][self.at]

    def note(self, kind: str, **details: Json) -> None:
        self.last = self.execution.note(kind, self.last, **details)

    def branch(self, definition: Mapping[str, Any]) -> None:
        """Add the scope of a branch, which gets the input and variables of this one."""
        path = f"{self.path}/{self.at}.{len(self.branches)}"
        inherited = self.given, self.context, self.variables, self.last
        self.branches.append(Scope(self.execution, definition, path, *inherited, parent=self))

    def fail(self) -> None:
        """Let the history go on from what failed last, if this is a branch."""
        if self.parent:
            self.parent.last = self.last
            if self.execution.events[self.last - 1]["type"] in {"TaskFailed", "TaskTimedOut"}:
                self.execution.note("TaskStateAborted", self.last)

    def resume(self, last: int) -> None:
        """Let it go on after an event, and its branches likewise."""
        self.last = last
        for branch in self.branches:
            branch.resume(last)

    # --- fields of the state

    def fill(self, template: Json, where: str, **more: Json) -> Json:
        """Return a field with its expressions evaluated."""
        engine = self.execution.engine
        states = {"input": self.given, "context": self.context, **more}
        variables, now = {**self.variables, "states": states}, engine.clock.time()
        try:
            return engine.expressions.fill(template, variables, now=now, where=where)
        except ExpressionFailed as error:
            raise self.failed(error.where, str(error)) from None

    def typed(self, kind: str, given: Json, where: str) -> Json:
        """Return a field that must be of a JSON type: "number", "boolean" or "string"."""
        value = self.fill(given, where)
        found = "null" if value is None else _TYPES.get(type(value), "object")
        if found == kind:
            return value
        expression = str(given).removeprefix("{%").removesuffix("%}").strip()
        why = (
            f"The JSONata expression '{expression}' specified for the field '{where}' returned an "
            f"unexpected result type. Expected '{kind}', but was '{found}' for value: {text(value)}"
        )
        raise self.failed(where, why)

    def number(self, field: str, default: float = 0) -> float:
        return float(self.typed("number", self.state.get(field, default), field))

    def failed(self, where: str, why: str) -> StateError:
        """Note that a field has no value that will do."""
        cause = (
            f"An error occurred while executing the state '{self.at}' (entered at the event id "
            f"#{self.entered}). {why}"
        )
        self.last = self.execution.events[self.entered - 1]["previousEventId"]
        self.note("EvaluationFailed", error=_QUERY, cause=cause, location=where, state=self.at)
        return StateError(_QUERY, cause)


def identity(*of: object) -> str:
    """Return a UUID that is the same for the same arguments."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, "\0".join(map(str, of))))


def _known(answer: Mapping[str, Json]) -> dict[str, Json]:
    return {name: value for name, value in answer.items() if value is not None}


def text(value: Json) -> str:
    """Return JSON as AWS counts and shows it."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def is_too_large(value: Json) -> bool:
    return len(text(value).encode()) > MOST_BYTES


def check_size(value: Json, what: str, *, uncaught: bool = False) -> None:
    """Raise what a result, output or variable of more than `MOST_BYTES` fails with."""
    if is_too_large(value):
        cause = f"The state/task '{what}' returned a result with a size exceeding the maximum "
        cause += "number of bytes service limit."
        raise StateError("States.DataLimitExceeded", cause, uncaught)
