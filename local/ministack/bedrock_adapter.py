"""What our Bedrock needs of MiniStack: objects in S3, events, roles, and who calls."""

from __future__ import annotations

import json
from typing import Any

from ministack.core import iam_evaluator
from ministack.core.responses import request_scope
from ministack.services import eventbridge, iam, s3

from local.environment import ACCOUNT


class S3Objects:
    """S3 as Bedrock's service role sees it."""

    def get(self, bucket: str, key: str) -> bytes | None:
        with request_scope(ACCOUNT, "us-east-1"):
            body: bytes | None = s3._get_object_data(bucket, key)  # no public way
            return bytes(body) if body is not None else None

    def put(self, bucket: str, key: str, body: bytes) -> None:
        with request_scope(ACCOUNT, "us-east-1"):
            s3._put_object(bucket, key, body, {})  # same

    def bucket_exists(self, bucket: str) -> bool:
        with request_scope(ACCOUNT, "us-east-1"):
            return bucket in s3._buckets  # same


def publish(
    account: str, region: str, detail_type: str, detail: dict[str, Any], resources: list[str]
) -> None:
    """Put an event of source aws.bedrock on the default bus, as only AWS can."""
    entry = {
        "Source": "aws.bedrock",
        "DetailType": detail_type,
        "Detail": json.dumps(detail),
        "Resources": resources,
    }
    with request_scope(account, region):
        eventbridge._put_events({"Entries": [entry]}, allow_aws_source=True)  # same


def role_assumable(role_arn: str) -> bool:
    """Tell whether the role exists and trusts Bedrock."""
    with request_scope(ACCOUNT, "us-east-1"):
        role = iam._roles.get(role_arn.rsplit("/", 1)[-1])  # same
    if role is None or role.get("Arn") != role_arn:
        return False
    document = role.get("AssumeRolePolicyDocument", {})
    return "bedrock.amazonaws.com" in (
        document if isinstance(document, str) else json.dumps(document)
    )


def caller() -> str:
    """Return the ARN of who made the request; the account's root where IAM is not enforced."""
    arn: str = iam_evaluator.caller_arn()
    return arn
