"""Roles: one inline policy, made of permissions, to which no construct can add."""

from __future__ import annotations

from collections.abc import Iterable

from aws_cdk import Aws
from aws_cdk import aws_iam as iam
from constructs import Construct

from stacks.constructs.findings import explain
from stacks.constructs.permission import Permission


def make_role(  # noqa: PLR0913  # keyword-only, each a property of the role
    scope: Construct,
    construct_id: str,
    *,
    description: str,
    assumed_by: iam.IPrincipal,
    policy: str,
    permissions: Iterable[Permission],
) -> iam.IRole:
    """Make a role, and explain its wildcards to cdk-nag by the reasons of its permissions."""
    permissions = list(permissions)
    statements = [_statement(permission) for permission in permissions]
    role = iam.Role(
        scope,
        construct_id,
        description=description,
        assumed_by=assumed_by,
        inline_policies={policy: iam.PolicyDocument(statements=statements)},
    )
    for arn in {arn for permission in permissions for arn in permission.resources if arn.because}:
        # As cdk-nag writes an account that is not known before the deployment.
        text = arn.text.replace(Aws.ACCOUNT_ID, "<AWS::AccountId>")
        explain(role, f"IAM5[Resource::{text}]", arn.because)
    return role.without_policy_updates()


def _statement(permission: Permission) -> iam.PolicyStatement:
    return iam.PolicyStatement(
        actions=[*permission.actions],
        resources=[arn.text for arn in permission.resources],
        conditions=permission.conditions,
    )
