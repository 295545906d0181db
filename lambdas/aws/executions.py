"""Executions of the state machine, and the decisions that some of them wait for."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from lambdas.aws.clients import client, code_of, translated
from lambdas.domain.run.execution_status import GONE

_NOT_WAITING = frozenset({"TaskTimedOut", "TaskDoesNotExist", "InvalidToken"})


class NotWaiting(Exception):
    """Nobody waits for this task token any more."""


@dataclass(frozen=True)
class Executions:
    """Each method raises the named errors of `translated`."""

    states: Any = field(default_factory=lambda: client("stepfunctions"))

    def status(self, arn: str) -> str:
        """Return the execution's status, `GONE` where there is no such execution."""
        try:
            with translated(f"look at execution {arn}"):
                status: str = self.states.describe_execution(executionArn=arn)["status"]
        except ClientError as error:
            if code_of(error) in {"ExecutionDoesNotExist", "InvalidArn"}:
                return GONE
            raise
        return status

    def approve(self, token: str, result: dict[str, Any]) -> None:
        """Let the waiting state go on with `result`; raises NotWaiting where none waits."""
        self._send("send_task_success", taskToken=token, output=json.dumps(result))

    def reject(self, token: str, *, error: str, cause: str) -> None:
        """Fail the waiting state; raises NotWaiting where none waits."""
        self._send("send_task_failure", taskToken=token, error=error, cause=cause)

    def _send(self, operation: str, **arguments: str) -> None:
        try:
            with translated("hand the decision to the waiting run"):
                getattr(self.states, operation)(**arguments)
        except ClientError as error:
            if code_of(error) in _NOT_WAITING:
                raise NotWaiting(code_of(error)) from error
            raise
