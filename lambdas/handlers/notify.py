"""*Notify*: one mail at the end of every run, with what it has cost."""

from __future__ import annotations

from lambdas.aws.artefacts import Artefacts
from lambdas.aws.billing import Billing
from lambdas.aws.metrics import record
from lambdas.aws.topic import Topic
from lambdas.domain.cost.actuals import NOTHING_BOUGHT, Bill, bill_at_most
from lambdas.domain.reporting.notification import body, subject
from lambdas.domain.run.contracts import Notification, NotifyRequest, RunToTell
from lambdas.domain.run.variables import TopicVariables
from lambdas.runtime.step import logger, step, variables_of


def notify(request: NotifyRequest) -> Notification:
    report = request.report
    bill = None if report else _bill(request)
    topic = Topic(variables_of(TopicVariables).topic_arn)
    sent = topic.publish(subject(request), body(request, bill))
    if request.run:
        _mark_told(request.run)
        # Last, for the dashboard adds up what an attempt that is repeated recorded.
        usd = report.metered_usd if report else bill.usd if bill else 0
        record(request.run.environment, {"MeteredUsd": usd})
    return Notification(subject=sent)


def _mark_told(run: RunToTell) -> None:
    try:
        Billing(Artefacts(run.bucket), run.prefix).mark_told()
    except Exception:  # noqa: BLE001  # the guard sends a second mail, which is better than none
        logger.exception("could not note that the mail was sent")


def _bill(request: NotifyRequest) -> Bill:
    """Return what a run that failed has cost, and keep it; never fails, for the mail must go."""
    run, quote = request.run, request.quote
    if run is None or quote is None:  # nothing is bought before there is a quote
        return NOTHING_BOUGHT
    billing = Billing(Artefacts(run.bucket), run.prefix)
    try:
        bill = billing.bill_of_unfinished(request.release)
        billing.keep(bill)
    except Exception:  # noqa: BLE001  # the quote is the most that it can be
        logger.exception("could not meter the run")
        return bill_at_most(quote.high_usd)
    return bill


handler = step("Notify", NotifyRequest)(notify)
