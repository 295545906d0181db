"""*Decide spend*: one person's decision on one run's quote; the first one counts."""

from __future__ import annotations

from lambdas.aws.artefacts import ArtefactMissing, Artefacts
from lambdas.aws.executions import Executions
from lambdas.domain.approval import decisions as approval
from lambdas.domain.run.contracts import Decided, DecideSpendRequest
from lambdas.domain.run.execution_input import parse_input
from lambdas.domain.run.execution_status import is_under_way
from lambdas.domain.run.variables import DecideSpendVariables
from lambdas.runtime.step import step, variables_of


def decide_spend(request: DecideSpendRequest) -> Decided:
    given = parse_input(approval.DecisionInput, request.input, "decision")
    artefacts = Artefacts(variables_of(DecideSpendVariables).artefact_bucket)
    asked = _asked(artefacts, given.run)
    decision = approval.Decision(
        run=given.run,
        approved=given.decision == "approve",
        reason=given.reason,
        decided_at=request.now,
        decided_in=request.execution.arn,
    )
    if request.now >= asked.decide_by:
        raise approval.too_late(asked, request.now)
    delivered = _decide(artefacts, decision, asked)
    return Decided(
        run=given.run,
        decision=given.decision,
        message=approval.confirmation(decision, delivered=delivered),
    )


def _asked(artefacts: Artefacts, run: str) -> approval.ApprovalRequest:
    try:
        found = artefacts.read_json(approval.request_key(run))
    except ArtefactMissing:
        asked = approval.runs_of(artefacts.list_keys(approval.PREFIX))
        raise approval.unknown_run(run, asked) from None
    return approval.ApprovalRequest.model_validate(found)


def _decide(
    artefacts: Artefacts, decision: approval.Decision, asked: approval.ApprovalRequest
) -> bool:
    """Write the decision unless there is one, and deliver the one that counts.

    This also delivers a decision that an earlier call wrote but did not deliver. Returns False if
    nothing waited: a run that is asking again after a failure will find the decision itself.

    Raises
    ------
    DecisionRefused
        Another decision came first, or the run no longer waits.
    """
    key = approval.decision_key(decision.run)
    first = artefacts.put_json_once(key, decision.model_dump(mode="json"))
    counts = decision if first else approval.Decision.model_validate(artefacts.read_json(key))
    delivered = Executions().deliver(counts, asked.token)
    if counts.decided_in != decision.decided_in:
        raise approval.decided_already(counts)
    if first and not delivered and not is_under_way(Executions().status(asked.execution_arn)):
        raise approval.too_late(asked, decision.decided_at)
    return delivered


handler = step("Decide spend", DecideSpendRequest)(decide_spend)
