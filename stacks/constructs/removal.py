"""What happens to buckets, keys and logs when their stack is deleted."""

from __future__ import annotations

from aws_cdk import RemovalPolicy

from stacks.environment import Environment


def kept_or_not(environment: Environment) -> RemovalPolicy:
    """Keep what the environment retains, but not what a failed first deployment leaves.

    Names are fixed: a resource left by a rollback would block the next attempt.
    """
    if environment.storage.retain:
        return RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE
    return RemovalPolicy.DESTROY
