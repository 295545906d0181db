"""What happens to resources that hold something when their stack goes."""

from __future__ import annotations

from aws_cdk import RemovalPolicy

from stacks.environment import Environment


def kept_or_not(environment: Environment) -> RemovalPolicy:
    """Keep what an environment wants kept, but not what a failed first deployment leaves.

    Names are fixed: left behind by a rollback, a resource would stand in the way of the next try.
    """
    if environment.storage.retain:
        return RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE
    return RemovalPolicy.DESTROY
