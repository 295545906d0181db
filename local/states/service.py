"""The API of Step Functions for executions: what commands, functions and people call of it.

Answers and errors: the Step Functions API reference, read 2026-11-29. Each operation takes the
request's JSON and returns the answer's; all of it runs between two events of the clock.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from local.states.executions import Engine, Execution, Machine, StateError, identity, is_too_large
from local.states.language import Token, run
from local.states.routines import Routine, outside

Json = Any  # an operation's request or answer
_PAGE = 100  # without maxResults


class Refused(Exception):
    """An operation is refused, with an error code of AWS."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class StepFunctions(Engine):
    """Executions of the state machines that the world has, on a clock."""

    def call(self, operation: str, request: Json) -> Json:
        """Call an operation; raises `Refused`."""
        operations: dict[str, Callable[[Json], Json]] = {
            "StartExecution": self._start,
            "StopExecution": self._stop,
            "RedriveExecution": self._redrive,
            "DescribeExecution": lambda request: self._find(request).describe(),
            "ListExecutions": self._list,
            "GetExecutionHistory": self._history,
            "SendTaskSuccess": self._succeed,
            "SendTaskFailure": self._fail,
            "SendTaskHeartbeat": lambda request: self._token(request).beat(),
            "DeleteStateMachine": self._delete,
        }
        if operation not in operations:
            raise Refused("UnknownOperationException", f"{operation} is not played offline")
        with self.clock.changing():
            self.clock.check()
            return operations[operation](request) or {}

    # --- for those who look at it from within the offline AWS

    @contextmanager
    def watching(self, watch: Callable[[str, str], None]) -> Iterator[None]:
        """Call `watch` with execution and state as each is entered, before it does anything."""
        self.watchers.append(told := lambda *entered: outside(partial(watch, *entered)))
        try:
            yield
        finally:
            self.watchers.remove(told)

    def machine_of_token(self, token: str) -> str | None:
        """Return the machine whose task has, or had, a token."""
        found: Token | None = self.tokens.get(token)
        return found.machine_arn if found else None

    def forget(self) -> None:
        """End everything without a trace; used when the offline AWS is reset."""
        with self.clock.changing():
            for execution in self.records.values():
                execution.running.close()
            self.records.clear()
            self.tokens.clear()

    # --- the life of an execution

    def _start(self, request: Json) -> Json:
        arn = request["stateMachineArn"]
        record = self._machine(arn)
        if record["status"] == "DELETING":
            raise Refused("StateMachineDeleting", f"State Machine is being deleted: '{arn}'")
        given = _parsed(request.get("input", "{}"), "InvalidExecutionInput", "input")
        machine = Machine(arn, record["roleArn"], json.loads(record["definition"]))
        name = request.get("name") or identity(arn, self.clock.time(), len(self.records))
        there = self.records.get(machine.execution_arn(name))
        if there is None:
            there = Execution(self, machine, name, given)
            self._run(there)
        elif there.status != "RUNNING" or there.given != given:
            raise Refused("ExecutionAlreadyExists", f"Execution Already Exists: '{there.arn}'")
        return {"executionArn": there.arn, "startDate": there.began}

    def _run(self, execution: Execution) -> None:
        self.world.changed(execution)
        done = partial(self._settle, execution)
        routine = Routine(self.clock, execution.arn, run(execution), done)
        execution.running.callback(routine.cancel)
        if limit := execution.machine.definition.get("TimeoutSeconds"):
            then, act = self.clock.time() + limit, partial(self._cut, execution, "TIMED_OUT")
            event = self.clock.at(then, act, name=f"time-out of {execution.arn}", live=False)
            execution.running.callback(self.clock.drop, event)

    def _cut(self, execution: Execution, status: str, **how: str | None) -> None:
        execution.status = status  # nothing of it is an abortion by itself
        execution.running.close()
        execution.scope.last = 0
        execution.end(status, **how)
        self._settle(execution)

    def _settle(self, execution: Execution, *_: object) -> None:
        execution.running.close()
        self.world.changed(execution)
        self._go_if_deleted(execution.machine.arn)

    def _stop(self, request: Json) -> Json:
        execution = self._find(request)
        if execution.status == "RUNNING" and not execution.map_run_arn:
            self._cut(execution, "ABORTED", error=request.get("error"), cause=request.get("cause"))
        if execution.status != "ABORTED":
            raise Refused("ValidationException", f"Execution is not running: '{execution.arn}'")
        return {"stopDate": execution.ended}

    def _redrive(self, request: Json) -> Json:
        execution = self._find(request)
        if execution.describe()["redriveStatus"] != "REDRIVABLE":
            message = f"Execution is {execution.status} and cannot be redriven."
            raise Refused("ExecutionNotRedrivable", message)
        execution.redrive()
        self._run(execution)
        return {"redriveDate": execution.redriven[-1]}

    def _delete(self, request: Json) -> None:
        """Delete a machine, once the next transition of each of its executions has failed.

        Sources, read 2026-11-23: API_DeleteStateMachine.html in the API reference and
        https://repost.aws/knowledge-center/step-functions-stuck-deleting-status
        """
        if record := self.world.find(request["stateMachineArn"]):
            record["status"] = "DELETING"
            self._go_if_deleted(record["stateMachineArn"])

    def _go_if_deleted(self, machine_arn: str) -> None:
        own = [each for each in self.records.values() if each.machine.arn == machine_arn]
        is_running = any(each.status == "RUNNING" for each in own)
        if self.is_deleted(machine_arn) and not is_running:
            for each in own:
                del self.records[each.arn]
            self.world.delete(machine_arn)

    # --- what is told of it

    def _machine(self, arn: str) -> dict[str, Any]:
        if record := self.world.find(arn):
            return record
        raise Refused("StateMachineDoesNotExist", f"State Machine Does Not Exist: '{arn}'")

    def _find(self, request: Json) -> Execution:
        if execution := self.records.get(request["executionArn"]):
            return execution
        what = f"Execution Does Not Exist: '{request['executionArn']}'"
        raise Refused("ExecutionDoesNotExist", what)

    def _list(self, request: Json) -> Json:
        of = request.get("mapRunArn") or request["stateMachineArn"]
        if "mapRunArn" not in request:
            self._machine(of)
        found = [
            each.describe()
            for each in reversed(self.records.values())
            if (each.map_run_arn or each.machine.arn) == of
            and request.get("statusFilter", each.status) == each.status
        ]
        return _page("executions", found, request)

    def _history(self, request: Json) -> Json:
        events = self._find(request).events
        return _page("events", events[::-1] if request.get("reverseOrder") else events, request)

    # --- tokens

    def _token(self, request: Json) -> Token:
        """Return the open token of a request.

        One that AWS did not make is InvalidToken; TaskTimedOut is "either expired or the task
        associated with the token has already been closed", so a second answer too. TaskDoesNotExist
        means an activity. Source, read 2026-11-23: API_SendTaskSuccess.html in the API reference.
        """
        token: Token | None = self.tokens.get(request["taskToken"])
        if token is None:
            raise Refused("InvalidToken", "Invalid Token: 'Invalid token'")
        if token.is_closed:
            raise Refused("TaskTimedOut", "Task Timed Out: 'Provided task does not exist anymore'")
        return token

    def _succeed(self, request: Json) -> None:
        token = self._token(request)
        token.bring_back(_parsed(request["output"], "InvalidOutput", "output"))

    def _fail(self, request: Json) -> None:
        error = StateError(request.get("error"), request.get("cause"))
        self._token(request).bring_back(error)


def _parsed(given: str, code: str, what: str) -> Json:
    try:
        value = json.loads(given)
    except ValueError:
        raise Refused(code, f"{code}: the {what} is not JSON") from None
    if is_too_large(value):
        raise Refused(code, f"{code}: the {what} is too large")
    return value


def _page(name: str, found: list[Json], request: Json) -> Json:
    begin, most = int(request.get("nextToken") or 0), int(request.get("maxResults") or _PAGE)
    page = {name: found[begin : begin + most]}
    return page if begin + most >= len(found) else {**page, "nextToken": str(begin + most)}
