"""What the state machines have in common: kind, language, logs, traces and a role of their own."""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import Duration
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from stacks.constructs.access import allow
from stacks.constructs.functions import log_group
from stacks.environment import Environment

# Delivering logs is set up by these calls, for which AWS takes no resource but all.
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
_TRACE = [
    "xray:GetSamplingRules",
    "xray:GetSamplingTargets",
    "xray:PutTelemetryRecords",
    "xray:PutTraceSegments",
]


class Machine(Construct):
    """A standard state machine that may invoke exactly the functions that it names.

    `more` is what else its role may do.
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
        more: Sequence[iam.PolicyStatement] = (),
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
            role=self._role(name, functions, more, tracing=tracing).without_policy_updates(),
            tracing_enabled=tracing,
            logs=sfn.LogOptions(
                # AWS gathers the permissions of all log groups in one small policy, except for
                # those whose names begin so.
                destination=log_group(
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

    def _role(
        self,
        name: str,
        functions: Sequence[lambda_.IFunction],
        more: Sequence[iam.PolicyStatement],
        *,
        tracing: bool,
    ) -> iam.Role:
        arns = [function.function_arn for function in functions]
        statements = [allow(["lambda:InvokeFunction"], arns), allow(_DELIVER_LOGS, ["*"]), *more]
        if tracing:
            statements.append(allow(_TRACE, ["*"]))
        return iam.Role(
            self,
            "Role",
            description=f"State machine {name}",
            assumed_by=iam.ServicePrincipal("states.amazonaws.com"),
            inline_policies={"machine": iam.PolicyDocument(statements=statements)},
        )
