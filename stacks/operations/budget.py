"""A monthly AWS Budget for what carries the environment's tag.

It counts what is billed under the tag, once that is activated as a cost allocation tag in the
Billing console: throughput, custom models and the stacks' own resources. On-demand tokens carry no
tag and are not included.
"""

from __future__ import annotations

from aws_cdk import aws_budgets as budgets
from aws_cdk import aws_sns as sns
from constructs import Construct

from lambdas.domain.run import tags
from stacks.constructs.stack import EnvironmentStack

_WARN_PERCENT = 80
_FORECAST_PERCENT = 100


class Budget(Construct):
    """Notifies at 80 % of the limit spent, and at 100 % forecast."""

    def __init__(self, stack: EnvironmentStack, topic: sns.ITopic) -> None:
        super().__init__(stack, "Budget")
        environment = stack.config
        # Without a name: a change of notifications replaces it, and its name would be taken.
        budgets.CfnBudget(
            self,
            "Monthly",
            budget={
                "budgetType": "COST",
                "timeUnit": "MONTHLY",
                "budgetLimit": {
                    "amount": environment.spending.monthly_budget_usd,
                    "unit": "USD",
                },
                "costFilters": {"TagKeyValue": [f"user:{tags.ENVIRONMENT}${environment.name}"]},
            },
            notifications_with_subscribers=[
                _notification("ACTUAL", _WARN_PERCENT, topic),
                _notification("FORECASTED", _FORECAST_PERCENT, topic),
            ],
        )


def _notification(
    kind: str, percent: float, topic: sns.ITopic
) -> budgets.CfnBudget.NotificationWithSubscribersProperty:
    return budgets.CfnBudget.NotificationWithSubscribersProperty(
        notification=budgets.CfnBudget.NotificationProperty(
            notification_type=kind,
            comparison_operator="GREATER_THAN",
            threshold=percent,
            threshold_type="PERCENTAGE",
        ),
        subscribers=[
            budgets.CfnBudget.SubscriberProperty(subscription_type="SNS", address=topic.topic_arn)
        ],
    )
