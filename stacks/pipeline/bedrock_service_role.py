"""The role that Bedrock assumes to read the dataset and write what training leaves."""

from __future__ import annotations

from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from constructs import Construct

from stacks.constructs.access import Access


class BedrockServiceRole(Construct):
    """Trusts Bedrock only for this account's customization jobs in this region."""

    def __init__(self, scope: Construct, construct_id: str, *, access: Access) -> None:
        super().__init__(scope, construct_id)
        self.role = iam.Role(
            self,
            "Role",
            description="Assumed by Amazon Bedrock for model customization jobs",
            assumed_by=self._bedrock_for_own_jobs(),
            inline_policies={"artefacts": iam.PolicyDocument(statements=_statements(access))},
        )

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


def _statements(access: Access) -> list[iam.PolicyStatement]:
    return [
        access.read("datasets/*", "runs/*/training/*"),
        access.write("runs/*/training/*"),
        access.list_keys("datasets/*", "runs/*/training", "runs/*/training/*"),
        *access.use_key_through("s3"),
        *access.customize_with_key(),
    ]
