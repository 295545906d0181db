"""Step Functions in memory: executions by status, and tokens that states wait for."""

from __future__ import annotations

import json
from datetime import datetime
from types import SimpleNamespace
from typing import Any

import pytest

from tests.fakes.bedrock import FakeClient
from tests.fakes.s3 import client_error


class FakeStepFunctions(FakeClient):
    """One machine: `waiting` holds the tokens that its states wait for.

    Executions are in `statuses`; without any there is no machine. `started` has the input and time
    of those that have them; a token that is brought back leaves the waiting state's exit in the
    history of `waiter`.
    """

    def __init__(self) -> None:
        super().__init__()
        self.statuses: dict[str, str] = {}
        self.unlisted = False  # the list is older than the statuses, and shows none of them
        self.started: dict[str, tuple[dict[str, Any], datetime]] = {}
        self.waiting: set[str] = set()
        self.waiter: tuple[str, str] = ("", "")  # execution and state
        self.sent: list[dict[str, Any]] = []

    def describe_execution(self, **request: Any) -> dict[str, Any]:
        self._enter("DescribeExecution", request)
        arn = request["executionArn"]
        if arn not in self.statuses:
            raise client_error("ExecutionDoesNotExist")
        described = {"status": self.statuses[arn]}
        if arn not in self.started:
            return described
        given, at = self.started[arn]
        return {**described, "input": json.dumps(given), "startDate": at}

    def send_task_success(self, **request: Any) -> dict[str, Any]:
        self._enter("SendTaskSuccess", request)
        if request["taskToken"] not in self.waiting:
            raise client_error("TaskTimedOut")
        self.waiting.remove(request["taskToken"])
        self.sent.append(json.loads(request["output"]))
        return {}

    def get_paginator(self, operation: str) -> SimpleNamespace:
        pages = {
            "get_execution_history": self._history,
            "list_executions": self._list_executions,
        }
        return SimpleNamespace(paginate=pages[operation])

    def _list_executions(self, **request: Any) -> list[dict[str, Any]]:
        self._enter("ListExecutions", request)
        if not self.statuses:
            raise client_error("StateMachineDoesNotExist")
        listed = {} if self.unlisted else self.statuses
        found = [arn for arn, each in listed.items() if each == request["statusFilter"]]
        return [{"executions": [{"executionArn": a, "name": a.rpartition(":")[2]} for a in found]}]

    def _history(self, **request: Any) -> list[dict[str, Any]]:
        self._enter("GetExecutionHistory", request)
        execution, state = self.waiter
        failed = {"Error": "States.Timeout", "Cause": "after 86400 seconds"}
        left = [*self.sent, *([failed] if self.statuses.get(execution) == "FAILED" else [])]
        exits = [
            {"stateExitedEventDetails": {"name": state, "output": json.dumps(each)}}
            for each in left
            if execution == request["executionArn"]
        ]
        return [{"events": [{"type": "ExecutionStarted"}]}, {"events": exits}]


def install(monkeypatch: pytest.MonkeyPatch, fake: FakeStepFunctions) -> FakeStepFunctions:
    """Make every `Executions` of the code under test use `fake`."""
    monkeypatch.setattr("lambdas.aws.executions.client", {"stepfunctions": fake}.__getitem__)
    return fake
