"""Approving the quote of a run: the request, the decision, and what people are told.

The bucket holds two objects for each run: the request, with the token of the waiting state, and the
decision, which is written only once: whoever writes it first decides.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from lambdas.domain.errors import DecisionRefused
from lambdas.domain.models.lookup import nearest
from lambdas.domain.run import mail
from lambdas.domain.run.arns import Arn
from lambdas.domain.run.console import state_machine_url
from lambdas.domain.run.contracts import Approval, Contract, Run
from lambdas.domain.run.times import utc

PREFIX = "approvals/"
_SHOWN_RUNS = 5


class DecisionInput(BaseModel):
    """Input of the machine that takes decisions."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    run: str = Field(
        min_length=1, description="Name of the run, as the mail has it.", examples=["first-1a2b3c"]
    )
    decision: Literal["approve", "reject"] = Field(
        description="Whether the run may spend what was quoted.", examples=["approve"]
    )
    reason: str = Field(
        default="",
        max_length=1000,
        description="Why; shown in the run's report, or in its cause if it is rejected.",
        examples=["Within this month's budget"],
    )


class ApprovalRequest(Contract):
    """Kept in the bucket while a run waits."""

    run: str
    execution_arn: str
    token: str
    asked_at: datetime
    decide_by: datetime
    dataset_sha256: str
    expected_usd: float
    high_usd: float


class Decision(Contract):
    """Kept in the bucket once somebody has decided."""

    run: str
    approved: bool
    reason: str
    decided_at: datetime
    decided_in: str  # ARN of the execution that brought the decision: CloudTrail names its starter

    def approval(self) -> Approval:
        return Approval(
            asked=True, reason=self.reason, decided_at=self.decided_at, decided_in=self.decided_in
        )


def request_key(run: str) -> str:
    return f"{PREFIX}{run}/request.json"


def decision_key(run: str) -> str:
    return f"{PREFIX}{run}/decision.json"


def runs_of(keys: Sequence[str]) -> list[str]:
    """Return the runs that have asked, from the keys under `PREFIX`."""
    return [
        key.removeprefix(PREFIX).removesuffix("/request.json")
        for key in keys
        if key.endswith("/request.json")
    ]


def unknown_run(name: str, asked: Sequence[str]) -> DecisionRefused:
    """Return the error for a run that has not asked, naming those that have."""
    guess = nearest(name, asked)
    hint = f" Did you mean {guess!r}?" if guess else ""
    listed = ", ".join(sorted(asked)[:_SHOWN_RUNS]) or "none"
    return DecisionRefused(
        f"no run {name!r} is waiting for approval.{hint} Runs that have asked: {listed}. "
        "The name is in the subject of the mail"
    )


def decided_already(decision: Decision) -> DecisionRefused:
    what = "approved" if decision.approved else "rejected"
    return DecisionRefused(
        f"run {decision.run} was already {what} on {utc(decision.decided_at)}"
        f"{_because(decision.reason)} ({decision.decided_in}). The first decision counts; to end "
        "an approved run, stop its execution"
    )


def too_late(request: ApprovalRequest, now: datetime) -> DecisionRefused:
    """Return the error for a run that no longer waits: too late, or stopped."""
    why = (
        f"no decision by {utc(request.decide_by)} counts as a rejection"
        if now >= request.decide_by
        else "its execution was stopped or has ended"
    )
    return DecisionRefused(
        f"run {request.run} no longer waits for a decision: {why}. Nothing was bought; start a "
        f"new execution. This one: {request.execution_arn}"
    )


def rejection(decision: Decision) -> str:
    """Return the cause of the run that was rejected."""
    reason = decision.reason or "no reason was given"
    return (
        f"the quote was rejected on {utc(decision.decided_at)}: {reason}. Nothing was bought. "
        f"Decided in {decision.decided_in}"
    )


def confirmation(decision: Decision, *, delivered: bool) -> str:
    """Return the message to the person who decided."""
    word = (
        "approved: it continues" if decision.approved else "rejected: it ends, nothing was bought"
    )
    when = "" if delivered else ", as soon as it asks again: its last attempt to ask had failed"
    return f"Run {decision.run} is {word}{when}"


def subject(run: Run, expected_usd: float) -> str:
    text = f"approve about ${expected_usd:,.0f}? {run.name}"
    return mail.subject(text, rehearsal=Arn.parse(run.execution_arn).is_rehearsal)


def body(run: Run, quote: str, decide_by: datetime, decide_machine_arn: str) -> str:
    """Return the mail: the quote, until when to decide, and exactly what to do."""
    return (
        f"Run {run.name} in environment {run.environment} waits for a decision. Nothing has been "
        f"bought yet.\n\n{quote}\n\n"
        f"Decide by {utc(decide_by)}; no decision by then is a rejection.\n\n"
        f"Open {state_machine_url(decide_machine_arn)}\n"
        "Start execution with one of these inputs:\n\n"
        f"{_input(run.name, 'approve')}\n{_input(run.name, 'reject')}\n\n"
        f"Or: aws stepfunctions start-execution --region {run.region} --state-machine-arn "
        f"{decide_machine_arn} --input '{_input(run.name, 'approve')}'\n"
        f"The run: {run.execution_arn}\n"
    )


def _input(run: str, decision: str) -> str:
    return json.dumps({"run": run, "decision": decision, "reason": "why"})


def _because(reason: str) -> str:
    return f", because: {reason}" if reason else ""
