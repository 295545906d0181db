"""cdk-nag: every finding fails the synth, except one that a construct explains."""

from __future__ import annotations

from aws_cdk import Acknowledgment, Validations
from constructs import IConstruct

_PACK = "AwsSolutions"


def explain(construct: IConstruct, finding: str, because: str) -> None:
    """Accept a finding on the resource that `construct` makes."""
    resource = construct.node.default_child
    if resource is None:
        raise ValueError(f"{construct.node.path} makes no single resource to explain {finding} on")
    acknowledgment = Acknowledgment(id=f"{_PACK}::{_PACK}-{finding}", reason=because)
    Validations.of(resource).acknowledge(acknowledgment)
