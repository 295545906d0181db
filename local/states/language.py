"""Amazon States Language: what each state does, and where the execution goes from there.

Rules: https://states-language.net/spec.html and the Step Functions Developer Guide,
concepts-error-handling.html, transforming-data.html and workflow-variables.html, read 2026-11-29.
Where AWS was recorded to do otherwise, the recording counts; see docs/offline-aws.md.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from local.clock import SimulatedClock, iso
from local.states.executions import (
    DATA_LIMIT,
    QUERY,
    RUNTIME,
    TIMEOUT,
    Execution,
    Machine,
    Scope,
    StateError,
    is_too_large,
    text,
)
from local.states.expressions import ExpressionFailed, Expressions
from local.states.routines import Done, Steps, join, outside, sleep

Json = Any  # a state's input, output or definition
State = Mapping[str, Any]
_TRANSITION_SECONDS = 0.05
_BRANCHES = 1000  # more than any Parallel has
_WITH_RESULT = ("Task", "Parallel", "Map")


class World(Protocol):
    """What a state machine meets outside of itself, as it is at that moment."""

    def invoke(self, machine: Machine, arguments: Json, done: Done) -> None:
        """Invoke a function as lambda:invoke does; `done` gets the answer when it has ended."""

    def allows(self, machine: Machine, action: str, resource: str) -> bool:
        """Tell whether the machine's role allows an action."""

    def read(self, machine: Machine, bucket: str, key: str) -> bytes:
        """Return an object; raises `LookupError` with S3's words."""

    def write(self, machine: Machine, bucket: str, key: str, body: bytes) -> None:
        """Write an object; raises `LookupError` with S3's words."""

    def is_deleted(self, machine: Machine) -> bool:
        """Tell whether a machine is deleted, or being deleted."""

    def changed(self, execution: Execution) -> None:
        """Take notice of an execution's new status."""


@dataclass(frozen=True)
class Rules:
    """Where AWS's documentation and its recordings differ, or leave something to chance.

    `not_in_all`: errors that States.ALL does not catch, nor States.TaskFailed, but their own name
    does. `jitter`: wait for a part of a delay with full jitter, by the seed, not for all of it.
    """

    not_in_all: frozenset[str] = frozenset()
    jitter: bool = False


class Interpreter:
    """Runs executions on the clock; `others` are the types of states that are not of this module.

    `watchers` are told each state before it does anything.
    """

    def __init__(  # what it stands on, each once
        self,
        clock: SimulatedClock,
        expressions: Expressions,
        world: World,
        rules: Rules,
        others: Mapping[str, Callable[[Interpreter, State, Scope], Steps]],
    ) -> None:
        self.clock, self.expressions, self.world, self.rules = clock, expressions, world, rules
        self.executions: dict[str, Execution] = {}
        self.tokens: dict[str, Any] = {}  # of tasks
        self.map_runs: dict[str, Any] = {}  # of maps
        self.watchers: list[Callable[[str, str], None]] = []
        self._does: dict[str, Callable[[Interpreter, State, Scope], Steps]] = {
            "Pass": _pass,
            "Succeed": _pass,
            "Fail": _fail,
            "Wait": _wait,
            "Choice": _choice,
            "Parallel": _parallel,
            **others,
        }

    # --- data

    def fill(self, template: Json, scope: Scope, where: str, **more: Json) -> Json:
        """Return a field of the current state with its expressions evaluated."""
        states = {"input": scope.given, "context": scope.context, **more}
        variables = {**scope.variables, "states": states}
        try:
            now = self.clock.time()
            return self.expressions.fill(template, variables, now=now, where=where)
        except ExpressionFailed as error:
            raise self.failed(scope, where, str(error)) from None

    def arguments(self, state: State, scope: Scope) -> Json:
        """Return the Arguments of the current state; its input where it has none."""
        return self.fill(state.get("Arguments", "{% $states.input %}"), scope, "Arguments")

    def failed(self, scope: Scope, where: str, why: str) -> StateError:
        """Note that a field of the current state has no value that will do."""
        state = scope.context["State"]["Name"]
        cause = (
            f"An error occurred while executing the state '{state}' (entered at the event id "
            f"#{scope.entered}). {why}"
        )
        scope.last = scope.before
        scope.note("EvaluationFailed", error=QUERY, cause=cause, location=where, state=state)
        return StateError(QUERY, cause)

    def typed(self, kind: str, state: State, field: str, scope: Scope) -> Json:
        """Return a field that must be of a JSON type: "number", "array", "boolean", "string"."""
        value = self.fill(state[field], scope, field)
        found = json_type(value)
        if found != kind:
            why = (
                f"The JSONata expression '{_body(state[field])}' specified for the field '{field}' "
                f"returned an unexpected result type. Expected '{kind}', but was '{found}' for "
                f"value: {text(value)}"
            )
            raise self.failed(scope, field, why)
        return value

    def number(self, state: State, field: str, scope: Scope, default: float) -> float:
        return float(self.typed("number", state, field, scope)) if field in state else default

    # --- control

    def walk(self, scope: Scope) -> Steps:
        """Run a scope's states from where it is to its end; return the output."""
        if scope.has_ended:  # in an execution that is redriven
            return scope.given
        scope.at = scope.at or scope.definition["StartAt"]
        while True:
            state = scope.definition["States"][scope.at]
            yield from self._enter(state, scope)
            try:
                output, following = yield from self._attempts(state, scope)
            except GeneratorExit:
                if scope.execution.is_running:  # a sibling failed
                    scope.note(f"{state['Type']}StateAborted")
                raise
            scope.note(f"{state['Type']}StateExited", name=scope.at, output=text(output))
            scope.given = output
            if following is None:
                scope.has_ended = True
                return output
            scope.at = following
            yield sleep(self.clock, _TRANSITION_SECONDS, scope.path)

    def _enter(self, state: State, scope: Scope) -> Steps:
        about = {"Name": scope.at, "EnteredTime": iso(self.clock.time()), "RetryCount": 0}
        scope.context = {**scope.context, "State": about}
        if scope.is_resumed:
            scope.is_resumed = False
            return
        machine = scope.execution.machine
        if self.world.is_deleted(machine):
            raise StateError(RUNTIME, f"State machine {machine.name} has been deleted.")
        scope.children, scope.before = [], scope.last
        given = text(scope.given)
        scope.note(f"{state['Type']}StateEntered", name=scope.at, input=given)
        scope.entered = scope.last
        if self.watchers:
            yield outside(self.clock, lambda: self._tell(scope), scope.path)

    def _tell(self, scope: Scope) -> None:
        for watch in self.watchers:
            watch(scope.execution.arn, scope.at)

    def _attempts(self, state: State, scope: Scope) -> Steps:
        """Run a state, again and again as its retriers say; return output and next state."""
        tries = Counter[int]()
        while True:
            try:
                return (yield from self._attempt(state, scope))
            except StateError as error:
                seconds = self._delay(state, scope, error, tries)
                if seconds is None:
                    return self._caught(state, scope, error)
            about = scope.context["State"]
            retried = {**about, "RetryCount": about["RetryCount"] + 1}
            scope.context, scope.children = {**scope.context, "State": retried}, []
            yield sleep(self.clock, seconds, scope.path)

    def _attempt(self, state: State, scope: Scope) -> Steps:
        result, holder = yield from self._does[state["Type"]](self, state, scope)
        more = {"result": result} if state["Type"] in _WITH_RESULT else {}
        following = holder.get("Next", holder.get("Default"))
        return self._conclude(holder, scope, result, more), following

    def _conclude(self, holder: State, scope: Scope, default: Json, more: Json) -> Json:
        """Return the output of a state, rule or catcher, and assign its variables."""
        output = (
            self.fill(holder["Output"], scope, "Output", **more) if "Output" in holder else default
        )
        assigned = self.fill(holder.get("Assign", {}), scope, "Assign", **more)
        for what in (output, *assigned.values()):
            if is_too_large(what):
                raise too_large(f"The state/task '{scope.at}'", uncaught=True)
        scope.variables = {**scope.variables, **assigned}  # all saw the values of before
        return output

    def _caught(self, state: State, scope: Scope, error: StateError) -> tuple[Json, str]:
        for catcher in state.get("Catch", []):
            if self._matches(catcher["ErrorEquals"], error):
                told = {"Error": error.error, "Cause": error.cause}
                output = self._conclude(catcher, scope, told, {"errorOutput": told})
                return output, catcher["Next"]
        raise error

    def _delay(
        self, state: State, scope: Scope, error: StateError, tries: Counter[int]
    ) -> float | None:
        """Return the seconds until the next try; None if there is none."""
        for index, retrier in enumerate(state.get("Retry", [])):
            if not self._matches(retrier["ErrorEquals"], error):
                continue
            if tries[index] >= retrier.get("MaxAttempts", 3):
                return None
            growth = retrier.get("BackoffRate", 2.0) ** tries[index]
            delay = retrier.get("IntervalSeconds", 1) * growth
            delay = min(delay, retrier.get("MaxDelaySeconds", delay))
            tries[index] += 1
            if self.rules.jitter and retrier.get("JitterStrategy") == "FULL":
                delay *= self.clock.fraction(scope.path)
            return float(delay)
        return None

    def _matches(self, names: Sequence[str], error: StateError) -> bool:
        if error.uncaught:
            return False
        if error.error in names or (error.also and error.also in names):
            return True
        if error.error in self.rules.not_in_all:
            return False
        return "States.ALL" in names or ("States.TaskFailed" in names and error.error != TIMEOUT)


def too_large(what: str, *, uncaught: bool = False) -> StateError:
    cause = (
        f"{what} returned a result with a size exceeding the maximum number of bytes service limit."
    )
    return StateError(DATA_LIMIT, cause, uncaught=uncaught)


def json_type(value: Json) -> str:
    """Return JSON's name of a value's type."""
    for kind, types in _TYPES.items():
        if isinstance(value, types):
            return kind
    return "null"


_TYPES: dict[str, tuple[type, ...]] = {
    "boolean": (bool,),
    "number": (int, float),
    "string": (str,),
    "array": (list,),
    "object": (dict,),
}


def _body(template: Json) -> str:
    return str(template).removeprefix("{%").removesuffix("%}").strip()


# --- states that need nothing else: each returns its result, and what holds Output and Next


def _pass(_: Interpreter, state: State, scope: Scope) -> Steps:
    yield from ()
    return scope.given, state


def _fail(interpreter: Interpreter, state: State, scope: Scope) -> Steps:
    yield from ()
    told = {
        field: interpreter.typed("string", state, field, scope)
        for field in ("Error", "Cause")
        if field in state
    }
    raise StateError(told.get("Error", ""), told.get("Cause", ""))


def _wait(interpreter: Interpreter, state: State, scope: Scope) -> Steps:
    clock = interpreter.clock
    if "Seconds" in state:
        seconds = interpreter.number(state, "Seconds", scope, 0)
    else:
        until = interpreter.typed("string", state, "Timestamp", scope)
        try:
            seconds = datetime.fromisoformat(until).timestamp() - clock.time()
        except ValueError:
            raise interpreter.failed(scope, "Timestamp", f"{until} is no timestamp") from None
    yield sleep(clock, max(0.0, seconds), scope.path)
    return scope.given, state


def _choice(interpreter: Interpreter, state: State, scope: Scope) -> Steps:
    yield from ()
    for index, rule in enumerate(state["Choices"]):
        field = f"Choices[{index}]/Condition"
        if interpreter.typed("boolean", {field: rule["Condition"]}, field, scope):
            return scope.given, rule
    if "Default" not in state:
        raise StateError("States.NoChoiceMatched", "No choices matched and there is no Default.")
    return scope.given, state


def _parallel(interpreter: Interpreter, state: State, scope: Scope) -> Steps:
    if not scope.children:
        given = interpreter.arguments(state, scope)
        scope.note("ParallelStateStarted")
        for branch in state["Branches"]:
            scope.child(branch, given)
    jobs = [(child.path, interpreter.walk(child)) for child in scope.children]
    try:
        results = yield join(interpreter.clock, jobs, _BRANCHES)
    except StateError:
        scope.last = len(scope.execution.events)
        scope.note("ParallelStateFailed")
        raise
    scope.last = max(child.last for child in scope.children)
    scope.note("ParallelStateSucceeded")
    return results, state
