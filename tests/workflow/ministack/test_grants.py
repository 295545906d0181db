"""What MiniStack's IAM, KMS and EC2 say of a service role, as Bedrock asks them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from lambdas.domain.run.arns import OFFLINE_ACCOUNT
from local.bedrock import Location
from local.rehearsal.rehearse import REGION
from local.server import OfflineAws

if TYPE_CHECKING:
    from local.ministack.grants import Grants

HERE = Location(OFFLINE_ACCOUNT, REGION)
JOB = HERE.arn("model-customization-job/some.model/abc")
SOURCE = {"aws:SourceAccount": OFFLINE_ACCOUNT, "aws:SourceArn": JOB}
BUCKET = "granted-contract"


@pytest.fixture(scope="module")
def grants(offline: OfflineAws) -> Grants:
    del offline
    from local.ministack.grants import Grants  # noqa: PLC0415  # only after start()

    return Grants()


def trusting(*statements: dict[str, Any]) -> str:
    bedrock = {"Principal": {"Service": "bedrock.amazonaws.com"}, "Action": "sts:AssumeRole"}
    policy = [{"Effect": "Allow", **bedrock, **each} for each in statements]
    return json.dumps({"Version": "2012-10-17", "Statement": policy})


@pytest.fixture
def role(offline: OfflineAws) -> Iterator[str]:
    del offline
    iam: Any = boto3.client("iam")
    made = iam.create_role(RoleName="granted", AssumeRolePolicyDocument=trusting({}))
    yield made["Role"]["Arn"]
    for name in iam.list_role_policies(RoleName="granted")["PolicyNames"]:
        iam.delete_role_policy(RoleName="granted", PolicyName=name)
    iam.delete_role(RoleName="granted")


def own_jobs(account: str, jobs: str) -> dict[str, Any]:
    return {
        "StringEquals": {"aws:SourceAccount": account},
        "ArnEquals": {"aws:SourceArn": f"arn:aws:bedrock:{jobs}:model-customization-job/*"},
    }


@pytest.mark.parametrize(
    ("statements", "assumed"),
    [
        ([{}], True),
        ([{"Condition": own_jobs(OFFLINE_ACCOUNT, f"{REGION}:{OFFLINE_ACCOUNT}")}], True),
        ([{"Condition": own_jobs("111111111111", f"{REGION}:{OFFLINE_ACCOUNT}")}], False),
        ([{"Condition": own_jobs(OFFLINE_ACCOUNT, f"eu-west-1:{OFFLINE_ACCOUNT}")}], False),
        ([{}, {"Effect": "Deny"}], False),
        ([{}, {"Effect": "Deny", "Condition": own_jobs("111111111111", "x")}], True),
        ([{"Action": "sts:TagSession"}], False),
        ([{"Principal": {"Service": "lambda.amazonaws.com"}}], False),
        ([{"Principal": {"AWS": f"arn:aws:iam::{OFFLINE_ACCOUNT}:root"}}], False),
        ([], False),
    ],
)
def test_a_role_is_assumed_if_its_trust_policy_says_so(
    grants: Grants, role: str, statements: list[dict[str, Any]], *, assumed: bool
) -> None:
    iam: Any = boto3.client("iam")
    iam.update_assume_role_policy(RoleName="granted", PolicyDocument=trusting(*statements))
    assert grants.assumes(role, SOURCE) is assumed
    assert not grants.assumes(f"{role}-other", SOURCE)


def allow(action: str, resource: str, effect: str = "Allow", **more: Any) -> dict[str, Any]:
    return {"Effect": effect, "Action": action, "Resource": resource, **more}


def test_a_role_may_what_its_policies_and_the_buckets_allow(grants: Grants, role: str) -> None:
    iam, s3 = boto3.client("iam"), boto3.client("s3")
    in_data = {"Condition": {"StringLike": {"s3:prefix": "data/*"}}}
    statements = [
        allow("s3:GetObject", f"arn:aws:s3:::{BUCKET}/data/*"),
        allow("s3:ListBucket", f"arn:aws:s3:::{BUCKET}", **in_data),
    ]

    def may(action: str, end: str, prefix: str = "") -> bool:
        keys = {"s3:prefix": prefix} if prefix else {}
        return grants.allows(role, action, f"arn:aws:s3:::{BUCKET}{end}", keys)

    assert not may("s3:GetObject", "/data/a")
    policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
    iam.put_role_policy(RoleName="granted", PolicyName="p", PolicyDocument=policy)
    assert may("s3:GetObject", "/data/a")
    assert may("s3:ListBucket", "", "data/a")
    assert not may("s3:ListBucket", "", "other/a")
    assert not may("s3:GetObject", "/other")
    assert not may("s3:PutObject", "/data/a")

    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    insecure = {"Condition": {"Bool": {"aws:SecureTransport": "false"}}}
    everybody = {"Principal": "*", **insecure}
    there = f"arn:aws:s3:::{BUCKET}/*"
    for more, readable in ((everybody, True), ({"Principal": "*"}, False)):
        denied = {"Version": "2012-10-17", "Statement": [allow("s3:*", there, "Deny", **more)]}
        s3.put_bucket_policy(Bucket=BUCKET, Policy=json.dumps(denied))
        assert may("s3:GetObject", "/data/a") is readable
    s3.delete_bucket(Bucket=BUCKET)


def test_a_key_has_a_policy_of_its_own_and_may_be_disabled(grants: Grants, role: str) -> None:
    iam: Any = boto3.client("iam")
    kms: Any = boto3.client("kms", region_name=REGION)
    key = kms.create_key()["KeyMetadata"]["Arn"]
    via = {"kms:ViaService": f"s3.{REGION}.amazonaws.com"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allow("kms:Decrypt", key)]})
    iam.put_role_policy(RoleName="granted", PolicyName="k", PolicyDocument=policy)

    def guarded_by(*statements: dict[str, Any]) -> None:
        document = json.dumps({"Version": "2012-10-17", "Statement": [*statements]})
        kms.put_key_policy(KeyId=key, PolicyName="default", Policy=document)

    root = {"Principal": {"AWS": f"arn:aws:iam::{OFFLINE_ACCOUNT}:root"}}
    guarded_by(allow("kms:*", "*", **root))
    assert grants.allows(role, "kms:Decrypt", key, via)
    assert not grants.allows(role, "kms:CreateGrant", key, via)
    assert not grants.serves(HERE, key)
    guarded_by(allow("kms:Describe*", "*", **root))
    assert not grants.allows(role, "kms:Decrypt", key, via)

    models = {"kms:EncryptionContextKeys": "aws:bedrock:custom-model"}
    bedrock = {"Service": "bedrock.amazonaws.com"}
    condition = {"ForAnyValue:StringEquals": models}
    guarded_by(allow("kms:Decrypt", "*", Principal=bedrock, Condition=condition))
    assert grants.serves(HERE, key)

    assert grants.has_key(HERE, key)
    assert not grants.has_key(Location(OFFLINE_ACCOUNT, "eu-west-1"), key)
    kms.disable_key(KeyId=key)
    assert not grants.has_key(HERE, key)


def test_a_bucket_tells_its_key_and_a_network_its_parts(grants: Grants) -> None:
    s3: Any = boto3.client("s3")
    ec2: Any = boto3.client("ec2", region_name=REGION)
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    assert grants.key_of(BUCKET) is None
    rule = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": "arn:aws:kms:x"}
    rules = [{"ApplyServerSideEncryptionByDefault": rule}]
    s3.put_bucket_encryption(Bucket=BUCKET, ServerSideEncryptionConfiguration={"Rules": rules})
    assert grants.key_of(BUCKET) == "arn:aws:kms:x"
    s3.delete_bucket(Bucket=BUCKET)

    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.1.0/24")["Subnet"]["SubnetId"]
    group = ec2.create_security_group(GroupName="g", Description="d", VpcId=vpc)["GroupId"]
    assert grants.has_network(HERE, subnet)
    assert grants.has_network(HERE, group)
    assert not grants.has_network(HERE, "subnet-0")
    assert not grants.has_network(Location(OFFLINE_ACCOUNT, "eu-west-1"), subnet)
