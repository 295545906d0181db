"""What an environment's stacks have in common: name, tags, region and protection."""

from __future__ import annotations

import aws_cdk as cdk

from lambdas.domain.run import tags
from lambdas.domain.run.names import PROJECT
from stacks.environment import Environment
from stacks.names import Names


class EnvironmentStack(cdk.Stack):
    """One of an environment's stacks, called "bedrock-tuning-ENVIRONMENT-WHAT"."""

    def __init__(
        self,
        app: cdk.App,
        environment: Environment,
        what: str,
        *,
        description: str,
        protected: bool = False,
    ) -> None:
        """Make the stack; one that is `protected`, or of an environment that retains, stays put."""
        self.config = environment
        self.names = Names(environment.name)
        super().__init__(
            app,
            self.names.of(what),
            description=f"Fine-tuning on Amazon Bedrock: {description}",
            env=cdk.Environment(account=environment.account, region=environment.region),
            tags={**environment.tags, "project": PROJECT, tags.ENVIRONMENT: environment.name},
            permissions_boundary=_boundary(environment.permissions_boundary),
            termination_protection=protected or environment.storage.retain,
        )


def _boundary(policy: str | None) -> cdk.PermissionsBoundary | None:
    if policy is None:
        return None
    if policy.startswith("arn:"):
        return cdk.PermissionsBoundary.from_arn(policy)
    return cdk.PermissionsBoundary.from_name(policy)
