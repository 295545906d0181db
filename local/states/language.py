"""Amazon States Language: how an execution goes from state to state, and what becomes of errors.

Rules: https://states-language.net/spec.html and the Step Functions Developer Guide,
concepts-error-handling.html, transforming-data.html and workflow-variables.html, read 2026-11-29.
Where AWS was recorded to do otherwise, the recording counts; see docs/offline-aws.md.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from functools import partial

from local.clock import iso
from local.states.executions import (
    RUNTIME,
    TIMEOUT,
    Execution,
    Scope,
    StateError,
    check_size,
    identity,
    text,
)
from local.states.expressions import Json
from local.states.maps import run_map
from local.states.routines import Steps, Wait, outside, sleep, together

INVOKE = "arn:aws:states:::lambda:invoke"
WITH_TOKEN = ".waitForTaskToken"  # noqa: S105  # of a resource
_LONGEST_SECONDS = 99_999_999  # https://states-language.net/spec.html#task-state, read 2026-11-29
_FUNCTION_SECONDS = 1.0  # what a function takes beside its sleeps, however long it computes
_TRANSITION_SECONDS = 0.05
_OF_SCOPES = ("Parallel", "Map")
_WITH_RESULT = ("Task", *_OF_SCOPES)
_FORMAT = "ISO-8601 extended offset date-time"
_BEAT = object()
_EXTENDED = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d\S*(Z|[+-]\d\d:\d\d)")


def run(execution: Execution) -> Steps:
    """Run an execution to its end, which its record tells."""
    try:
        yield from _walk(execution.scope)
    except StateError as error:
        execution.end("FAILED", error=error.error, cause=error.cause or None)
    except GeneratorExit:
        if execution.status == "RUNNING":  # that of which it is a child was ended
            execution.end("ABORTED")
        raise
    else:
        execution.end("SUCCEEDED", execution.scope.given)


def _walk(scope: Scope) -> Steps:
    """Run a scope's states from where it is to its end; the last output is then its input."""
    while scope.at:
        kind = scope.state["Type"]
        try:
            yield from _enter(scope, kind)
            output, following = yield from _attempts(scope, kind)
        except StateError:
            scope.fail()
            raise
        except GeneratorExit:
            if scope.execution.status == "RUNNING":  # a sibling failed
                scope.note(f"{kind}StateAborted")
            raise
        told = {"name": scope.at, "output": text(output), "assignedVariables": scope.assigned}
        scope.note(f"{kind}StateExited", **told)
        scope.given, scope.at, scope.entered = output, following, 0
        if following:
            yield sleep(_TRANSITION_SECONDS)


def _enter(scope: Scope, kind: str) -> Steps:
    if scope.entered:  # in an execution that is redriven
        return
    execution = scope.execution
    if execution.engine.is_deleted(execution.machine.arn):
        name = scope.context["StateMachine"]["Name"]
        raise StateError(RUNTIME, f"State machine {name} has been deleted.")
    scope.branches, scope.map_run = [], None
    scope.note(f"{kind}StateEntered", name=scope.at, input=text(scope.given))
    scope.entered = scope.last
    for watch in execution.engine.watchers:
        yield watch(execution.arn, scope.at)


def _attempts(scope: Scope, kind: str) -> Steps:
    """Run a state, again and again as its retriers say; return output and next state."""
    tries = Counter[int]()
    about = {"Name": scope.at, "EnteredTime": iso(scope.execution.engine.clock.time())}
    while True:
        counted = {"RetryCount": tries.total()} if kind in _WITH_RESULT else {}
        scope.context = {**scope.context, "State": {**about, **counted}}
        holder = None  # as long as it is not done
        try:
            result, holder = yield from DOES[kind](scope)
            if kind in _OF_SCOPES:
                scope.execution.note(f"{kind}StateSucceeded", scope.last)
            more = {"result": result} if kind in _WITH_RESULT else {}
            output = _conclude(scope, holder, result, **more)
            return output, holder.get("Next", holder.get("Default"))
        except StateError as error:
            seconds = _delay(scope, error, tries)
            if seconds is None:
                if kind in _OF_SCOPES and holder is None:
                    scope.note(f"{kind}StateFailed")
                return _caught(scope, error)
        scope.branches, scope.map_run = [], None
        yield sleep(seconds)


def _conclude(scope: Scope, holder: Json, default: Json, **more: Json) -> Json:
    """Return the output of a state, rule or catcher, and assign its variables."""
    output = scope.fill(holder["Output"], "Output", **more) if "Output" in holder else default
    assigned = scope.fill(holder.get("Assign", {}), "Assign", **more)
    for what in (output, *assigned.values()):
        check_size(what, scope.at, uncaught=True)
    scope.variables = {**scope.variables, **assigned}  # all saw the values of before
    scope.assigned = {name: text(value) for name, value in assigned.items()} or None
    return output


# --- errors


def _caught(scope: Scope, error: StateError) -> tuple[Json, str]:
    catcher = _rule(scope, "Catch", error)
    if catcher is None:
        raise error
    told = {"Error": error.error, "Cause": error.cause}
    return _conclude(scope, catcher, told, errorOutput=told), catcher["Next"]


def _delay(scope: Scope, error: StateError, tries: Counter[int]) -> float | None:
    """Return the seconds until the next try, the most with jitter; None if there is none."""
    retrier = _rule(scope, "Retry", error)
    if retrier is None or tries[id(retrier)] >= retrier.get("MaxAttempts", 3):
        return None
    growth = retrier.get("BackoffRate", 2.0) ** tries[id(retrier)]
    delay = retrier.get("IntervalSeconds", 1) * growth
    tries[id(retrier)] += 1
    return float(min(delay, retrier.get("MaxDelaySeconds", delay)))


def _rule(scope: Scope, field: str, error: StateError) -> Json:
    """Return the first retrier or catcher of an error; None if there is none."""
    if error.uncaught or error.error == RUNTIME:
        return None
    names = {error.error, error.also}
    if error.error not in scope.execution.engine.not_in_all:
        names |= {"States.ALL"} if error.error == TIMEOUT else {"States.ALL", "States.TaskFailed"}
    rules = scope.state.get(field, [])
    return next((rule for rule in rules if names.intersection(rule["ErrorEquals"])), None)


# --- what a state of each type does: it returns its result, and what holds its Output and Next


def _pass(scope: Scope) -> Steps:
    yield from ()
    return scope.given, scope.state


def _fail(scope: Scope) -> Steps:
    yield from ()
    error, cause = (
        scope.typed("string", scope.state[field], field) if field in scope.state else None
        for field in ("Error", "Cause")
    )
    raise StateError(error, cause)


def _wait(scope: Scope) -> Steps:
    seconds = scope.number("Seconds")
    if "Timestamp" in scope.state:
        until = scope.typed("string", scope.state["Timestamp"], "Timestamp")
        try:
            then = datetime.fromisoformat(until if _EXTENDED.fullmatch(until) else "")
        except ValueError:
            why = f"The Timestamp field cannot be parsed as an {_FORMAT} format string: {until}"
            raise scope.failed("Timestamp", why) from None
        seconds = then.timestamp() - scope.execution.engine.clock.time()
    yield sleep(max(0.0, seconds))
    return scope.given, scope.state


def _choice(scope: Scope) -> Steps:
    yield from ()
    for index, rule in enumerate(scope.state["Choices"]):
        if scope.typed("boolean", rule["Condition"], f"Choices[{index}]/Condition"):
            return scope.given, rule
    if "Default" not in scope.state:
        raise StateError("States.NoChoiceMatched", "No choices matched and there is no Default.")
    return scope.given, scope.state


def _parallel(scope: Scope) -> Steps:
    if not scope.branches:
        scope.note("ParallelStateStarted")
        for definition in scope.state["Branches"]:
            scope.branch(definition)
    yield together({branch.path: _walk(branch) for branch in scope.branches})
    scope.last = max(branch.last for branch in scope.branches)
    return [branch.given for branch in scope.branches], scope.state


def _task(scope: Scope) -> Steps:
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
    shown = int(limit) if "TimeoutSeconds" in scope.state else None
    limits = {"timeoutInSeconds": shown, "heartbeatInSeconds": int(beat) or None}
    scope.note("TaskScheduled", **about, region=region, parameters=text(arguments), **limits)
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


DOES: dict[str, Callable[[Scope], Steps]] = {
    "Pass": _pass,
    "Succeed": _pass,
    "Fail": _fail,
    "Wait": _wait,
    "Choice": _choice,
    "Parallel": _parallel,
    "Task": _task,
    "Map": partial(run_map, run=run),
}
