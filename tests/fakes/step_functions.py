"""Step Functions in memory: executions by status, and tokens that states wait for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.fakes.bedrock import FakeClient
from tests.fakes.s3 import client_error


class FakeStepFunctions(FakeClient):
    """One machine: `waiting` holds the tokens that its states wait for.

    Executions are in `statuses`; without any there is no machine.
    """

    def __init__(self) -> None:
        super().__init__()
        self.statuses: dict[str, str] = {}
        self.waiting: set[str] = set()
        self.sent: list[tuple[str, dict[str, Any]]] = []

    def describe_execution(self, **request: Any) -> dict[str, Any]:
        self._enter("DescribeExecution", request)
        if request["executionArn"] not in self.statuses:
            raise client_error("ExecutionDoesNotExist")
        return {"status": self.statuses[request["executionArn"]]}

    def get_paginator(self, operation: str) -> FakeStepFunctions:
        assert operation == "list_executions"
        return self

    def paginate(self, **request: Any) -> Iterator[dict[str, Any]]:
        self._enter("ListExecutions", request)
        if not self.statuses:
            raise client_error("StateMachineDoesNotExist")
        found = [arn for arn, each in self.statuses.items() if each == request["statusFilter"]]
        yield {"executions": [{"executionArn": a, "name": a.rpartition(":")[2]} for a in found]}

    def send_task_success(self, **request: Any) -> dict[str, Any]:
        return self._send("approve", request, json.loads(request["output"]))

    def send_task_failure(self, **request: Any) -> dict[str, Any]:
        return self._send("reject", request, {key: request[key] for key in ("error", "cause")})

    def _send(self, what: str, request: dict[str, Any], said: dict[str, Any]) -> dict[str, Any]:
        self._enter(what, request)
        if request["taskToken"] not in self.waiting:
            raise client_error("TaskTimedOut")
        self.waiting.remove(request["taskToken"])
        self.sent.append((what, said))
        return {}


def install(monkeypatch: pytest.MonkeyPatch, fake: FakeStepFunctions) -> FakeStepFunctions:
    """Make every `Executions` of the code under test use `fake`."""
    monkeypatch.setattr("lambdas.aws.executions.client", {"stepfunctions": fake}.__getitem__)
    return fake
