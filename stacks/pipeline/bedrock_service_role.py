"""The role that Bedrock assumes to read a run's data and write what training leaves."""

from __future__ import annotations

from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from constructs import Construct

from stacks.constructs.access import Access, runs
from stacks.constructs.permission import Permission
from stacks.constructs.role import make_role


class BedrockServiceRole(Construct):
    """Trusts Bedrock only for this account's customization jobs in this region."""

    def __init__(self, scope: Construct, access: Access) -> None:
        super().__init__(scope, "BedrockServiceRole")
        role = make_role(
            self,
            "Role",
            description="Assumed by Amazon Bedrock for model customization jobs",
            assumed_by=self._bedrock_for_own_jobs(),
            policy="artefacts",
            permissions=_permissions(access),
        )
        self.arn = role.role_arn

    def _bedrock_for_own_jobs(self) -> iam.PrincipalBase:
        # Without both conditions another account's job could make Bedrock use this role.
        stack = Stack.of(self)
        jobs = f"arn:aws:bedrock:{stack.region}:{stack.account}:model-customization-job/*"
        return iam.ServicePrincipal(
            "bedrock.amazonaws.com",
            conditions={
                "StringEquals": {"aws:SourceAccount": stack.account},
                "ArnEquals": {"aws:SourceArn": jobs},
            },
        )


def _permissions(access: Access) -> list[Permission]:
    read, written = runs("dataset/*"), runs("training/*")
    return [
        access.get(read, written),
        access.put(written),
        access.list_keys(read, runs("training"), written),
        *access.use_key_through("s3"),
        *access.customize_with_key(),
    ]
