"""IAM as AWS evaluates it, where stock MiniStack does otherwise."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from lambdas.domain.run.arns import OFFLINE_ACCOUNT
from local.bedrock.state import Location
from local.rehearsal.rehearse import REGION
from local.server import OfflineAws
from tests.workflow.ministack.definitions import Definition, Run, call, one_state


@contextmanager
def as_user(
    offline: OfflineAws, name: str, actions: list[str], **conditions: Definition
) -> Iterator[boto3.Session]:
    """Enforce IAM and act as a user who may do `actions`, under `conditions`."""
    iam: Any = boto3.client("iam")
    iam.create_user(UserName=name)
    allow = {"Effect": "Allow", "Action": actions, "Resource": "*", "Condition": conditions}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
    iam.put_user_policy(UserName=name, PolicyName="all", PolicyDocument=policy)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    offline.enforce_iam(on=True)
    try:
        yield boto3.Session(key["AccessKeyId"], key["SecretAccessKey"], region_name=REGION)
    finally:
        offline.enforce_iam(on=False)


def test_services_of_our_own_refuse_in_aws_words(offline: OfflineAws) -> None:
    del offline
    refused = {
        "UnsupportedLanguageException": lambda: boto3.client("comprehend").detect_pii_entities(
            Text="Hallo", LanguageCode="de"
        ),
        "NoSuchResourceException": lambda: boto3.client("service-quotas").get_service_quota(
            ServiceCode="bedrock", QuotaCode="L-00000000"
        ),
    }
    for code, act in refused.items():
        with pytest.raises(ClientError) as error:
            act()
        assert error.value.response["Error"]["Code"] == code
        assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


def test_requests_count_as_tls(offline: OfflineAws) -> None:
    """A bucket that denies plain HTTP is open to a user's calls over loopback."""
    s3: Any = boto3.client("s3")
    s3.create_bucket(
        Bucket="contract-tls", CreateBucketConfiguration={"LocationConstraint": REGION}
    )
    deny = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": ["arn:aws:s3:::contract-tls/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    s3.put_bucket_policy(
        Bucket="contract-tls", Policy=json.dumps({"Version": "2012-10-17", "Statement": [deny]})
    )
    with as_user(offline, "tls", ["s3:PutObject"]) as session:
        session.client("s3").put_object(Bucket="contract-tls", Key="k", Body=b"1")


def test_a_policy_counts_as_soon_as_it_is_changed(offline: OfflineAws) -> None:
    """Its text is parsed once, not who has it."""
    iam: Any = boto3.client("iam")
    with as_user(offline, "changing", ["s3:ListAllMyBuckets"]) as session:
        of_user = {"UserName": "changing", "PolicyName": "all"}
        allow = iam.get_user_policy(**of_user)["PolicyDocument"]
        deny = {**allow, "Statement": [{**allow["Statement"][0], "Effect": "Deny"}]}
        session.client("s3").list_buckets()
        iam.put_user_policy(**of_user, PolicyDocument=json.dumps(deny))
        with pytest.raises(ClientError, match="AccessDenied"):
            session.client("s3").list_buckets()
        iam.put_user_policy(**of_user, PolicyDocument=json.dumps(allow))
        session.client("s3").list_buckets()


def test_a_machine_may_only_invoke_what_its_role_allows(
    function: str, run: Run, offline: OfflineAws
) -> None:
    offline.enforce_iam(on=True)
    try:
        ended = run(one_state(call(function, {})))
    finally:
        offline.enforce_iam(on=False)
    assert ended["status"] == "FAILED"
    assert "not authorized to perform: lambda:InvokeFunction" in ended["cause"]


def test_bedrock_calls_are_authorized_as_on_aws(offline: OfflineAws) -> None:
    """Stock checks bedrock:Converse, which no policy on AWS can name, and `*`."""
    request: Any = {
        "modelId": "us.amazon.nova-pro-v1:0",
        "messages": [{"role": "user", "content": [{"text": "Hello"}]}],
        "inferenceConfig": {"maxTokens": 20},
    }
    with as_user(offline, "asks", ["bedrock:InvokeModel"]) as session:
        runtime: Any = session.client("bedrock-runtime")
        assert runtime.converse(**request)["stopReason"]
    with as_user(offline, "may-not", ["bedrock:Converse"]) as session:
        runtime = session.client("bedrock-runtime")
        with pytest.raises(runtime.exceptions.AccessDeniedException, match="bedrock:InvokeModel"):
            runtime.converse(**request)


def test_policies_see_the_tags_of_bedrock_resources(offline: OfflineAws) -> None:
    """In stock, a condition on aws:ResourceTag denies whatever the tags are."""
    arn = f"arn:aws:bedrock:{REGION}:{OFFLINE_ACCOUNT}:provisioned-model/abcdefghijkl"
    own = {"aws:ResourceTag/environment": "ours"}
    action = "bedrock:DeleteProvisionedModelThroughput"
    answers = {}
    with as_user(offline, "tagged", [action], StringEquals=own) as session:
        control: Any = session.client("bedrock")
        here = offline.bedrock._world.at(Location(OFFLINE_ACCOUNT, REGION))
        for environment in ("ours", "theirs"):
            here.tags[arn] = {"environment": environment}
            with pytest.raises(ClientError) as error:
                control.delete_provisioned_model_throughput(provisionedModelId=arn)
            answers[environment] = error.value.response["Error"]["Code"]
    assert answers == {"ours": "ResourceNotFoundException", "theirs": "AccessDeniedException"}
