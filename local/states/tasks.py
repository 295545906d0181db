"""Tasks: a function, its limits, and the token that may have to be brought back."""

from __future__ import annotations

from functools import partial
from typing import Any

from local.states.executions import TIMEOUT, Scope, StateError, check_size, identity, text
from local.states.routines import Steps, Wait, outside

Json = Any  # a state's input, output or definition
INVOKE = "arn:aws:states:::lambda:invoke"
WITH_TOKEN = ".waitForTaskToken"  # noqa: S105  # of a resource
_LONGEST_SECONDS = 99_999_999  # https://states-language.net/spec.html#task-state, read 2026-11-29
_FUNCTION_SECONDS = 1.0  # what a function takes beside its sleeps, however long it computes
_BEAT = object()


def run_task(scope: Scope) -> Steps:
    """Invoke a function; the result is its answer, or what came with the token."""
    machine, engine = scope.execution.machine, scope.execution.engine
    resource, token = scope.state["Resource"].rpartition("lambda:")[2], Token(machine.arn)
    with_token = resource.endswith(WITH_TOKEN)
    if with_token:  # each attempt has one of its own
        told = identity(scope.path, scope.at, len(scope.execution.events))
        engine.tokens[told] = token
        scope.context = {**scope.context, "Task": {"Token": told}}
    arguments = scope.fill(scope.state["Arguments"], "Arguments")
    limit = scope.number("TimeoutSeconds", _LONGEST_SECONDS)
    beat = scope.number("HeartbeatSeconds")
    about = {"resourceType": "lambda", "resource": resource}
    region = machine.arn.split(":")[3]
    scope.note("TaskScheduled", **about, region=region, parameters=text(arguments))
    scope.note("TaskStarted", **about)
    until = engine.clock.time() + limit
    try:
        invoke = partial(engine.world.invoke, machine, arguments)
        result = yield outside(invoke, _FUNCTION_SECONDS, until)
        if with_token:
            scope.note("TaskSubmitted", **about, output=text(result))
            result = yield from token.awaited(until, beat)
        check_size(result, about["resourceType"])
    except StateError as error:
        kind = "TaskTimedOut" if error.error == TIMEOUT else "TaskFailed"
        scope.note(kind, **about, error=error.error, cause=error.cause or None)
        raise
    finally:
        token.is_closed = True
    scope.note("TaskSucceeded", **about, output=text(result))
    return result, scope.state


class Token:
    """Ends a task's wait once it is brought back; until then it may tell that somebody is at it."""

    def __init__(self, machine_arn: str) -> None:
        self.machine_arn, self.is_closed = machine_arn, False
        self._answer: Json = None  # once it is closed
        self._wait: Wait | None = None

    def bring_back(self, answer: Json) -> None:
        """Answer the task, with an output or an error; its function may still be running."""
        self.is_closed, self._answer = True, answer
        self._end(answer)

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
        wait.end_at(until, StateError(TIMEOUT), live=False)
        if between:
            missed = StateError(TIMEOUT, also="States.HeartbeatTimeout")
            wait.end_at(wait.clock.time() + between, missed, live=False)
        if self.is_closed:
            self._end(self._answer)

    def _end(self, outcome: Json) -> None:
        if self._wait:
            self._wait.end_at(self._wait.clock.time(), outcome)
