"""Amazon States Language: how an execution goes from state to state, and what becomes of errors.

Rules: https://states-language.net/spec.html and the Step Functions Developer Guide,
concepts-error-handling.html, transforming-data.html and workflow-variables.html, read 2026-11-29.
Where AWS was recorded to do otherwise, the recording counts; see docs/offline-aws.md.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

from local.clock import SimulatedClock, iso
from local.states.executions import (
    RUNTIME,
    TIMEOUT,
    Execution,
    Machine,
    Scope,
    StateError,
    refuse_if_too_large,
    text,
)
from local.states.expressions import ExpressionFailed, Expressions
from local.states.routines import Steps, outside, sleep

Json = Any  # a state's input, output or definition
State = Mapping[str, Any]
_TRANSITION_SECONDS = 0.05
_OF_SCOPES = ("Parallel", "Map")
_WITH_RESULT = ("Task", *_OF_SCOPES)
_QUERY = "States.QueryEvaluationError"
_TYPES = {bool: "boolean", int: "number", float: "number", str: "string", list: "array"}


class World(Protocol):
    """What a state machine meets outside of itself, as it is at that moment."""

    def find(self, machine_arn: str) -> dict[str, Any] | None:
        """Return the record of a machine, which may be changed."""

    def delete(self, machine_arn: str) -> None:
        """Delete the record, if there is one."""

    def changed(self, execution: Execution) -> None:
        """Take notice of an execution's new status."""

    def denied(self, machine: Machine, action: str, resource: str) -> str | None:
        """Return why the machine's role may not do something; None if it may."""

    def invoke(self, machine: Machine, arguments: Json) -> Json:
        """Invoke a function as lambda:invoke does; raises `StateError`."""

    def read(self, machine: Machine, bucket: str, key: str) -> bytes:
        """Return an object; raises `LookupError` with S3's words, as `write` does."""

    def write(self, machine: Machine, bucket: str, key: str, body: bytes) -> None: ...


@dataclass
class Interpreter:
    """Runs executions on the clock; `does` has what a state of each type does once.

    `not_in_all`: errors that States.ALL does not catch, nor States.TaskFailed, but their own name
    does; AWS's documentation and its recordings differ about them. `watchers` are told execution
    and state before the state does anything.
    """

    clock: SimulatedClock
    expressions: Expressions
    world: World
    not_in_all: frozenset[str]
    does: Mapping[str, Does]
    executions: dict[str, Execution] = field(default_factory=dict)
    tokens: dict[str, Any] = field(default_factory=dict)  # of tasks
    watchers: list[Callable[[str, str], None]] = field(default_factory=list)

    # --- data

    def fill(self, template: Json, scope: Scope, where: str, **more: Json) -> Json:
        """Return a field of the current state with its expressions evaluated."""
        states = {"input": scope.given, "context": scope.context, **more}
        variables, now = {**scope.variables, "states": states}, self.clock.time()
        try:
            return self.expressions.fill(template, variables, now=now, where=where)
        except ExpressionFailed as error:
            raise self.failed(scope, error.where or where, str(error)) from None

    def typed(self, kind: str, given: Json, field: str, scope: Scope) -> Json:
        """Return a field that must be of a JSON type: "number", "boolean" or "string"."""
        value = self.fill(given, scope, field)
        found = "null" if value is None else _TYPES.get(type(value), "object")
        if found == kind:
            return value
        expression = str(given).removeprefix("{%").removesuffix("%}").strip()
        why = (
            f"The JSONata expression '{expression}' specified for the field '{field}' returned an "
            f"unexpected result type. Expected '{kind}', but was '{found}' for value: {text(value)}"
        )
        raise self.failed(scope, field, why)

    def number(self, state: State, field: str, scope: Scope, default: float = 0) -> float:
        return float(self.typed("number", state.get(field, default), field, scope))

    def failed(self, scope: Scope, where: str, why: str) -> StateError:
        """Note that a field of the current state has no value that will do."""
        state, entered = scope.at, scope.entered
        cause = (
            f"An error occurred while executing the state '{state}' (entered at the event id "
            f"#{entered}). {why}"
        )
        scope.last = scope.execution.events[entered - 1]["previousEventId"]
        scope.note("EvaluationFailed", error=_QUERY, cause=cause, location=where, state=state)
        return StateError(_QUERY, cause)

    # --- control

    def run(self, execution: Execution) -> Steps:
        """Run an execution to its end, which its record tells."""
        try:
            output = yield from self.walk(execution.scope)
        except StateError as error:
            execution.end("FAILED", error=error.error, cause=error.cause or None)
        except GeneratorExit:
            if execution.status == "RUNNING":  # that of which it is a child was ended
                execution.end("ABORTED")
            raise
        else:
            execution.end("SUCCEEDED", output)

    def walk(self, scope: Scope) -> Steps:
        """Run a scope's states from where it is to its end; return the output."""
        while scope.at:
            state = scope.definition["States"][scope.at]
            try:
                yield from self._enter(state, scope)
                output, following = yield from self._attempts(state, scope)
            except StateError:
                scope.fail()
                raise
            except GeneratorExit:
                if scope.execution.status == "RUNNING":  # a sibling failed
                    scope.note(f"{state['Type']}StateAborted")
                raise
            scope.note(f"{state['Type']}StateExited", name=scope.at, output=text(output))
            scope.given, scope.at, scope.entered = output, following, 0
            if following:
                yield sleep(_TRANSITION_SECONDS)
        return scope.given

    def is_deleted(self, machine_arn: str) -> bool:
        record = self.world.find(machine_arn)
        return record is None or record["status"] == "DELETING"

    def _enter(self, state: State, scope: Scope) -> Steps:
        about = {"Name": scope.at, "EnteredTime": iso(self.clock.time())}
        counted = {"RetryCount": 0} if state["Type"] in _WITH_RESULT else {}
        scope.context = {**scope.context, "State": {**about, **counted}}
        if scope.entered:  # in an execution that is redriven
            return
        if self.is_deleted(scope.execution.machine.arn):
            name = scope.context["StateMachine"]["Name"]
            raise StateError(RUNTIME, f"State machine {name} has been deleted.")
        scope.branches, scope.map_run = [], None
        scope.note(f"{state['Type']}StateEntered", name=scope.at, input=text(scope.given))
        scope.entered = scope.last
        for watch in self.watchers:
            yield outside(partial(watch, scope.execution.arn, scope.at))

    def _attempts(self, state: State, scope: Scope) -> Steps:
        """Run a state, again and again as its retriers say; return output and next state."""
        kind, tries = state["Type"], Counter[int]()
        while True:
            holder = None  # as long as it is not done
            try:
                result, holder = yield from self.does[kind](self, state, scope)
                if kind in _OF_SCOPES:
                    scope.execution.note(f"{kind}StateSucceeded", scope.last)
                more = {"result": result} if kind in _WITH_RESULT else {}
                output = self._conclude(holder, scope, result, more)
                return output, holder.get("Next", holder.get("Default"))
            except StateError as error:
                seconds = self._delay(state, error, tries)
                if seconds is None:
                    if kind in _OF_SCOPES and holder is None:
                        scope.note(f"{kind}StateFailed")
                    return self._caught(state, scope, error)
            about = scope.context["State"]
            retried = {**about, "RetryCount": about["RetryCount"] + 1}
            scope.context, scope.branches = {**scope.context, "State": retried}, []
            scope.map_run = None
            yield sleep(seconds)

    def _conclude(self, holder: State, scope: Scope, default: Json, more: Json) -> Json:
        """Return the output of a state, rule or catcher, and assign its variables."""
        output = (
            self.fill(holder["Output"], scope, "Output", **more) if "Output" in holder else default
        )
        assigned = self.fill(holder.get("Assign", {}), scope, "Assign", **more)
        for what in (output, *assigned.values()):
            refuse_if_too_large(what, scope.at, uncaught=True)
        scope.variables = {**scope.variables, **assigned}  # all saw the values of before
        return output

    def _caught(self, state: State, scope: Scope, error: StateError) -> tuple[Json, str]:
        for catcher in state.get("Catch", []):
            if self._matches(catcher["ErrorEquals"], error):
                told = {"Error": error.error, "Cause": error.cause}
                output = self._conclude(catcher, scope, told, {"errorOutput": told})
                return output, catcher["Next"]
        raise error

    def _delay(self, state: State, error: StateError, tries: Counter[int]) -> float | None:
        """Return the seconds until the next try, the most with jitter; None if there is none."""
        for index, retrier in enumerate(state.get("Retry", [])):
            if not self._matches(retrier["ErrorEquals"], error):
                continue
            if tries[index] >= retrier.get("MaxAttempts", 3):
                return None
            growth = retrier.get("BackoffRate", 2.0) ** tries[index]
            delay = retrier.get("IntervalSeconds", 1) * growth
            delay = min(delay, retrier.get("MaxDelaySeconds", delay))
            tries[index] += 1
            return float(delay)
        return None

    def _matches(self, names: Sequence[str], error: StateError) -> bool:
        if error.uncaught or error.error == RUNTIME:
            return False
        if error.error in names or (error.also and error.also in names):
            return True
        if error.error in self.not_in_all:
            return False
        return "States.ALL" in names or ("States.TaskFailed" in names and error.error != TIMEOUT)


# What a state does; it returns its result, and what holds its Output and Next.
Does = Callable[[Interpreter, State, Scope], Steps]
