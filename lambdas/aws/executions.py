"""Executions of the state machine: their status, and the decision that one waits for."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from lambdas.aws.clients import client, code_of, translated
from lambdas.domain.approval.decisions import Decision, rejection
from lambdas.domain.errors import SpendRejected
from lambdas.domain.run.execution_status import GONE

_NOT_WAITING = frozenset({"TaskTimedOut", "TaskDoesNotExist", "InvalidToken"})


@dataclass(frozen=True)
class Executions:
    """Each method raises the named errors of `translated`."""

    states: Any = field(default_factory=lambda: client("stepfunctions"))

    def status(self, arn: str) -> str:
        """Return the execution's status, `GONE` if there is none."""
        try:
            with translated(f"describe execution {arn}"):
                status: str = self.states.describe_execution(executionArn=arn)["status"]
        except ClientError as error:
            if code_of(error) in {"ExecutionDoesNotExist", "InvalidArn"}:
                return GONE
            raise
        return status

    def running(self, machine_arn: str) -> dict[str, str]:
        """Return the names of a machine's executions that are under way, by ARN.

        Without the machine there is none. The list is eventually consistent; a run has been under
        way for minutes before it has anything that could be taken for a leftover.
        """
        try:
            with translated(f"list the running executions of {machine_arn}"):
                pages = self.states.get_paginator("list_executions").paginate(
                    stateMachineArn=machine_arn, statusFilter="RUNNING"
                )
                return {
                    each["executionArn"]: each["name"]
                    for page in pages
                    for each in page["executions"]
                }
        except ClientError as error:
            if code_of(error) == "StateMachineDoesNotExist":
                return {}
            raise

    def deliver(self, decision: Decision, token: str) -> bool:
        """Hand a decision to the state that waits with `token`; False if none waits any more."""
        try:
            if decision.approved:
                output = json.dumps(decision.approval().model_dump(mode="json"))
                self._send("send_task_success", taskToken=token, output=output)
            else:
                error, cause = SpendRejected.__name__, rejection(decision)
                self._send("send_task_failure", taskToken=token, error=error, cause=cause)
        except ClientError as refused:
            if code_of(refused) in _NOT_WAITING:
                return False
            raise
        return True

    def _send(self, operation: str, **arguments: str) -> None:
        with translated("hand the decision to the waiting run"):
            getattr(self.states, operation)(**arguments)
