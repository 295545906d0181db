"""Executions of the state machines: what they are, and the decision that one waits for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from lambdas.aws.clients import client, code_of, translated
from lambdas.domain.run.contracts import Decision
from lambdas.domain.run.execution_status import GONE, StartedExecution

_NOT_WAITING = frozenset({"TaskTimedOut", "TaskDoesNotExist", "InvalidToken"})
_NO_EXECUTION = frozenset({"ExecutionDoesNotExist", "InvalidArn"})


@dataclass(frozen=True)
class Executions:
    """Each method raises the named errors of `translated`."""

    states: Any = field(default_factory=lambda: client("stepfunctions"))

    def status(self, arn: str) -> str:
        """Return the execution's status, `GONE` if there is none."""
        found = self._describe(arn)
        return str(found["status"]) if found else GONE

    def find(self, arn: str) -> StartedExecution | None:
        """Return the execution, or None if there is none."""
        found = self._describe(arn)
        if found is None:
            return None
        return StartedExecution(
            status=found["status"],
            started_at=found["startDate"],
            input=json.loads(found.get("input") or "null"),
        )

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
        """Resume the state that waits with `token`; False if none waits any more."""
        try:
            with translated("hand the decision to the waiting run"):
                self.states.send_task_success(taskToken=token, output=decision.model_dump_json())
        except ClientError as refused:
            if code_of(refused) in _NOT_WAITING:
                return False
            raise
        return True

    def received(self, arn: str, state: str) -> Decision | None:
        """Return the decision with which the execution has left `state`; None without one."""
        try:
            with translated(f"read the history of {arn}"):
                pages = self.states.get_paginator("get_execution_history").paginate(
                    executionArn=arn
                )
                exits = (
                    event.get("stateExitedEventDetails", {})
                    for page in pages
                    for event in page["events"]
                )
                output = next((each["output"] for each in exits if each.get("name") == state), None)
        except ClientError as error:
            if code_of(error) in _NO_EXECUTION:
                return None
            raise
        left_with = json.loads(output or "null")
        # A state that timed out or failed leaves with its error.
        if not isinstance(left_with, dict) or "decided_in" not in left_with:
            return None
        return Decision.model_validate(left_with)

    def _describe(self, arn: str) -> Mapping[str, Any] | None:
        try:
            with translated(f"describe execution {arn}"):
                found: Mapping[str, Any] = self.states.describe_execution(executionArn=arn)
        except ClientError as error:
            if code_of(error) in _NO_EXECUTION:
                return None
            raise
        return found
