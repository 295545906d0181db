"""What a state of each kind does: it returns its result, and what holds its Output and Next."""

from __future__ import annotations

import re
from datetime import datetime
from functools import partial
from typing import Any

from local.states.executions import TIMEOUT, Scope, StateError, identity, refuse_if_too_large, text
from local.states.language import Does, Interpreter, State
from local.states.maps import run_map
from local.states.routines import Steps, Wait, outside, sleep, together

Json = Any  # a state's input, output or definition
INVOKE = "arn:aws:states:::lambda:invoke"
WITH_TOKEN = ".waitForTaskToken"  # noqa: S105  # of a resource
_LONGEST_SECONDS = 99_999_999  # https://states-language.net/spec.html#task-state, read 2026-11-29
_FUNCTION_SECONDS = 1.0  # what a function takes beside its sleeps, however long it computes
_FORMAT = "ISO-8601 extended offset date-time"
_EXTENDED = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d\S*(Z|[+-]\d\d:\d\d)")
_BEAT = object()


def _pass(_: Interpreter, state: State, scope: Scope) -> Steps:
    yield from ()
    return scope.given, state


def _fail(interpreter: Interpreter, state: State, scope: Scope) -> Steps:
    yield from ()
    error, cause = (
        interpreter.typed("string", state[field], field, scope) if field in state else None
        for field in ("Error", "Cause")
    )
    raise StateError(error, cause)


def _wait(interpreter: Interpreter, state: State, scope: Scope) -> Steps:
    seconds = interpreter.number(state, "Seconds", scope)
    if "Timestamp" in state:
        until = interpreter.typed("string", state["Timestamp"], "Timestamp", scope)
        try:
            then = datetime.fromisoformat(until if _EXTENDED.fullmatch(until) else "")
        except ValueError:
            why = f"The Timestamp field cannot be parsed as an {_FORMAT} format string: {until}"
            raise interpreter.failed(scope, "Timestamp", why) from None
        seconds = then.timestamp() - interpreter.clock.time()
    yield sleep(max(0.0, seconds))
    return scope.given, state


def _choice(interpreter: Interpreter, state: State, scope: Scope) -> Steps:
    yield from ()
    for index, rule in enumerate(state["Choices"]):
        where = f"Choices[{index}]/Condition"
        if interpreter.typed("boolean", rule["Condition"], where, scope):
            return scope.given, rule
    if "Default" not in state:
        raise StateError("States.NoChoiceMatched", "No choices matched and there is no Default.")
    return scope.given, state


def _parallel(interpreter: Interpreter, state: State, scope: Scope) -> Steps:
    if not scope.branches:
        scope.note("ParallelStateStarted")
        for definition in state["Branches"]:
            scope.branch(definition)
    results = yield together([(each.path, interpreter.walk(each)) for each in scope.branches])
    scope.last = max(branch.last for branch in scope.branches)
    return results, state


def _task(interpreter: Interpreter, state: State, scope: Scope) -> Steps:
    """Invoke a function; the result is its answer, or what came with the token."""
    resource = state["Resource"].rpartition("lambda:")[2]
    token = None
    if resource.endswith(WITH_TOKEN):  # each attempt has one of its own
        told = identity(scope.path, scope.at, len(scope.execution.events))
        token = interpreter.tokens[told] = Token(scope.execution.machine.arn)
        scope.context = {**scope.context, "Task": {"Token": told}}
    arguments = interpreter.fill(state["Arguments"], scope, "Arguments")
    limit = interpreter.number(state, "TimeoutSeconds", scope, _LONGEST_SECONDS)
    beat = interpreter.number(state, "HeartbeatSeconds", scope)
    about = {"resourceType": "lambda", "resource": resource}
    region = scope.execution.machine.arn.split(":")[3]
    scope.note("TaskScheduled", **about, region=region, parameters=text(arguments))
    scope.note("TaskStarted", **about)
    until = interpreter.clock.time() + limit
    try:
        invoke = partial(interpreter.world.invoke, scope.execution.machine, arguments)
        result = yield outside(invoke, _FUNCTION_SECONDS, until)
        if token:
            scope.note("TaskSubmitted", **about, output=text(result))
            result = yield from token.awaited(until, beat)
        refuse_if_too_large(result, about["resourceType"])
    except StateError as error:
        kind = "TaskTimedOut" if error.error == TIMEOUT else "TaskFailed"
        scope.note(kind, **about, error=error.error, cause=error.cause or None)
        raise
    finally:
        if token:
            token.is_closed = True
    scope.note("TaskSucceeded", **about, output=text(result))
    return result, state


class Token:
    """Ends a task's wait once it is brought back; until then it may tell that somebody is at it."""

    def __init__(self, machine_arn: str) -> None:
        self.machine_arn, self.is_closed = machine_arn, False
        self._answer: tuple[Json, StateError | None] | None = None
        self._wait: Wait | None = None

    def bring_back(self, value: Json = None, error: StateError | None = None) -> None:
        """Answer the task; its function may still be running."""
        self.is_closed, self._answer = True, (value, error)
        self._end(value, error)

    def beat(self) -> None:
        self._end(_BEAT)

    def awaited(self, until: float, between: float) -> Steps:
        """Wait until it is brought back, with at most `between` seconds without a beat."""
        told = _BEAT
        while told is _BEAT:
            told = yield partial(self._listen, until, between)
        return told

    def _listen(self, until: float, between: float, wait: Wait) -> None:
        self._wait = wait
        wait.end_at(until, error=StateError(TIMEOUT), live=False)
        if between:
            missed = StateError(TIMEOUT, also="States.HeartbeatTimeout")
            wait.end_at(wait.clock.time() + between, error=missed, live=False)
        if self._answer:
            self._end(*self._answer)

    def _end(self, value: Json, error: StateError | None = None) -> None:
        if self._wait:
            self._wait.end_at(self._wait.clock.time(), value, error)


DOES: dict[str, Does] = {
    "Pass": _pass,
    "Succeed": _pass,
    "Fail": _fail,
    "Wait": _wait,
    "Choice": _choice,
    "Parallel": _parallel,
    "Task": _task,
    "Map": run_map,
}
