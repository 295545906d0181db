"""The metrics that alarms and dashboard look at, found by the names of what they measure."""

from __future__ import annotations

from typing import Literal

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch

from lambdas.domain.run.names import PROJECT
from stacks.constructs.stack import EnvironmentStack
from stacks.constructs.step import Step

_PERIOD = Duration.minutes(5)


class Metrics:
    """One environment's metrics, in the account and region of `stack`."""

    def __init__(self, stack: EnvironmentStack) -> None:
        self._stack = stack
        self._names = stack.names

    def executions(
        self, ended: Literal["Succeeded", "Failed", "TimedOut", "Aborted"], of: str | None = None
    ) -> cloudwatch.Metric:
        """Return how many executions ended so, of the machine called `of` or the one that runs."""
        return self._machine(f"Executions{ended}", of, "Sum")

    def longest_execution(self) -> cloudwatch.Metric:
        return self._machine("ExecutionTime", None, "Maximum")

    def function(self, step: Step, metric: str, statistic: str = "Sum") -> cloudwatch.Metric:
        name = self._names.of(step.slug)
        return _metric("AWS/Lambda", metric, {"FunctionName": name}, statistic)

    def undelivered(self) -> cloudwatch.Metric:
        """Return how many events of abnormal ends did not reach the guard."""
        queue = {"QueueName": self._names.of("guard-undelivered")}
        return _metric("AWS/SQS", "ApproximateNumberOfMessagesVisible", queue, "Maximum")

    def recorded(self, name: str, statistic: str = "Maximum") -> cloudwatch.Metric:
        """Return a metric that the functions record themselves, with every pass of the reaper."""
        dimensions = {"environment": self._stack.config.name, "service": PROJECT}
        period = Duration.minutes(self._stack.config.spending.reap_every_minutes)
        return _metric(PROJECT, name, dimensions, statistic).with_(period=period)

    def _machine(self, metric: str, of: str | None, statistic: str) -> cloudwatch.Metric:
        stack = self._stack
        arn = self._names.machine_arn(account=stack.account, region=stack.region, of=of)
        return _metric("AWS/States", metric, {"StateMachineArn": arn}, statistic)


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
