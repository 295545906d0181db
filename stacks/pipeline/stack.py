"""What works: Bedrock's role, a function a state, the state machine, and approving its spend."""

from __future__ import annotations

import json
from collections.abc import Mapping

import aws_cdk as cdk
from aws_cdk import CfnOutput, Stack
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from stacks.constructs.access import access_from
from stacks.constructs.functions import FunctionFactory
from stacks.constructs.grants import Grants
from stacks.constructs.machine import Machine
from stacks.constructs.steps import PIPELINE_STEPS
from stacks.constructs.target import Target
from stacks.environment import Environment, Validation
from stacks.names import Names
from stacks.pipeline.bedrock_service_role import BedrockServiceRole
from stacks.pipeline.decide_spend import DecideSpend
from stacks.pipeline.workflow import Workflow, timeout
from stacks.storage.stack import StorageStack


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
        self._access = access_from(self, environment.name, storage.key)
        self._service_role = BedrockServiceRole(self, "BedrockServiceRole", access=self._access)
        self.functions = self._make_functions(target)
        self.machine = self._make_machine()
        self.decide_spend = DecideSpend(
            self,
            "DecideSpend",
            environment=environment,
            decide_spend=self.functions["Decide spend"],
        ).machine
        self._outputs()

    def _make_functions(self, target: Target) -> dict[str, lambda_.Function]:
        factory = FunctionFactory(
            self,
            "Functions",
            environment=self._environment,
            target=target,
            variables={
                "ENVIRONMENT": self._environment.name,
                "ARTEFACT_BUCKET": self._names.bucket(account=self.account, region=self.region),
            },
        )
        return factory.make_all(PIPELINE_STEPS, self._grants, self._variables())

    @property
    def _grants(self) -> Grants:
        return Grants(
            access=self._access,
            topic_arn=self._topic_arn,
            machine_arn=self._names.machine_arn(account=self.account, region=self.region),
            service_role_arn=self._service_role.role.role_arn,
            validation=self._environment.validation,
        )

    @property
    def _topic_arn(self) -> str:
        # By its name: the operations stack, which owns the topic, watches this one and comes later.
        return self._names.topic_arn(account=self.account, region=self.region)

    def _variables(self) -> Mapping[str, Mapping[str, str]]:
        """Return what single functions are told beside the common variables."""
        role = {"SERVICE_ROLE_ARN": self._service_role.role.role_arn}
        key = {"MODEL_KMS_KEY_ARN": self._access.key_arn} if self._access.key_arn else {}
        defaults = self._environment.defaults.model_dump_json()
        prices = {"PRICE_OVERRIDES": json.dumps(self._environment.prices)}
        topic = {"TOPIC_ARN": self._topic_arn}
        decide = self._names.machine_arn(
            account=self.account, region=self.region, of="decide-spend"
        )
        return {
            "Check preflight": {**role, "EXECUTION_DEFAULTS": defaults},
            "Validate dataset": _services_asked(self._environment.validation),
            "Quote cost": prices,
            "Approve spend": {**topic, "DECIDE_MACHINE_ARN": decide},
            "Plan review": prices,
            "Summarise review": prices,
            "Start training": {**role, **key},
            "Write report": prices,
            "Notify": {**topic, **prices},
        }

    def _make_machine(self) -> cdk.aws_stepfunctions.StateMachine:
        called = {name: each for name, each in self.functions.items() if name != "Decide spend"}
        workflow = Workflow(self, "Workflow", functions=called)
        return Machine(
            self,
            "Machine",
            environment=self._environment,
            name=self._names.state_machine,
            start=workflow.start,
            functions=[*called.values()],
            timeout=timeout(),
            more=self._grants.review_data(),
        ).machine

    def _outputs(self) -> None:
        machine, decide = self.machine.state_machine_arn, self.decide_spend.state_machine_arn
        CfnOutput(self, "StateMachineArn", value=machine, description="Start an execution with {}")
        CfnOutput(self, "DecideSpendArn", value=decide, description="Approve or reject a quote")
        CfnOutput(
            self,
            "StateMachineConsole",
            value=console_of(machine, self.region),
            description="Start execution is on this page",
        )


def _services_asked(validation: Validation) -> dict[str, str]:
    """Return what *Validate dataset* is told of the table [validation]; nothing by default."""
    most, counts = validation.comprehend_max_usd, validation.count_tokens
    return {
        **({"COMPREHEND_MAX_USD": f"{most:g}"} if most else {}),
        **({"COUNT_TOKENS": "true"} if counts else {}),
    }


def console_of(machine_arn: str, region: str) -> str:
    """Return the address of a state machine in the Step Functions console."""
    console = f"https://{region}.console.aws.amazon.com/states/home?region={region}"
    return f"{console}#/statemachines/view/{machine_arn}"
