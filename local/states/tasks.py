"""Task states: lambda:invoke, with or without a token that somebody has to bring back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from local.clock import Event, SimulatedClock
from local.states.executions import TIMEOUT, Scope, StateError, identity, is_too_large, text
from local.states.language import Interpreter, State, too_large
from local.states.routines import Effect, Ending, Routine, Steps

Json = Any  # a state's input, output or definition
INVOKE = "arn:aws:states:::lambda:invoke"
WITH_TOKEN = ".waitForTaskToken"  # noqa: S105  # of a resource
_LONGEST_SECONDS = 99_999_999  # https://states-language.net/spec.html#task-state, read 2026-11-29
_FUNCTION_SECONDS = 1.0  # what a function takes beside its sleeps, however long it computes


def run_task(interpreter: Interpreter, state: State, scope: Scope) -> Steps:
    """Run a Task state once; its result is what lambda:invoke answers, or came with the token."""
    token = _issue(interpreter, scope) if state["Resource"].endswith(WITH_TOKEN) else None
    arguments = interpreter.arguments(state, scope)
    limit = interpreter.number(state, "TimeoutSeconds", scope, _LONGEST_SECONDS)
    beat = interpreter.number(state, "HeartbeatSeconds", scope, 0)
    about = {"resourceType": "lambda", "resource": state["Resource"].rpartition("lambda:")[2]}
    scope.note(
        "TaskScheduled",
        **about,
        region=scope.execution.machine.arn.split(":")[3],
        parameters=text(arguments),
        timeoutInSeconds=int(limit) if limit < _LONGEST_SECONDS else None,
        heartbeatInSeconds=int(beat) or None,
    )
    scope.note("TaskStarted", **about)
    until = interpreter.clock.time() + limit
    try:
        result = yield _invocation(interpreter, scope, arguments, until)
        if token:
            scope.note("TaskSubmitted", **about, output=text(result))
            result = yield token.awaited(scope.path, until, beat)
        if is_too_large(result):
            raise too_large(f"The state/task '{about['resource']}'")
    except StateError as error:
        timed_out = error.error == TIMEOUT  # of which AWS tells no cause
        how = {"error": error.error, "cause": None if timed_out else error.cause}
        scope.note("TaskTimedOut" if timed_out else "TaskFailed", **about, **how)
        raise
    finally:
        if token:
            token.is_closed = True
    scope.note("TaskSucceeded", **about, output=text(result))
    return result, state


def _invocation(interpreter: Interpreter, scope: Scope, arguments: Json, until: float) -> Effect:
    """Return the effect of invoking a function, which goes on if that takes too long."""
    clock = interpreter.clock

    def effect(routine: Routine) -> None:
        ending = Ending(clock, routine, scope.path)
        ending.at(until, error=StateError(TIMEOUT), live=False)

        def done(value: Json, error: StateError | None) -> None:
            if not ending.over:
                ending.at(clock.time() + _FUNCTION_SECONDS, value, error, live=True)

        interpreter.world.invoke(scope.execution.machine, arguments, done)

    return effect


def _issue(interpreter: Interpreter, scope: Scope) -> Token:
    """Make a token for one attempt of the current state."""
    told = identity(scope.path, scope.at, len(scope.execution.events))
    token = interpreter.tokens[told] = Token(interpreter.clock, scope.execution.machine.arn)
    scope.context = {**scope.context, "Task": {"Token": told}}
    return token


@dataclass
class Token:
    """Ends a task's wait once it is brought back; until then it may tell that somebody is at it."""

    clock: SimulatedClock
    machine_arn: str
    is_closed: bool = False
    beat: Callable[[], None] = lambda: None
    _answer: tuple[Json, StateError | None] | None = None
    _ending: Ending | None = None

    def bring_back(self, value: Json = None, error: StateError | None = None) -> None:
        """Answer the task; its function may still be running."""
        self.is_closed, self._answer = True, (value, error)
        self._end()

    def awaited(self, name: str, until: float, between: float) -> Effect:
        """Return the effect of waiting for it, with at most `between` seconds without a beat."""

        def effect(routine: Routine) -> None:
            self._ending = ending = Ending(self.clock, routine, name)
            ending.at(until, error=StateError(TIMEOUT), live=False)
            if between:
                self._listen(ending, between)
            self._end()

        return effect

    def _end(self) -> None:
        if self._answer and self._ending:
            self._ending.at(self.clock.time(), *self._answer, live=True)

    def _listen(self, ending: Ending, between: float) -> None:
        missed = StateError(TIMEOUT, also="States.HeartbeatTimeout")
        due: list[Event] = []

        def listen() -> None:
            if due:
                self.clock.drop(due.pop())
            due.append(ending.at(self.clock.time() + between, error=missed, live=False))

        self.beat = listen
        listen()
