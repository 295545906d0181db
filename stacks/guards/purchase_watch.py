"""A detective rule: mails when anyone in the account buys a commitment, or untagged throughput.

EventBridge gets such calls from CloudTrail: without a trail that records management events in
this region, there are none.
"""

from __future__ import annotations

from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from stacks.constructs.stack import EnvironmentStack


class PurchaseWatch(Construct):
    """The rule; its function decides which purchase is worth a mail."""

    def __init__(self, stack: EnvironmentStack, inspect_purchase: lambda_.IFunction) -> None:
        super().__init__(stack, "PurchaseWatch")
        rule = events.Rule(
            self,
            "Rule",
            rule_name=stack.names.of("purchases"),
            description="Every purchase of provisioned throughput in the account, by CloudTrail",
            event_pattern=events.EventPattern(
                source=["aws.bedrock"],
                detail_type=["AWS API Call via CloudTrail"],
                detail={
                    "eventSource": ["bedrock.amazonaws.com"],
                    "eventName": ["CreateProvisionedModelThroughput"],
                },
            ),
        )
        field = events.EventField
        event = events.RuleTargetInput.from_object(
            {
                "detail": field.from_path("$.detail"),
                "account": field.account,
                "region": field.region,
            }
        )
        rule.add_target(targets.LambdaFunction(inspect_purchase, event=event))
