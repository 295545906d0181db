"""*Inspect purchase*: mails when someone buys a commitment, or throughput without our tag."""

from __future__ import annotations

from lambdas.aws.topic import Topic
from lambdas.domain.housekeeping import purchases
from lambdas.domain.run.contracts import Inspection, InspectPurchaseRequest
from lambdas.domain.run.variables import TopicVariables
from lambdas.runtime.step import step, variables_of


def inspect_purchase(request: InspectPurchaseRequest) -> Inspection:
    concern = purchases.concern(request.detail)
    if concern:
        text = purchases.body(request.detail, concern, request.account, request.region)
        topic = Topic(variables_of(TopicVariables).topic_arn)
        topic.publish(purchases.subject(request.detail), text)
    return Inspection(concern=concern)


handler = step("Inspect purchase", InspectPurchaseRequest)(inspect_purchase)
