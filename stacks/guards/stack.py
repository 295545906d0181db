"""What watches over the runs and cleans up after them, apart from what runs.

It knows the pipeline by name and by the tags of what was bought: it goes on working when the state
machine, its definition or its roles are changed, and when their stack is removed.
"""

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
from stacks.constructs.steps import GUARD_STEPS, Step
from stacks.constructs.target import Target
from stacks.environment import Environment
from stacks.guards.cleanup import Cleanup
from stacks.guards.guard import Guard
from stacks.guards.purchase_watch import PurchaseWatch
from stacks.guards.reaper import Reaper
from stacks.names import Names
from stacks.storage.stack import StorageStack


class GuardsStack(Stack):
    """Guard of abnormal ends, reaper, clean-up and, where it is turned on, the purchase watch."""

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
            description="Fine-tuning on Amazon Bedrock: what releases, reaps and cleans up",
            env=env,
            tags=tags,
            termination_protection=environment.storage.retain,
        )
        self._environment = environment
        self._names = Names(environment.name)
        self.functions = self._make_functions(target, storage)
        self.guard = Guard(
            self,
            "Guard",
            environment=environment,
            watched_arn=self._machine_arn,
            stop_run=self.functions["Stop run"],
        )
        Reaper(
            self,
            "Reaper",
            environment=environment,
            reap_leftovers=self.functions["Reap leftovers"],
        )
        self.cleanup = Cleanup(
            self, "Cleanup", environment=environment, functions=self.functions
        ).machine
        if environment.spending.watch_purchases:
            PurchaseWatch(
                self,
                "PurchaseWatch",
                environment=environment,
                inspect_purchase=self.functions["Inspect purchase"],
            )
        arn = self.cleanup.state_machine_arn
        CfnOutput(self, "CleanupArn", value=arn, description="Lists with {}, deletes when told")

    @property
    def _machine_arn(self) -> str:
        return self._names.machine_arn(account=self.account, region=self.region)

    def _make_functions(self, target: Target, storage: StorageStack) -> dict[str, lambda_.Function]:
        factory = FunctionFactory(
            self,
            "Functions",
            environment=self._environment,
            target=target,
            variables={"ENVIRONMENT": self._environment.name},
        )
        topic_arn = self._names.topic_arn(account=self.account, region=self.region)
        grants = Grants(
            access=access_from(self, self._environment.name, storage.key),
            topic_arn=topic_arn,
            machine_arn=self._machine_arn,
        )
        return factory.make_all(guard_steps(self._environment), grants, self._variables(topic_arn))

    def _variables(self, topic_arn: str) -> Mapping[str, Mapping[str, str]]:
        prices = {"PRICE_OVERRIDES": json.dumps(self._environment.prices)}
        topic = {"TOPIC_ARN": topic_arn}
        return {
            "Reap leftovers": {**topic, **prices},
            "List resources": prices,
            "Inspect purchase": topic,
        }


def guard_steps(environment: Environment) -> tuple[Step, ...]:
    """Return the functions of the stack: without the watch, nothing calls its function."""
    watched = environment.spending.watch_purchases
    return tuple(step for step in GUARD_STEPS if watched or step.name != "Inspect purchase")
