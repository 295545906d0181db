"""The guard outside the workflow: it cleans up after executions that could not do so themselves.

An execution that is aborted or times out runs no further state, and a few errors of the service
(States.Runtime, States.DataLimitExceeded) pass every catcher. So a rule on abnormal ends starts a
machine that asks until the job is stopped and the hosting released: while that is still being
created, AWS may refuse to delete it for half an hour.

It asks twice. Stopping an execution does not stop the function it had just called: one that was
about to buy, or to start the job, does so after the guard has looked.
"""

from __future__ import annotations

from aws_cdk import Duration
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sqs as sqs
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from lambdas.domain.run import tags
from stacks.constructs.access import Access
from stacks.constructs.findings import explain
from stacks.constructs.key import environment_key
from stacks.constructs.machine import Machine
from stacks.constructs.permission import IamArn, Permission
from stacks.constructs.retries import UNTIL_RELEASED
from stacks.constructs.role import make_role
from stacks.constructs.stack import EnvironmentStack
from stacks.constructs.task import NOTHING, REGION, RESULT, failure, invoke
from stacks.pipeline.steps import BUY_THROUGHPUT, CREATE_DEPLOYMENT, START_TRAINING

_ABNORMAL = ["ABORTED", "FAILED", "TIMED_OUT"]
_TIMEOUT = Duration.hours(3)
_MARGIN_SECONDS = 60
# All must have ended before the guard looks again.
_CREATORS = (START_TRAINING, BUY_THROUGHPUT, CREATE_DEPLOYMENT)
_UNDELIVERED_DAYS = 14
_EVENT = {
    "execution": "{% $states.context.Execution.Input.execution %}",
    "status": "{% $states.context.Execution.Input.status %}",
}


class Guard(Construct):
    """Rule, machine and a queue for events that could not be delivered to it."""

    def __init__(
        self,
        stack: EnvironmentStack,
        access: Access,
        *,
        stop_run: lambda_.Function,
        meter_stopped_run: lambda_.Function,
    ) -> None:
        super().__init__(stack, "Guard")
        names = stack.names
        self.machine = Machine(
            self,
            access=access,
            name=names.of("guard"),
            start=self._stop_run(stop_run, meter_stopped_run),
            functions=[stop_run, meter_stopped_run],
            timeout=_TIMEOUT,
        ).machine
        self.undelivered = self._queue(names.of("guard-undelivered"), environment_key(self, access))
        rule = events.Rule(
            self,
            "Rule",
            rule_name=names.of("abnormal-end"),
            description=f"Starts the guard when {names.state_machine} ends abnormally",
            event_pattern=_abnormal_ends(access.machine_arn),
        )
        rule.add_target(self._target())

    def _stop_run(self, function: lambda_.Function, meter: lambda_.Function) -> sfn.IChainable:
        left_behind = self._meter_after_failure(meter)
        longest = max(step.timeout_seconds for step in _CREATORS)
        wait = sfn.Wait.jsonata(
            self,
            "Wait for running functions",
            time=sfn.WaitTime.duration(Duration.seconds(longest + _MARGIN_SECONDS)),
        )
        first = self._ask("Stop run", function, "stopped")
        again = self._ask("Stop run again", function, "stopped_again")
        for task in (first, again):
            task.add_catch(
                left_behind, errors=["States.ALL"], assign={"failure": failure(task.state_id)}
            )
        return first.next(wait).next(again).next(self._unless_under_way(self._meter(meter)))

    def _unless_under_way(self, then: sfn.IChainable) -> sfn.Choice:
        """Do what follows unless the run goes on, and tells its cost itself."""
        goes_on = sfn.Condition.jsonata("{% $stopped_again.under_way %}")
        under_way = sfn.Succeed.jsonata(self, "Under way again", outputs="{% $stopped_again %}")
        return sfn.Choice.jsonata(self, "Is it over?").when(goes_on, under_way).otherwise(then)

    def _ask(self, name: str, function: lambda_.Function, result: str) -> sfn.TaskStateBase:
        return invoke(self, name, function, _EVENT, assign={result: RESULT}, retries=UNTIL_RELEASED)

    def _meter(self, function: lambda_.Function) -> sfn.TaskStateBase:
        released = "$stopped.release.found ? $stopped.release : $stopped_again.release"
        payload = {**_EVENT, "release": f"{{% {released} %}}"}
        meter = invoke(self, "Meter stopped run", function, payload)
        not_metered = sfn.Fail.jsonata(
            self,
            "Not metered",
            error="{% $failure.error %}",
            cause=(
                "{% 'the job is stopped and the hosting released; only what the run has cost "
                "could not be said: ' & $failure.cause & '. Cost Explorer has it, under the "
                f"tag {tags.ENVIRONMENT}' %}}"
            ),
        )
        meter.add_catch(
            not_metered, errors=["States.ALL"], assign={"failure": failure("Meter stopped run")}
        )
        return meter

    def _meter_after_failure(self, function: lambda_.Function) -> sfn.TaskStateBase:
        """Meter what may still bill at its most, and fail in any case."""
        left_behind = self._left_behind()
        name = "Meter stopped run after failure"
        meter = invoke(self, name, function, {**_EVENT, "release": NOTHING})
        meter.add_catch(left_behind, errors=["States.ALL"])
        meter.next(left_behind)
        return meter

    def _left_behind(self) -> sfn.Fail:
        # Whoever gets the alarm opens this execution: its cause says what to look for.
        return sfn.Fail.jsonata(
            self,
            "Something is left behind",
            error="{% $failure.error %}",
            cause=(
                f"{{% ($there := ' --region ' & {REGION}; "
                "'A CUSTOMIZATION JOB OR A THROUGHPUT MAY STILL BILL after ' & "
                "$states.context.Execution.Input.execution.arn & '. Look for them: aws bedrock "
                "list-provisioned-model-throughputs' & $there & '; aws bedrock "
                "list-custom-model-deployments' & $there & '; aws bedrock "
                "list-model-customization-jobs --status-equals InProgress' & $there & "
                "'. Cause: ' & $failure.cause) %}"
            ),
        )

    def _target(self) -> targets.SfnStateMachine:
        detail = events.EventField.from_path
        return targets.SfnStateMachine(
            self.machine,
            input=events.RuleTargetInput.from_object(
                {
                    "execution": {
                        "name": detail("$.detail.name"),
                        "arn": detail("$.detail.executionArn"),
                        "started_at": detail("$.detail.startDate"),
                    },
                    "status": detail("$.detail.status"),
                }
            ),
            role=self._start_role(),
            dead_letter_queue=self.undelivered,
            retry_attempts=185,
            max_event_age=Duration.hours(24),
        )

    def _start_role(self) -> iam.IRole:
        guard = IamArn(self.machine.state_machine_arn)
        return make_role(
            self,
            "StartRole",
            description="Lets the rule start the guard",
            assumed_by=iam.ServicePrincipal("events.amazonaws.com"),
            policy="start",
            permissions=[Permission(["states:StartExecution"], [guard])],
        )

    def _queue(self, name: str, key: kms.IKey | None) -> sqs.Queue:
        queue = sqs.Queue(
            self,
            "Undelivered",
            queue_name=name,
            encryption=sqs.QueueEncryption.KMS if key else sqs.QueueEncryption.SQS_MANAGED,
            encryption_master_key=key,
            enforce_ssl=True,
            retention_period=Duration.days(_UNDELIVERED_DAYS),
        )
        explain(queue, "SQS3", "it is a dead-letter queue, of a rule, which the check ignores")
        return queue


def _abnormal_ends(watched_arn: str) -> events.EventPattern:
    return events.EventPattern(
        source=["aws.states"],
        detail_type=["Step Functions Execution Status Change"],
        detail={"status": _ABNORMAL, "stateMachineArn": [watched_arn]},
    )
