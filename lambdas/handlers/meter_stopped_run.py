"""*Meter stopped run*: what a run has cost that ended before it could tell."""

from __future__ import annotations

from lambdas.aws.artefacts import Artefacts
from lambdas.aws.billing import Billing
from lambdas.aws.metrics import record
from lambdas.aws.topic import Topic
from lambdas.domain.cost.actuals import NOTHING_BOUGHT
from lambdas.domain.reporting.notification import stopped_body, stopped_subject
from lambdas.domain.run.contracts import Metered, MeterStoppedRunRequest
from lambdas.domain.run.names import names_of
from lambdas.domain.run.variables import MeterStoppedRunVariables
from lambdas.runtime.step import step, variables_of


def meter_stopped_run(request: MeterStoppedRunRequest) -> Metered:
    """Meter the run and send its mail, unless it did so itself."""
    variables = variables_of(MeterStoppedRunVariables)
    execution = request.execution
    run = names_of(variables.environment, execution.name, execution.arn).run
    billing = Billing(Artefacts(variables.artefact_bucket), f"runs/{run}")
    bill = billing.kept() or billing.bill_of_unfinished(request.release)
    if bill != NOTHING_BOUGHT and not billing.is_told():
        Topic(variables.topic_arn).publish(
            stopped_subject(request, run), stopped_body(request, run, bill)
        )
        billing.keep(bill)
        billing.mark_told()
        record(variables.environment, {"MeteredUsd": bill.usd})  # last: the dashboard adds up
    return Metered(usd=bill.usd, at_most=bill.at_most)


handler = step("Meter stopped run", MeterStoppedRunRequest)(meter_stopped_run)
