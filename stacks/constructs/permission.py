"""An IAM statement as declared: each wildcard has the reason why it is not narrower."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple


class IamArn(NamedTuple):
    """A resource; `because` is the reason for its wildcard, if it has one."""

    text: str
    because: str = ""


@dataclass(frozen=True)
class Permission:
    actions: Sequence[str]
    resources: Sequence[IamArn]
    conditions: Mapping[str, object] | None = None


def every_resource(purpose: str) -> list[IamArn]:
    """Return "*", for actions that AWS cannot limit to a resource."""
    return [IamArn("*", f"AWS has no resource-level permissions for {purpose}")]


def trace(*actions: str) -> Permission:
    return Permission([f"xray:{action}" for action in actions], every_resource("sending traces"))
