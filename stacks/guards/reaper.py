"""The reaper: every few minutes, a function deletes what bills but should be gone.

All it needs of the runs are the tags that they put on what they buy.
"""

from __future__ import annotations

from aws_cdk import Duration
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from stacks.constructs.stack import EnvironmentStack


class Reaper(Construct):
    """The schedule; a failed pass is repeated twice at once, and again by the next event."""

    def __init__(self, stack: EnvironmentStack, reap_leftovers: lambda_.IFunction) -> None:
        super().__init__(stack, "Reaper")
        minutes = stack.config.spending.reap_every_minutes
        rule = events.Rule(
            self,
            "Schedule",
            rule_name=stack.names.of("reaper"),
            description=f"Every {minutes} minutes: hosting past its release-by, or of ended runs",
            schedule=events.Schedule.rate(Duration.minutes(minutes)),
        )
        now = events.RuleTargetInput.from_object({"now": events.EventField.time})
        rule.add_target(
            targets.LambdaFunction(
                reap_leftovers,
                event=now,
                retry_attempts=2,
                max_event_age=Duration.minutes(minutes),
            )
        )
