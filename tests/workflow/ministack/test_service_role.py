"""Jobs against MiniStack's IAM, S3, KMS and EC2: a real role lacks one thing at a time."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from lambdas.domain.run.arns import OFFLINE_ACCOUNT
from local.bedrock import Scenario
from local.rehearsal.rehearse import REGION
from local.server import OfflineAws
from tests.fakes.offline_bedrock import HAIKU, record

Statement = dict[str, Any]
NEAR, FAR = "job-contract", "job-contract-far"
TRUST: Statement = {
    "Effect": "Allow",
    "Principal": {"Service": "bedrock.amazonaws.com"},
    "Action": "sts:AssumeRole",
}
ROOT = {"Principal": {"AWS": f"arn:aws:iam::{OFFLINE_ACCOUNT}:root"}, "Resource": "*"}
GRANTS = {
    "s3:GetObject": "arn:aws:s3:::*/*",
    "s3:ListBucket": "arn:aws:s3:::*",
    "s3:PutObject": "arn:aws:s3:::*/*",
    "kms:*": "*",
}
Job = Callable[..., dict[str, Any]]


def policy(*statements: Statement) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [*statements]})


def allow(action: str, resource: str) -> Statement:
    return {"Effect": "Allow", "Action": action, "Resource": resource}


@pytest.fixture(scope="module")
def buckets(offline: OfflineAws) -> None:
    del offline
    lines = "\n".join(json.dumps(record(number)) for number in range(40))
    for bucket, region in ((NEAR, REGION), (FAR, "eu-west-1")):
        s3: Any = boto3.client("s3", region_name=region)
        s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": region})
        s3.put_object(Bucket=bucket, Key="data/training.jsonl", Body=lines.encode())


@pytest.fixture
def make_role(offline: OfflineAws) -> Iterator[Callable[..., str]]:
    del offline
    iam: Any = boto3.client("iam")
    made: list[str] = []

    def make(*trust: Statement, without: str = "") -> str:
        name = f"job-contract-{len(made)}"
        document = policy(*(trust or (TRUST,)))
        arn: str = iam.create_role(RoleName=name, AssumeRolePolicyDocument=document)["Role"]["Arn"]
        granted = [allow(action, on) for action, on in GRANTS.items() if action != without]
        iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=policy(*granted))
        made.append(name)
        return arn

    yield make
    for name in made:
        iam.delete_role_policy(RoleName=name, PolicyName="p")
        iam.delete_role(RoleName=name)


@pytest.fixture
def train(offline: OfflineAws, buckets: None, make_role: Callable[..., str]) -> Job:
    del buckets
    offline.bedrock.scenario = Scenario()
    bedrock: Any = boto3.client("bedrock")

    def to_its_end(role: str = "", **more: Any) -> dict[str, Any]:
        request = {
            "jobName": f"job-{time.monotonic_ns()}",
            "customModelName": f"model-{time.monotonic_ns()}",
            "roleArn": role or make_role(),
            "baseModelIdentifier": HAIKU,
            "trainingDataConfig": {"s3Uri": f"s3://{NEAR}/data/training.jsonl"},
            "outputDataConfig": {"s3Uri": f"s3://{NEAR}/out/"},
            "hyperParameters": {"epochCount": "1"},
        }
        arn = bedrock.create_model_customization_job(**{**request, **more})["jobArn"]
        offline.clock.advance(10 * 3600)
        job: dict[str, Any] = bedrock.get_model_customization_job(jobIdentifier=arn)
        return job

    return to_its_end


def test_a_role_with_its_own_conditions_and_all_permissions_trains(
    train: Job, make_role: Callable[..., str]
) -> None:
    jobs = f"arn:aws:bedrock:{REGION}:{OFFLINE_ACCOUNT}:model-customization-job/*"
    condition = {
        "StringEquals": {"aws:SourceAccount": OFFLINE_ACCOUNT},
        "ArnEquals": {"aws:SourceArn": jobs},
    }
    assert train(make_role({**TRUST, "Condition": condition}))["status"] == "Completed"


@pytest.mark.parametrize(
    "trust",
    [
        ({**TRUST, "Condition": {"StringEquals": {"aws:SourceAccount": "111111111111"}}},),
        ({**TRUST, "Principal": {"Service": "lambda.amazonaws.com"}},),
        (TRUST, {**TRUST, "Effect": "Deny"}),
    ],
)
def test_a_role_that_does_not_trust_bedrock_starts_nothing(
    train: Job, make_role: Callable[..., str], trust: tuple[Statement, ...]
) -> None:
    with pytest.raises(ClientError, match="Could not assume provided IAM role"):
        train(make_role(*trust))


@pytest.mark.parametrize(
    ("action", "words"),
    [
        ("s3:GetObject", "Could not validate GetObject permissions"),
        ("s3:ListBucket", "Could not validate GetObject permissions"),
        ("s3:PutObject", "Could not validate PutObject permissions"),
    ],
)
def test_a_role_without_a_permission_fails_the_job(
    train: Job, make_role: Callable[..., str], action: str, words: str
) -> None:
    job = train(make_role(without=action))
    assert job["status"] == "Failed"
    assert words in job["failureMessage"]


@pytest.mark.parametrize(
    ("member", "uri"),
    [
        ("trainingDataConfig", f"s3://{FAR}/data/training.jsonl"),
        ("outputDataConfig", f"s3://{FAR}/out/"),
    ],
)
def test_a_bucket_of_another_region_fails_the_job(train: Job, member: str, uri: str) -> None:
    job = train(**{member: {"s3Uri": uri}})
    assert job["status"] == "Failed"
    assert f"bucket: {FAR} at key" in job["failureMessage"]


@pytest.mark.parametrize(
    ("action", "enabled", "words"),
    [
        ("kms:*", True, ""),
        ("kms:Describe*", True, "not authorized to perform: kms:"),
        ("kms:*", False, "does not exist, or is not enabled"),
    ],
)
def test_a_key_that_cannot_be_used_fails_the_job(
    train: Job, action: str, *, enabled: bool, words: str
) -> None:
    kms: Any = boto3.client("kms")
    key = kms.create_key()["KeyMetadata"]["Arn"]
    kept = policy({"Effect": "Allow", "Action": action, **ROOT})
    kms.put_key_policy(KeyId=key, PolicyName="default", Policy=kept)
    if not enabled:
        kms.disable_key(KeyId=key)
    job = train(customModelKmsKeyId=key)
    assert job["status"] == ("Failed" if words else "Completed")
    assert words in job.get("failureMessage", "")


def test_a_network_that_does_not_exist_fails_the_job(train: Job) -> None:
    job = train(vpcConfig={"subnetIds": ["subnet-0"], "securityGroupIds": ["sg-0"]})
    assert job["status"] == "Failed"
    assert "subnet-0" in job["failureMessage"]
