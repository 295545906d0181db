"""The decision on a run's quote: taken at once, or waited for as long as a person may take.

A person has some minutes of real time, in which the simulated clock is not moved. Then it moves
through the rest of `approval_hours`, within a fifth of that time, unless somebody decides.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Sequence
from typing import Any, Literal

import boto3

from lambdas.domain.approval.decisions import WAITING_STATE, DecisionInput
from local.clock import SimulatedClock
from local.rehearsal.mails import Mail
from local.rehearsal.progress import Event, ExecutionProgress
from local.rehearsal.second_terminal import SecondTerminal

Answer = Literal["approve", "reject"]
_STEPS = 24  # in which the clock moves through approval_hours
_MOVING_SHARE = 0.2  # of the time that a person has before
_POLL_SECONDS = 0.1


class Decision:
    """Shows whoever rehearses what the approver gets, and sees to it that something happens."""

    def __init__(  # noqa: PLR0913  # keyword-only, but for where it shows what it does
        self,
        progress: ExecutionProgress,
        *,
        clock: SimulatedClock,
        terminal: SecondTerminal,
        machine_arn: str,
        answer: Answer | None,
        wait_minutes: float,
        approval_hours: float,
    ) -> None:
        self._progress, self._clock, self._terminal = progress, clock, terminal
        self._machine_arn = machine_arn
        self._answer = answer
        self._wait_seconds = 60 * wait_minutes
        self._approval_seconds = 3600 * approval_hours
        self._asked_at: float | None = None  # in real time
        self._waits = False  # as far as the history was seen, of which a mail may be ahead
        self._steps = 0

    def read(self, mail: Mail) -> None:
        """Act on a mail, if it asks for a decision."""
        inputs = mail.decisions
        if not inputs:
            return
        self._progress.say("\n" + "\n".join(f"  | {line}" for line in mail.text.splitlines()))
        if self._answer and self._decide(inputs[self._answer]):
            return
        self._explain(inputs)
        self._asked_at, self._steps = time.monotonic(), 0

    def look(self, events: Sequence[Event]) -> None:
        """See whether the run waits."""
        for event in events:
            if event.get("stateEnteredEventDetails", {}).get("name") == WAITING_STATE:
                self._waits = True
            if event.get("stateExitedEventDetails", {}).get("name") == WAITING_STATE:
                self._waits, self._asked_at = False, None

    def wait(self) -> None:
        """Say where the clock is, and move it once a person has had time; call it repeatedly."""
        if self._asked_at is None or not self._waits:
            return
        left = self._asked_at + self._wait_seconds - time.monotonic()
        if left > 0:
            self._progress.wait(
                f"waiting for a decision; in {math.ceil(left / 60)} min the clock moves on"
            )
            return
        self._clock.advance(self._approval_seconds / _STEPS)
        self._steps += 1
        hours = self._approval_seconds * max(0, _STEPS - self._steps) / _STEPS / 3600
        self._progress.wait(f"nobody has decided; {hours:.1f} h are left")
        time.sleep(self._wait_seconds * _MOVING_SHARE / _STEPS)

    def _decide(self, given: DecisionInput) -> bool:
        """Start the machine that decides, as a person would; return whether that counted."""
        states: Any = boto3.client("stepfunctions")
        reason = {"reason": "APPROVE of make rehearse"}
        arn = states.start_execution(
            stateMachineArn=self._machine_arn,
            input=given.model_copy(update=reason).model_dump_json(),
        )["executionArn"]
        while (found := states.describe_execution(executionArn=arn))["status"] == "RUNNING":
            time.sleep(_POLL_SECONDS)
        counted: bool = found["status"] == "SUCCEEDED"
        said = json.loads(found["output"])["message"] if counted else found.get("cause")
        self._progress.say(f"\n  Decided in {arn}:\n  {said}\n")
        return counted

    def _explain(self, inputs: dict[str, DecisionInput]) -> None:
        approval = inputs["approve"].model_dump_json()
        call = self._terminal.calls(
            "stepfunctions", "start_execution", stateMachineArn=self._machine_arn, input=approval
        )
        self._progress.say(
            "\n  The run waits for a person. APPROVE=yes would have gone on by itself. To decide,\n"
            "  run this in a second terminal, in this folder (to reject, with the mail's other "
            f"input):\n{call}\n"
        )
