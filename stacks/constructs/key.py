"""The environment's key, as the stacks refer to it that do not own it."""

from __future__ import annotations

from typing import cast

from aws_cdk import Stack
from aws_cdk import aws_kms as kms
from constructs import Construct

from stacks.constructs.access import Access

_ID = "Key"


def environment_key(scope: Construct, access: Access) -> kms.IKey | None:
    """Return the key, imported once into the stack of `scope`; None where AWS manages the keys."""
    if access.key_arn is None:
        return None
    stack = Stack.of(scope)
    found = stack.node.try_find_child(_ID) or kms.Key.from_key_arn(stack, _ID, access.key_arn)
    return cast("kms.IKey", found)
