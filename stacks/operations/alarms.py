"""The alarms: what a person must know and no run reports."""

from __future__ import annotations

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_sns as sns

from stacks.constructs.stack import EnvironmentStack
from stacks.guards.steps import REAP_LEFTOVERS, guard_steps
from stacks.operations.metrics import Metrics

_FAILED = "A run ended as Failed: its cause says what to do"
_TIMED_OUT = "A run outlived the machine's limit; the guard cleans up after it"
_ABORTED = "A run was stopped by hand; the guard cleans up after it"
_GUARD_FAILED = "The guard could not clean up after a run: A THROUGHPUT OR A JOB MAY STILL BILL"
_UNDELIVERED = (
    "The guard did not receive the event of an abnormal end: A THROUGHPUT OR A JOB MAY STILL BILL"
)
_FUNCTION_ERRORS = "A function that watches over runs raised an error: see its log"
_LEFT_BEHIND = "Hosting or a job survived two passes of the reaper: IT MAY STILL BILL. See its mail"


class Alarms:
    """Alarms of `stack`, each of which tells the topic."""

    def __init__(self, stack: EnvironmentStack, metrics: Metrics, topic: sns.ITopic) -> None:
        self._stack = stack
        self._metrics = metrics
        self._topic = topic

    def add_all(self) -> None:
        self._of_executions()
        # A run reports its own failed function; for the guards there is only this.
        for step in guard_steps(self._stack.config):
            metric = self._metrics.function(step, "Errors")
            self._alarm(f"{step.slug}-errors", metric, _FUNCTION_ERRORS)
        self._alarm("left-behind", self._metrics.recorded("LeftBehind"), _LEFT_BEHIND, periods=2)
        self._reaper_silent()

    def _of_executions(self) -> None:
        ended, alarm = self._metrics.executions, self._alarm
        alarm("executions-failed", ended("Failed"), _FAILED)
        alarm("executions-timed-out", ended("TimedOut"), _TIMED_OUT)
        alarm("executions-aborted", ended("Aborted"), _ABORTED)
        alarm("guard-failed", ended("Failed", "guard"), _GUARD_FAILED)
        alarm("guard-timed-out", ended("TimedOut", "guard"), _GUARD_FAILED)
        alarm("guard-undelivered", self._metrics.undelivered(), _UNDELIVERED)

    def _alarm(
        self, name: str, metric: cloudwatch.Metric, advice: str, *, periods: int = 1
    ) -> None:
        """Alarm when the metric is 1 or more in each of `periods` periods."""
        alarm = cloudwatch.Alarm(
            self._stack,
            name.title().replace("-", ""),
            alarm_name=self._stack.names.of(name),
            alarm_description=advice,
            metric=metric,
            threshold=1,
            evaluation_periods=periods,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
        )
        alarm.add_alarm_action(actions.SnsAction(self._topic))

    def _reaper_silent(self) -> None:
        calls = self._metrics.function(REAP_LEFTOVERS, "Invocations")
        cloudwatch.Alarm(
            self._stack,
            "ReaperSilent",
            alarm_name=self._stack.names.of("reaper-silent"),
            alarm_description="The reaper was not invoked for an hour: check its EventBridge rule",
            metric=calls.with_(period=Duration.hours(1)),
            threshold=1,
            evaluation_periods=1,
            comparison_operator=cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD,
            treat_missing_data=cloudwatch.TreatMissingData.BREACHING,
        ).add_alarm_action(actions.SnsAction(self._topic))
