"""The pipeline: Bedrock's role, a function per state, the machine, and approving its spend."""

from __future__ import annotations

from dataclasses import replace

import aws_cdk as cdk
from aws_cdk import CfnOutput
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_stepfunctions as sfn

from lambdas.domain.run.console import state_machine_url
from stacks.constructs.access import Access
from stacks.constructs.functions import LambdaFunctions
from stacks.constructs.machine import Machine
from stacks.constructs.stack import EnvironmentStack
from stacks.constructs.target import Target
from stacks.environment import Environment
from stacks.pipeline.bedrock_service_role import BedrockServiceRole
from stacks.pipeline.decide_spend import DecideSpend
from stacks.pipeline.review_data import review_data_permissions
from stacks.pipeline.steps import PIPELINE_STEPS
from stacks.pipeline.workflow import Workflow, timeout


class PipelineStack(EnvironmentStack):
    """One environment's state machine, ready to be started from the console."""

    def __init__(
        self, app: cdk.App, environment: Environment, *, target: Target, key_arn: str | None
    ) -> None:
        super().__init__(
            app, environment, "pipeline", description="the state machine and its functions"
        )
        access = Access(environment, self.account, key_arn)
        service_role = BedrockServiceRole(self, access)
        functions = LambdaFunctions(
            self,
            steps=PIPELINE_STEPS,
            access=replace(access, service_role_arn=service_role.arn),
            target=target,
            shared=["ENVIRONMENT", "ARTEFACT_BUCKET"],
        ).by_name
        decide_spend = functions.pop("Decide spend")
        machine = self._machine(functions, access)
        decisions = DecideSpend(self, access, decide_spend).machine
        self._outputs(access, machine.state_machine_arn, decisions.state_machine_arn)

    def _machine(self, functions: dict[str, lambda_.Function], access: Access) -> sfn.StateMachine:
        workflow = Workflow(self, functions)
        return Machine(
            self,
            access=access,
            name=self.names.state_machine,
            start=workflow.start,
            functions=[*functions.values()],
            timeout=timeout(),
            permissions=review_data_permissions(access),
        ).machine

    def _outputs(self, access: Access, machine: str, decide: str) -> None:
        CfnOutput(self, "StateMachineArn", value=machine, description="Start an execution with {}")
        CfnOutput(self, "DecideSpendArn", value=decide, description="Approve or reject a quote")
        CfnOutput(
            self,
            "StateMachineConsole",
            value=state_machine_url(access.machine_arn),
            description="Start execution is on this page",
        )
