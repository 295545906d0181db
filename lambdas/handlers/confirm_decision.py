"""*Confirm decision*: whether the run goes on, by what AWS says of the decision's execution."""

from __future__ import annotations

from lambdas.aws.executions import Executions
from lambdas.domain.approval import decisions as approval
from lambdas.domain.run.contracts import Approval, ConfirmDecisionRequest
from lambdas.domain.run.variables import ConfirmDecisionVariables
from lambdas.runtime.step import step, variables_of


def confirm_decision(request: ConfirmDecisionRequest) -> Approval:
    """Return the approval.

    Whoever has the token could resume the run: so of what came with it only the ARN is used, and
    only if it is that of an execution of the machine that decides.
    """
    decided_in = request.decision.decided_in
    machine_arn = variables_of(ConfirmDecisionVariables).decide_machine_arn
    ours = approval.is_execution_of(machine_arn, decided_in)
    found = Executions().find(decided_in) if ours else None
    return approval.confirmed(request.run, request.quote, decided_in, found)


handler = step("Confirm decision", ConfirmDecisionRequest)(confirm_decision)
