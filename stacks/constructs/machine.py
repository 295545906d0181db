"""What the state machines have in common: kind, language, logs, traces and a role of their own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from aws_cdk import Duration, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from stacks.constructs.access import Access
from stacks.constructs.findings import explain
from stacks.constructs.log_group import make_log_group
from stacks.constructs.permission import IamArn, Permission, every_resource, trace
from stacks.constructs.role import make_role

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
_VERSIONS = "a run under way calls the versions that it began with"
_TRACE = trace("GetSamplingRules", "GetSamplingTargets", "PutTelemetryRecords", "PutTraceSegments")


class Machine(Construct):
    """A standard state machine whose role may invoke `functions`, and has `permissions`."""

    def __init__(  # noqa: PLR0913  # keyword-only, each a property of the machine
        self,
        scope: Construct,
        *,
        access: Access,
        name: str,
        start: sfn.IChainable,
        functions: Sequence[lambda_.Function],
        timeout: Duration,
        permissions: Sequence[Permission] = (),
    ) -> None:
        super().__init__(scope, "Machine")
        tracing = access.environment.functions.tracing
        self.machine = sfn.StateMachine(
            self,
            "StateMachine",
            state_machine_name=name,
            definition_body=sfn.DefinitionBody.from_chainable(start),
            query_language=sfn.QueryLanguage.JSONATA,
            timeout=timeout,
            role=self._role(name, functions, permissions, tracing=tracing),
            tracing_enabled=tracing,
            logs=self._logs(access, name),
        )
        # The construct's own policy for a Distributed Map, which is attached to nothing.
        self.machine.node.try_remove_child("DistributedMapPolicy")
        if not tracing:
            explain(self.machine, "SF2", "this environment is not traced")

    def _logs(self, access: Access, machine: str) -> sfn.LogOptions:
        # AWS keeps the permissions of all log groups in one policy of limited size, except for
        # groups whose names begin like this.
        name = f"/aws/vendedlogs/states/{machine}"
        return sfn.LogOptions(
            destination=make_log_group(self, "Logs", access=access, name=name),
            level=sfn.LogLevel.ALL,
            # Children of a review are given training data, and a run's settings hold a prompt. The
            # history of an execution has both, for as long as Step Functions keeps it.
            include_execution_data=False,
        )

    def _role(
        self,
        name: str,
        functions: Sequence[lambda_.Function],
        permissions: Sequence[Permission],
        *,
        tracing: bool,
    ) -> iam.IRole:
        invoked = [arn for function in functions for arn in self._all_versions(function)]
        return make_role(
            self,
            "Role",
            description=f"State machine {name}",
            assumed_by=iam.ServicePrincipal("states.amazonaws.com"),
            policy="machine",
            permissions=[
                Permission(["lambda:InvokeFunction"], invoked),
                Permission(_DELIVER_LOGS, every_resource("setting up log delivery")),
                *permissions,
                *([_TRACE] if tracing else []),
            ],
        )

    def _all_versions(self, function: lambda_.Function) -> list[IamArn]:
        # By its name as text: of a reference, nobody could say why it ends with a wildcard.
        name = cast("lambda_.CfnFunction", function.node.default_child).function_name
        stack = Stack.of(self)
        arn = f"arn:aws:lambda:{stack.region}:{stack.account}:function:{name}"
        return [IamArn(arn), IamArn(f"{arn}:*", _VERSIONS)]
