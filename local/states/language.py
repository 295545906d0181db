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
from functools import partial
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
from local.states.routines import Done, Jobs, Join, Steps, outside, sleep

Json = Any  # a state's input, output or definition
State = Mapping[str, Any]
_TRANSITION_SECONDS = 0.05
_BRANCHES = 1000  # more than any Parallel has
_WITH_RESULT = ("Task", "Parallel", "Map")
_TYPES: dict[str, tuple[type, ...]] = {
    "boolean": (bool,),
    "number": (int, float),
    "string": (str,),
    "array": (list,),
    "object": (dict,),
}


class World(Protocol):
    """What a state machine meets outside of itself, as it is at that moment."""

    def find(self, machine_arn: str) -> Mapping[str, Any] | None:
        """Return the record of a machine, also by the ARN of an alias or version."""

    def mark_as_deleting(self, machine_arn: str) -> None: ...

    def delete(self, machine_arn: str) -> None: ...

    def invoke(self, machine: Machine, arguments: Json, done: Done) -> None:
        """Invoke a function as lambda:invoke does; `done` gets the answer when it has ended."""

    def allows(self, machine: Machine, action: str, resource: str) -> bool: ...

    def read(self, machine: Machine, bucket: str, key: str) -> bytes:
        """Return an object; raises `LookupError` with S3's words, as `write` does."""

    def write(self, machine: Machine, bucket: str, key: str, body: bytes) -> None: ...

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

    def __init__(
        self,
        clock: SimulatedClock,
        expressions: Expressions,
        world: World,
        rules: Rules,
        others: Mapping[str, Does],
    ) -> None:
        self.clock, self.expressions, self.world, self.rules = clock, expressions, world, rules
        self.executions: dict[str, Execution] = {}
        self.tokens: dict[str, Any] = {}  # of tasks
        self.map_runs: dict[str, Any] = {}  # of maps
        self.watchers: list[Callable[[str, str], None]] = []
        self._does = {**_DOES, **others}

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
        found = next((name for name, of in _TYPES.items() if isinstance(value, of)), "null")
        if found != kind:
            expression = str(state[field]).removeprefix("{%").removesuffix("%}").strip()
            why = (
                f"The JSONata expression '{expression}' specified for the field '{field}' "
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
        if (self.world.find(machine.arn) or {}).get("status", "DELETING") == "DELETING":
            raise StateError(RUNTIME, f"State machine {machine.name} has been deleted.")
        scope.children, scope.before = [], scope.last
        scope.note(f"{state['Type']}StateEntered", name=scope.at, input=text(scope.given))
        scope.entered = scope.last
        for watch in self.watchers:
            tell = partial(watch, scope.execution.arn, scope.at)
            yield outside(self.clock, tell, scope.path)

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
            raise interpreter.failed(scope, "Timestamp", f"{until} is not a timestamp") from None
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
    return (yield from together(interpreter, state, scope, jobs, _BRANCHES))


def together(interpreter: Interpreter, state: State, scope: Scope, jobs: Jobs, most: int) -> Steps:
    """Run the branches or iterations of a state, which are the scope's children."""
    try:
        results = yield Join(interpreter.clock, jobs, most)
    except StateError:
        scope.last = len(scope.execution.events)
        scope.note(f"{state['Type']}StateFailed")
        raise
    scope.last = max([scope.last, *(child.last for child in scope.children)])
    scope.note(f"{state['Type']}StateSucceeded")
    return results, state


Does = Callable[[Interpreter, State, Scope], Steps]
_DOES: dict[str, Does] = {
    "Pass": _pass,
    "Succeed": _pass,
    "Fail": _fail,
    "Wait": _wait,
    "Choice": _choice,
    "Parallel": _parallel,
}
