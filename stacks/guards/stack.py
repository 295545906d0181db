"""What guards the runs and cleans up after them, apart from the pipeline.

It finds the pipeline by name and by the tags of what was bought: it keeps working when the state
machine, its definition or its roles change, and when their stack is deleted.
"""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import CfnOutput

from stacks.constructs.access import Access
from stacks.constructs.functions import LambdaFunctions
from stacks.constructs.stack import EnvironmentStack
from stacks.constructs.target import Target
from stacks.environment import Environment
from stacks.guards.cleanup import Cleanup
from stacks.guards.guard import Guard
from stacks.guards.purchase_watch import PurchaseWatch
from stacks.guards.reaper import Reaper
from stacks.guards.steps import guard_steps


class GuardsStack(EnvironmentStack):
    """Guard of abnormal ends, reaper, clean-up and, where it is turned on, the purchase watch."""

    def __init__(
        self, app: cdk.App, environment: Environment, *, target: Target, key_arn: str | None
    ) -> None:
        super().__init__(
            app,
            environment,
            "guards",
            description="what releases, reaps and cleans up",
            # "cdk destroy" stops at it, the pipeline being gone, and lets it end what still bills.
            protected=True,
        )
        access = Access(environment, self.account, key_arn)
        functions = LambdaFunctions(
            self,
            steps=guard_steps(environment),
            access=access,
            target=target,
            shared=["ENVIRONMENT"],
        ).by_name
        Guard(
            self,
            access,
            stop_run=functions["Stop run"],
            meter_stopped_run=functions["Meter stopped run"],
        )
        Reaper(self, functions["Reap leftovers"])
        cleanup = Cleanup(self, access, functions).machine
        if inspect_purchase := functions.get("Inspect purchase"):
            PurchaseWatch(self, inspect_purchase)
        arn = cleanup.state_machine_arn
        CfnOutput(
            self,
            "CleanupArn",
            value=arn,
            description="Lists with {}, deletes with mode delete",
        )
