"""What works: Bedrock's role, one function a state, the state machine and its guard."""

from __future__ import annotations

from collections.abc import Mapping

import aws_cdk as cdk
from aws_cdk import CfnOutput, Stack
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from stacks.access import Access
from stacks.bedrock_service_role import BedrockServiceRole
from stacks.environment import Environment
from stacks.function_factory import FunctionFactory
from stacks.functions import STEPS
from stacks.grants import Grants
from stacks.guard import Guard
from stacks.machine import Machine
from stacks.names import Names
from stacks.storage_stack import StorageStack
from stacks.target import Target
from stacks.workflow import Workflow, timeout


class PipelineStack(Stack):
    """One environment's state machine, ready to be started from the console."""

    def __init__(  # noqa: PLR0913  # keyword-only, each from another file
        self,
        scope: Construct,
        construct_id: str,
        *,
        environment: Environment,
        target: Target,
        storage: StorageStack,
        env: cdk.Environment,
        tags: dict[str, str],
    ) -> None:
        super().__init__(
            scope,
            construct_id,
            description="Fine-tuning on Amazon Bedrock: the state machine and its functions",
            env=env,
            tags=tags,
            termination_protection=environment.storage.retain,
        )
        self._environment = environment
        self._names = Names(environment.name)
        self._storage = storage
        self._access = self._make_access()
        self._service_role = BedrockServiceRole(self, "BedrockServiceRole", access=self._access)
        self.functions = self._make_functions(target)
        self.machine = self._make_machine()
        self.guard = Guard(
            self,
            "Guard",
            environment=environment,
            watched=self.machine,
            stop_run=self.functions["Stop run"],
        )
        self._outputs()

    def _make_access(self) -> Access:
        key = self._storage.key
        return Access(
            environment=self._environment.name,
            region=self.region,
            account=self.account,
            bucket_arn=f"arn:aws:s3:::{self._bucket_name}",
            key_arn=key.key_arn if key else None,
        )

    @property
    def _bucket_name(self) -> str:
        # By name, not by export: policies then say in plain words what they allow.
        return self._names.bucket(account=self.account, region=self.region)

    def _make_functions(self, target: Target) -> dict[str, lambda_.Function]:
        factory = FunctionFactory(
            self,
            "Functions",
            environment=self._environment,
            target=target,
            variables={
                "ENVIRONMENT": self._environment.name,
                "ARTEFACT_BUCKET": self._bucket_name,
            },
        )
        grants = Grants(
            access=self._access,
            service_role_arn=self._service_role.role.role_arn,
            topic_arn=self._topic_arn,
        )
        variables = self._variables()
        return {
            step.name: factory.make(
                step, statements=grants.of(step.name), variables=variables.get(step.name, {})
            )
            for step in STEPS
        }

    @property
    def _topic_arn(self) -> str:
        # By its name: the operations stack, which owns the topic, watches this one and comes later.
        return f"arn:aws:sns:{self.region}:{self.account}:{self._names.of('notifications')}"

    def _variables(self) -> Mapping[str, Mapping[str, str]]:
        """Return what single functions are told beside the common variables."""
        role = {"SERVICE_ROLE_ARN": self._service_role.role.role_arn}
        key = {"MODEL_KMS_KEY_ARN": self._access.key_arn} if self._access.key_arn else {}
        defaults = self._environment.defaults.model_dump_json()
        return {
            "Check preflight": {**role, "EXECUTION_DEFAULTS": defaults},
            "Start training": {**role, **key},
            "Notify": {"TOPIC_ARN": self._topic_arn},
        }

    def _make_machine(self) -> cdk.aws_stepfunctions.StateMachine:
        called = {name: each for name, each in self.functions.items() if name != "Stop run"}
        workflow = Workflow(self, "Workflow", functions=called)
        return Machine(
            self,
            "Machine",
            environment=self._environment,
            name=self._names.state_machine,
            start=workflow.start,
            functions=[*called.values()],
            timeout=timeout(),
        ).machine

    def _outputs(self) -> None:
        arn = self.machine.state_machine_arn
        console = f"https://{self.region}.console.aws.amazon.com/states/home?region={self.region}"
        CfnOutput(self, "StateMachineArn", value=arn, description="Start an execution with {}")
        CfnOutput(
            self,
            "StateMachineConsole",
            value=f"{console}#/statemachines/view/{arn}",
            description="Start execution is on this page",
        )
