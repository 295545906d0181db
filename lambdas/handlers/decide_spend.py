"""*Decide spend*: brings one person's decision to one run; the first that arrives counts."""

from __future__ import annotations

from datetime import datetime

from lambdas.aws.artefacts import ArtefactMissing, Artefacts
from lambdas.aws.executions import Executions
from lambdas.domain.approval import decisions as approval
from lambdas.domain.run.contracts import Decided, DecideSpendRequest, Decision
from lambdas.domain.run.execution_input import parse_input
from lambdas.domain.run.variables import ArtefactVariables
from lambdas.runtime.step import step, variables_of


def decide_spend(request: DecideSpendRequest) -> Decided:
    """Bring the decision to the run that waits for it, which looks at this execution itself.

    Raises
    ------
    DecisionRefused
        It does not count; says why, and what became of the run.
    """
    given = parse_input(approval.DecisionInput, request.input, "decision")
    asked = _asked(Artefacts(variables_of(ArtefactVariables).artefact_bucket), given.run)
    approval.check_quote(given, asked)
    decision = Decision(decided_in=request.execution.arn)
    in_time = request.now < asked.decide_by
    if not (in_time and Executions().deliver(decision, asked.token)):
        _check_arrived(decision, asked, request.now)
    return Decided(run=given.run, decision=given.decision, message=approval.confirmation(given))


def _asked(artefacts: Artefacts, run: str) -> approval.ApprovalRequest:
    try:
        found = artefacts.read_json(approval.request_key(run))
    except ArtefactMissing:
        asked = approval.runs_of(artefacts.list_keys(approval.PREFIX))
        raise approval.unknown_run(run, asked) from None
    return approval.ApprovalRequest.model_validate(found)


def _check_arrived(decision: Decision, asked: approval.ApprovalRequest, now: datetime) -> None:
    """Refuse a decision that nothing waits for, unless an earlier call has delivered it."""
    executions = Executions()
    received = executions.received(asked.execution_arn, approval.WAITING_STATE)
    if received is None:
        raise approval.not_waiting(asked, executions.status(asked.execution_arn), now)
    if received != decision:
        first = executions.find(received.decided_in)
        raise approval.decided_already(asked.run, received.decided_in, first)


handler = step("Decide spend", DecideSpendRequest)(decide_spend)
