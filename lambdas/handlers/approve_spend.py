"""*Approve spend*: asks a person; the state waits for the decision, not this function."""

from __future__ import annotations

from datetime import timedelta

from lambdas.aws.artefacts import Artefacts
from lambdas.aws.frozen_files import require_unchanged
from lambdas.aws.topic import Topic
from lambdas.domain.approval import decisions as approval
from lambdas.domain.run.contracts import ApproveSpendRequest, Asked
from lambdas.domain.run.variables import ApproveSpendVariables
from lambdas.runtime.step import step, variables_of


def approve_spend(request: ApproveSpendRequest) -> Asked:
    """Store the token for the decision, and mail the quote.

    A retry mails again, with a new token: the old one is no longer valid.
    """
    run, quote = request.run, request.quote
    decide_by = request.now + timedelta(hours=run.approval_hours or 0)
    artefacts = Artefacts(run.bucket)
    require_unchanged(artefacts, request.dataset.files)
    asked = approval.ApprovalRequest(
        run=run.name,
        execution_arn=run.execution_arn,
        token=request.token,
        asked_at=request.now,
        decide_by=decide_by,
        dataset_sha256=quote.dataset_sha256,
        quote_sha256=quote.quote_sha256,
        expected_usd=quote.expected_usd,
        high_usd=quote.high_usd,
    )
    artefacts.put_json(approval.request_key(run.name), asked.model_dump(mode="json"))
    variables = variables_of(ApproveSpendVariables)
    text = approval.body(run, quote, decide_by, variables.decide_machine_arn)
    Topic(variables.topic_arn).publish(approval.subject(run, quote.expected_usd), text)
    return Asked(decide_by=decide_by)


handler = step("Approve spend", ApproveSpendRequest)(approve_spend)
