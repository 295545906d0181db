"""What a person hears and sees: the topic, the alarms and the dashboard.

It knows the pipeline by name only: no export ties the two, so that a function can be renamed or
removed without the one stack holding the other.
"""

from __future__ import annotations

from collections.abc import Sequence

import aws_cdk as cdk
from aws_cdk import CfnOutput, Duration, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from constructs import Construct

from stacks.environment import Environment
from stacks.functions import STEPS, Step
from stacks.names import Names
from stacks.storage_stack import StorageStack

_PERIOD = Duration.minutes(5)
_WIDTH = 12


class OperationsStack(Stack):
    """Watches one environment's pipeline."""

    def __init__(  # noqa: PLR0913  # keyword-only, each from another file
        self,
        scope: Construct,
        construct_id: str,
        *,
        environment: Environment,
        storage: StorageStack,
        env: cdk.Environment,
        tags: dict[str, str],
    ) -> None:
        super().__init__(
            scope,
            construct_id,
            description="Fine-tuning on Amazon Bedrock: notifications, alarms and dashboard",
            env=env,
            tags=tags,
            termination_protection=environment.storage.retain,
        )
        self._names = Names(environment.name)
        self.topic = self._topic(environment, storage)
        self._alarms()
        self._dashboard()
        CfnOutput(self, "TopicArn", value=self.topic.topic_arn, description="Subscribe to runs")

    def _topic(self, environment: Environment, storage: StorageStack) -> sns.Topic:
        topic = sns.Topic(
            self,
            "Topic",
            topic_name=self._names.of("notifications"),
            display_name=self._names.state_machine,
            enforce_ssl=True,
            master_key=storage.key,
        )
        # enforceSSL gives the topic a policy, in which only what stands is allowed to services.
        topic.add_to_resource_policy(self._alarms_may_publish(topic))
        for email in environment.notifications.emails:
            topic.add_subscription(subscriptions.EmailSubscription(email))
        return topic

    def _alarms_may_publish(self, topic: sns.Topic) -> iam.PolicyStatement:
        return iam.PolicyStatement(
            sid="AlarmsMayPublish",
            principals=[iam.ServicePrincipal("cloudwatch.amazonaws.com")],
            actions=["sns:Publish"],
            resources=[topic.topic_arn],
            conditions={"StringEquals": {"aws:SourceAccount": self.account}},
        )

    def _alarms(self) -> None:
        guard = self._names.of("guard")
        watched = {
            "executions-failed": self._executions("Failed"),
            "executions-timed-out": self._executions("TimedOut"),
            "executions-aborted": self._executions("Aborted"),
            "guard-failed": self._executions("Failed", guard),
            "guard-timed-out": self._executions("TimedOut", guard),
            "guard-undelivered": self._undelivered(),
        }
        for what, metric in watched.items():
            self._alarm(what, metric)
        for step in STEPS:
            self._alarm(f"{step.slug}-errors", self._function(step, "Errors"))

    def _alarm(self, what: str, metric: cloudwatch.Metric) -> None:
        alarm = cloudwatch.Alarm(
            self,
            what.title().replace("-", ""),
            alarm_name=self._names.of(what),
            alarm_description=_ADVICE.get(what, _FUNCTION_ADVICE),
            metric=metric,
            threshold=1,
            evaluation_periods=1,
            comparison_operator=(cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD),
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
        )
        alarm.add_alarm_action(actions.SnsAction(self.topic))

    def _dashboard(self) -> None:
        # An alarm's metric with a label becomes an expression; so labels are put on here.
        ends = [
            self._executions(each).with_(label=each)
            for each in ("Succeeded", "Failed", "TimedOut", "Aborted")
        ]
        took = self._executions("Time", statistic="Maximum").with_(label="Longest")
        cloudwatch.Dashboard(
            self,
            "Dashboard",
            dashboard_name=self._names.state_machine,
            default_interval=Duration.days(7),
            widgets=[
                [_graph("Executions", ends), _graph("Duration of executions", [took])],
                [self._functions("Errors", "Sum"), self._functions("Duration", "Maximum")],
            ],
        )

    def _functions(self, metric: str, statistic: str) -> cloudwatch.GraphWidget:
        metrics = [self._function(step, metric, statistic).with_(label=step.name) for step in STEPS]
        return _graph(f"{metric} of functions", metrics)

    def _executions(
        self, ended: str, machine: str | None = None, statistic: str = "Sum"
    ) -> cloudwatch.Metric:
        name = machine or self._names.state_machine
        arn = f"arn:aws:states:{self.region}:{self.account}:stateMachine:{name}"
        metric = f"Execution{ended}" if ended == "Time" else f"Executions{ended}"
        return _metric("AWS/States", metric, {"StateMachineArn": arn}, statistic)

    def _function(self, step: Step, metric: str, statistic: str = "Sum") -> cloudwatch.Metric:
        name = self._names.of(step.slug)
        return _metric("AWS/Lambda", metric, {"FunctionName": name}, statistic)

    def _undelivered(self) -> cloudwatch.Metric:
        queue = {"QueueName": self._names.of("guard-undelivered")}
        visible = "ApproximateNumberOfMessagesVisible"
        return _metric("AWS/SQS", visible, queue, "Maximum")


def _metric(
    namespace: str, name: str, dimensions: dict[str, str], statistic: str
) -> cloudwatch.Metric:
    return cloudwatch.Metric(
        namespace=namespace,
        metric_name=name,
        dimensions_map=dimensions,
        statistic=statistic,
        period=_PERIOD,
    )


def _graph(title: str, metrics: Sequence[cloudwatch.Metric]) -> cloudwatch.GraphWidget:
    return cloudwatch.GraphWidget(title=title, left=[*metrics], width=_WIDTH)


_FUNCTION_ADVICE = "A function raised an error; the run may have gone on after a retry. See its log"
_ADVICE = {
    "executions-failed": "A run ended as Failed: its cause says what to do",
    "executions-timed-out": "A run outlived the machine's limit; the guard cleans up after it",
    "executions-aborted": "A run was stopped by hand; the guard cleans up after it",
    "guard-failed": "The guard could not clean up after a run: A THROUGHPUT MAY STILL BILL",
    "guard-timed-out": "The guard could not clean up after a run: A THROUGHPUT MAY STILL BILL",
    "guard-undelivered": "The guard was not told of an abnormal end: A THROUGHPUT MAY STILL BILL",
}
