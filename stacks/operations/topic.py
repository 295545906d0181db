"""The topic that mails, alarms and the budget go to."""

from __future__ import annotations

from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions

from stacks.constructs.stack import EnvironmentStack


def add_topic(stack: EnvironmentStack, key: kms.IKey | None) -> sns.Topic:
    topic = sns.Topic(
        stack,
        "Topic",
        topic_name=stack.names.of("notifications"),
        display_name=stack.names.state_machine,
        enforce_ssl=True,
        master_key=key,
    )
    # enforceSSL gives the topic a policy, and then a service may only do what it allows.
    for service in ("cloudwatch", "budgets"):
        topic.add_to_resource_policy(_may_publish(service, topic, account=stack.account))
    for email in stack.config.notifications.emails:
        topic.add_subscription(subscriptions.EmailSubscription(email))
    return topic


def _may_publish(service: str, topic: sns.Topic, *, account: str) -> iam.PolicyStatement:
    return iam.PolicyStatement(
        sid=f"{service.title()}MayPublish",
        principals=[iam.ServicePrincipal(f"{service}.amazonaws.com")],
        actions=["sns:Publish"],
        resources=[topic.topic_arn],
        conditions={"StringEquals": {"aws:SourceAccount": account}},
    )
