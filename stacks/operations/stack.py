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

from stacks.constructs.steps import GUARD_STEPS, PIPELINE_STEPS, Step
from stacks.environment import Environment
from stacks.guards.stack import guard_steps
from stacks.names import PROJECT, Names
from stacks.operations.budget import Budget
from stacks.storage.stack import StorageStack

_PERIOD = Duration.minutes(5)
_WIDTH = 12
_NARROW = 8


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
        self._environment = environment
        self._names = Names(environment.name)
        self._steps = (*PIPELINE_STEPS, *guard_steps(environment))
        self.topic = self._topic(environment, storage)
        self._alarms()
        self._dashboard()
        Budget(self, "Budget", environment=environment, topic=self.topic)
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
        for service in ("cloudwatch", "budgets"):
            topic.add_to_resource_policy(self._may_publish(service, topic))
        for email in environment.notifications.emails:
            topic.add_subscription(subscriptions.EmailSubscription(email))
        return topic

    def _may_publish(self, service: str, topic: sns.Topic) -> iam.PolicyStatement:
        return iam.PolicyStatement(
            sid=f"{service.title()}MayPublish",
            principals=[iam.ServicePrincipal(f"{service}.amazonaws.com")],
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
        # A run whose function failed says so itself; those that watch over runs have only this.
        for step in guard_steps(self._environment):
            self._alarm(f"{step.slug}-errors", self._function(step, "Errors"))
        self._alarm("left-behind", self._figure("LeftBehind"), passes=2)
        self._reaper_is_silent()

    def _reaper_is_silent(self) -> None:
        [reaper] = [step for step in GUARD_STEPS if step.name == "Reap leftovers"]
        calls = self._function(reaper, "Invocations").with_(period=Duration.hours(1))
        cloudwatch.Alarm(
            self,
            "ReaperSilent",
            alarm_name=self._names.of("reaper-silent"),
            alarm_description="The reaper has not been called for an hour: look at its rule",
            metric=calls,
            threshold=1,
            evaluation_periods=1,
            comparison_operator=cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD,
            treat_missing_data=cloudwatch.TreatMissingData.BREACHING,
        ).add_alarm_action(actions.SnsAction(self.topic))

    def _alarm(self, what: str, metric: cloudwatch.Metric, *, passes: int = 1) -> None:
        alarm = cloudwatch.Alarm(
            self,
            what.title().replace("-", ""),
            alarm_name=self._names.of(what),
            alarm_description=_ADVICE.get(what, _FUNCTION_ADVICE),
            metric=metric,
            threshold=1,
            evaluation_periods=passes,
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
                self._money(),
                [_graph("Executions", ends), _graph("Duration of executions", [took])],
                [self._functions("Errors", "Sum"), self._functions("Duration", "Maximum")],
            ],
        )

    def _money(self) -> list[cloudwatch.IWidget]:
        now = [self._figure("ThroughputsAlive").with_(label="alive")]
        age = [self._figure("OldestThroughputMinutes").with_(label="oldest, minutes")]
        late = [
            self._figure("HostingOverdue").with_(label="past release-by"),
            self._figure("LeftBehind").with_(label="could not be deleted"),
        ]
        month = Duration.days(30)
        spent = [
            self._figure(name, "Sum").with_(label=label, period=month)
            for name, label in (("QuotedUsd", "as quoted"), ("MeteredUsd", "as metered"))
        ]
        values = cloudwatch.SingleValueWidget
        return [
            values(title="Throughputs now", metrics=[*now, *age], width=_NARROW),
            _graph("Throughputs to be released", late, _NARROW),
            values(title="US dollars in 30 days", metrics=spent, width=_NARROW, period=month),
        ]

    def _figure(self, name: str, statistic: str = "Maximum") -> cloudwatch.Metric:
        dimensions = {"environment": self._environment.name, "service": PROJECT}
        period = Duration.minutes(self._environment.spending.reap_every_minutes)
        return _metric(PROJECT, name, dimensions, statistic).with_(period=period)

    def _functions(self, metric: str, statistic: str) -> cloudwatch.GraphWidget:
        metrics = [
            self._function(step, metric, statistic).with_(label=step.name) for step in self._steps
        ]
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


def _graph(
    title: str, metrics: Sequence[cloudwatch.Metric], width: int = _WIDTH
) -> cloudwatch.GraphWidget:
    return cloudwatch.GraphWidget(title=title, left=[*metrics], width=width)


_FUNCTION_ADVICE = "A function that watches over runs raised an error: see its log"
_ADVICE = {
    "executions-failed": "A run ended as Failed: its cause says what to do",
    "executions-timed-out": "A run outlived the machine's limit; the guard cleans up after it",
    "executions-aborted": "A run was stopped by hand; the guard cleans up after it",
    "guard-failed": "The guard could not clean up after a run: A THROUGHPUT MAY STILL BILL",
    "guard-timed-out": "The guard could not clean up after a run: A THROUGHPUT MAY STILL BILL",
    "left-behind": "Capacity survived two passes of the reaper: IT STILL BILLS. See its mail",
    "guard-undelivered": "The guard was not told of an abnormal end: A THROUGHPUT MAY STILL BILL",
}
