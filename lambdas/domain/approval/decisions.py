"""Approving the quote of a run: the request, the decision, and what people are told.

A decision is an execution of the machine that decides, and nothing else: its input says what was
decided, on which run and on which quote, and AWS says whether it succeeded. The bucket holds only
the request, with the token of the state that waits; whoever brings the token back says in which
execution the decision was taken, and the run looks at that execution itself.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from lambdas.domain.cost.quote import dollars
from lambdas.domain.errors import DecisionPending, DecisionRefused, InputInvalid, SpendRejected
from lambdas.domain.models.lookup import nearest
from lambdas.domain.run.console import state_machine_url
from lambdas.domain.run.contracts import Approval, Contract, QuotedCost, Run
from lambdas.domain.run.execution_input import parse_input
from lambdas.domain.run.execution_status import StartedExecution, is_under_way
from lambdas.domain.run.times import utc

PREFIX = "approvals/"
WAITING_STATE = "Approve spend"
_SHOWN_RUNS = 5


class DecisionInput(BaseModel):
    """Input of the machine that takes decisions."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    run: str = Field(
        min_length=1, description="Name of the run, as the mail has it.", examples=["first-1a2b3c"]
    )
    quote_sha256: str = Field(
        pattern=r"^[0-9a-f]{64}$",
        description="Hash of the quote that is decided on, as the mail has it.",
        examples=["0f" * 32],
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
    quote_sha256: str
    expected_usd: float
    high_usd: float


def request_key(run: str) -> str:
    return f"{PREFIX}{run}/request.json"


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


def check_quote(given: DecisionInput, asked: ApprovalRequest) -> None:
    """Refuse a decision on another quote than the run's.

    Raises
    ------
    DecisionRefused
        The hashes differ; the run goes on waiting.
    """
    if given.quote_sha256 != asked.quote_sha256:
        raise DecisionRefused(
            f"quote_sha256 = {given.quote_sha256} is not that of the quote of run {asked.run}, "
            f"{asked.quote_sha256}: this decision is on another quote, and does not count. The run "
            "still waits: start again with the input from its last mail"
        )


def decided_already(run: str, decided_in: str, first: StartedExecution | None) -> DecisionRefused:
    """Return the error for a decision that came after another one."""
    said = first.input.get("decision") if first and isinstance(first.input, dict) else None
    what = f"{said} on {utc(first.started_at)} ({first.status}), " if first and said else ""
    return DecisionRefused(
        f"run {run} was already decided: {what}in {decided_in}. The first decision that reaches a "
        "run counts, if its execution succeeds; to end an approved run, stop its execution"
    )


def not_waiting(request: ApprovalRequest, status: str, now: datetime) -> DecisionRefused:
    """Return the error for a run that waits for no decision; `status` is its execution's."""
    if now >= request.decide_by:
        why = f"no decision by {utc(request.decide_by)} is a rejection"
    elif is_under_way(status):
        return DecisionRefused(
            f"run {request.run} does not wait at the moment: it asks again because its last "
            "attempt to ask has failed. This decision does not count: repeat it after the next "
            f"mail. The run: {request.execution_arn}"
        )
    else:
        why = f"its execution was stopped or has ended ({status})"
    return DecisionRefused(
        f"run {request.run} no longer waits for a decision: {why}. Nothing was bought; start a "
        f"new execution. This one: {request.execution_arn}"
    )


def is_execution_of(machine_arn: str, arn: str) -> bool:
    return arn.startswith(machine_arn.replace(":stateMachine:", ":execution:") + ":")


def confirmed(
    run: Run, quote: QuotedCost, decided_in: str, found: StartedExecution | None
) -> Approval:
    """Return the approval that an execution of the machine that decides has brought.

    `found` is that execution as AWS shows it; None: AWS knows no such execution of that machine.

    Raises
    ------
    SpendRejected
        It is a rejection, or it does not count: it did not succeed, was on another run or another
        quote, or is older than the run.
    DecisionPending
        It has not ended yet.
    """
    if found is None:
        raise _does_not_count(decided_in, "no execution of the machine that decides")
    if is_under_way(found.status):
        raise DecisionPending(f"{decided_in} is {found.status}")
    if found.status != "SUCCEEDED":
        raise _does_not_count(decided_in, f"it ended as {found.status}")
    given = _decided(decided_in, found)
    if (given.run, given.quote_sha256) != (run.name, quote.quote_sha256):
        raise _does_not_count(decided_in, f"it is on run {given.run}, quote {given.quote_sha256}")
    if found.started_at < run.started_at:
        raise _does_not_count(decided_in, f"it is older than the run, {utc(found.started_at)}")
    if given.decision == "reject":
        raise SpendRejected(_rejection(given, decided_in, found.started_at))
    return Approval(
        reason=given.reason,
        decided_at=found.started_at,
        decided_in=decided_in,
        quote_sha256=given.quote_sha256,
    )


def _decided(decided_in: str, found: StartedExecution) -> DecisionInput:
    given = found.input if isinstance(found.input, dict) else {}
    try:
        return parse_input(DecisionInput, given, "decision")
    except InputInvalid as error:
        raise _does_not_count(decided_in, str(error)) from error


def _does_not_count(decided_in: str, why: str) -> SpendRejected:
    return SpendRejected(
        f"what resumed this run is not a decision that counts ({decided_in}): {why}. Nothing was "
        "bought. Start a new execution, and decide on its quote once"
    )


def _rejection(given: DecisionInput, decided_in: str, at: datetime) -> str:
    reason = given.reason or "no reason was given"
    return (
        f"the quote was rejected on {utc(at)}: {reason}. Nothing was bought. "
        f"Decided in {decided_in}"
    )


def confirmation(given: DecisionInput) -> str:
    """Return the message to the person who decided; true once this execution has succeeded."""
    if given.decision == "approve":
        return f"Run {given.run} has received the approval: it continues when this execution ends"
    return f"Run {given.run} has received the rejection: it ends, nothing was bought"


def subject(run: Run, expected_usd: float) -> str:
    return f"approve about {dollars(expected_usd)}? {run.name}"


def body(run: Run, quote: QuotedCost, decide_by: datetime, decide_machine_arn: str) -> str:
    """Return the mail: the quote, until when to decide, and exactly what to do."""
    approve, reject = (_input(run, quote, decision) for decision in ("approve", "reject"))
    return (
        f"Run {run.name} in environment {run.environment} waits for a decision. Nothing has been "
        f"bought yet.\n\n{quote.summary}\n\n"
        f"Decide by {utc(decide_by)}; no decision by then is a rejection.\n\n"
        f"Open {state_machine_url(decide_machine_arn)}\n"
        "Start execution with one of these inputs:\n\n"
        f"{approve}\n{reject}\n\n"
        f"Or: aws stepfunctions start-execution --region {run.region} --state-machine-arn "
        f"{decide_machine_arn} --input '{approve}'\n"
        f"The run: {run.execution_arn}\n"
    )


def _input(run: Run, quote: QuotedCost, decision: str) -> str:
    given = {"run": run.name, "quote_sha256": quote.quote_sha256, "decision": decision}
    return json.dumps({**given, "reason": "why"})
