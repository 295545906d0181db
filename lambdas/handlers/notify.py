"""*Notify*: one mail at the end of every run."""

from __future__ import annotations

from lambdas.aws.metrics import record
from lambdas.aws.topic import Topic
from lambdas.domain.cost.actuals import hosting_usd
from lambdas.domain.reporting.notification import body, subject
from lambdas.domain.run.contracts import Notification, NotifyRequest
from lambdas.domain.run.variables import PriceVariables, TopicVariables
from lambdas.runtime.pricing import calculator
from lambdas.runtime.step import step, variables_of


def notify(request: NotifyRequest) -> Notification:
    Topic(variables_of(TopicVariables).topic_arn).publish(subject(request), body(request))
    if request.run:
        record(request.run.environment, {"MeteredUsd": _metered_usd(request)})
    return Notification(subject=subject(request))


def _metered_usd(request: NotifyRequest) -> float:
    """Return what the run cost; for a failed run, what its throughput cost."""
    if request.report:
        return request.report.metered_usd
    if request.run is None or request.release is None or not request.release.billed_minutes:
        return 0.0
    prices = calculator(variables_of(PriceVariables), request.run.region)
    return hosting_usd(request.run, request.release, prices)


handler = step("Notify", NotifyRequest)(notify)
