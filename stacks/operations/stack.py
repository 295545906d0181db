"""Notifications and monitoring: the topic, the alarms, the dashboard and the budget.

It refers to the pipeline by name only: without an export, a function can be renamed or removed
without one stack blocking the other.
"""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import CfnOutput
from aws_cdk import aws_kms as kms

from stacks.constructs.stack import EnvironmentStack
from stacks.environment import Environment
from stacks.guards.steps import guard_steps
from stacks.operations.alarms import Alarms
from stacks.operations.budget import Budget
from stacks.operations.dashboard import add_dashboard
from stacks.operations.metrics import Metrics
from stacks.operations.topic import add_topic
from stacks.pipeline.steps import PIPELINE_STEPS


class OperationsStack(EnvironmentStack):
    """Watches one environment's pipeline."""

    def __init__(self, app: cdk.App, environment: Environment, *, key: kms.IKey | None) -> None:
        super().__init__(
            app, environment, "operations", description="notifications, alarms and dashboard"
        )
        topic = add_topic(self, key)
        metrics = Metrics(self)
        Alarms(self, metrics, topic).add_all()
        add_dashboard(self, metrics, [*PIPELINE_STEPS, *guard_steps(environment)])
        Budget(self, topic)
        CfnOutput(self, "TopicArn", value=topic.topic_arn, description="Subscribe to runs")
