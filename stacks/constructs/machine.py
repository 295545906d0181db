"""What the state machines have in common: kind, language, logs, traces and a role of their own."""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import Duration
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from stacks.constructs.findings import explain
from stacks.constructs.log_group import make_log_group
from stacks.constructs.permission import Arn, Permission, every_resource, trace
from stacks.constructs.role import make_role
from stacks.environment import Environment

_DELIVER_LOGS = [
    "logs:CreateLogDelivery",
    "logs:DeleteLogDelivery",
    "logs:DescribeLogGroups",
    "logs:DescribeResourcePolicies",
    "logs:GetLogDelivery",
    "logs:ListLogDeliveries",
    "logs:PutResourcePolicy",
    "logs:UpdateLogDelivery",
]
_LOG_DELIVERY = "setting up the delivery of logs knows no resource"
_TRACE = (
    "GetSamplingRules",
    "GetSamplingTargets",
    "PutTelemetryRecords",
    "PutTraceSegments",
)


class Machine(Construct):
    """A standard state machine that may invoke exactly the functions that it names.

    `permissions` are what its role may do besides.
    """

    def __init__(  # noqa: PLR0913  # keyword-only, each a property of the machine
        self,
        scope: Construct,
        construct_id: str,
        *,
        environment: Environment,
        name: str,
        start: sfn.IChainable,
        functions: Sequence[lambda_.IFunction],
        timeout: Duration,
        permissions: Sequence[Permission] = (),
    ) -> None:
        super().__init__(scope, construct_id)
        tracing = environment.functions.tracing
        self.machine = sfn.StateMachine(
            self,
            "StateMachine",
            state_machine_name=name,
            definition_body=sfn.DefinitionBody.from_chainable(start),
            query_language=sfn.QueryLanguage.JSONATA,
            timeout=timeout,
            role=self._role(name, functions, permissions, tracing=tracing),
            tracing_enabled=tracing,
            logs=sfn.LogOptions(
                # AWS gathers the permissions of all log groups in one small policy, except for
                # those whose names begin so.
                destination=make_log_group(
                    self,
                    "Logs",
                    environment=environment,
                    name=f"/aws/vendedlogs/states/{name}",
                ),
                level=sfn.LogLevel.ALL,
                include_execution_data=True,
            ),
        )
        # The construct's own policy for a Distributed Map, which is attached to nothing.
        self.machine.node.try_remove_child("DistributedMapPolicy")
        if not tracing:
            explain(self.machine, "SF2", "this environment is not traced")

    def _role(
        self,
        name: str,
        functions: Sequence[lambda_.IFunction],
        permissions: Sequence[Permission],
        *,
        tracing: bool,
    ) -> iam.IRole:
        invoked = [Arn(function.function_arn) for function in functions]
        return make_role(
            self,
            "Role",
            description=f"State machine {name}",
            assumed_by=iam.ServicePrincipal("states.amazonaws.com"),
            policy="machine",
            permissions=[
                Permission(["lambda:InvokeFunction"], invoked),
                Permission(_DELIVER_LOGS, every_resource(_LOG_DELIVERY)),
                *permissions,
                *([trace(*_TRACE)] if tracing else []),
            ],
        )
