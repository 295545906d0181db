"""*Inspect purchase*: mails when someone buys a commitment, or throughput without our tag."""

from __future__ import annotations

from lambdas.aws.topic import Topic
from lambdas.domain.housekeeping import purchases
from lambdas.domain.run.contracts import Inspection, InspectPurchaseRequest
from lambdas.runtime.step import setting, step


def inspect_purchase(request: InspectPurchaseRequest) -> Inspection:
    concern = purchases.concern(request.detail)
    if concern:
        text = purchases.body(request.detail, concern, request.account, request.region)
        Topic(setting("TOPIC_ARN")).publish(purchases.subject(request.detail), text)
    return Inspection(concern=concern)


handler = step("Inspect purchase", InspectPurchaseRequest)(inspect_purchase)
