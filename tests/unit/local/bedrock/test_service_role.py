"""A job uses the role that it was given, and fails without what the role lacks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.fakes.offline_bedrock import ACCOUNT, BUCKET, REGION, ROLE, Account

KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/12345678-1234-1234-1234-123456789012"
NETWORK = {"subnetIds": ["subnet-1"], "securityGroupIds": ["sg-1"]}
NOT_READ = f"Could not validate GetObject permissions to access Amazon S3 bucket: {BUCKET} at key "
NOT_WRITTEN = f"Could not validate PutObject permissions to access S3 bucket: {BUCKET} at key "


def deny(action: str, end: str) -> Callable[[Account], None]:
    return lambda account: account.grants.denied.add((action, end))


def forget_data(account: Account) -> None:
    del account.objects.stored["data/training.jsonl"]


def move_bucket(account: Account) -> None:
    account.objects.region = "us-east-1"


def encrypt_bucket(account: Account) -> None:
    account.grants.bucket_key = KEY


def distrust(account: Account) -> None:
    account.grants.untrusted.append(lambda _: True)


def both(*acts: Callable[[Account], None]) -> Callable[[Account], None]:
    def act(account: Account) -> None:
        for each in acts:
            each(account)

    return act


def ended(act: Callable[[Account], None], minutes: float = 0, **more: Any) -> tuple[str, str]:
    """Return status and failure of a job with `act` done so many minutes after it was created."""
    account = Account()
    arn = account.start(**more)
    account.clock.advance(minutes)
    act(account)
    account.clock.advance(600)
    job = account.control.get_model_customization_job(jobIdentifier=arn)
    if job["status"] == "Failed":
        _, (_, _, _, detail, _) = account.events
        assert detail["failureMessage"] == job["failureMessage"]
        assert account.control.list_custom_models()["modelSummaries"] == []
        assert account.bedrock.snapshot()["meter"]["items"] == []
    return job["status"], job.get("failureMessage", "")


def test_a_job_asks_for_each_object_that_it_reads_or_writes() -> None:
    account = Account()
    arn = account.start()
    account.clock.advance(600)
    objects = {(action, resource) for action, resource, _ in account.grants.asked}
    here = f"arn:aws:s3:::{BUCKET}"
    folder = f"{here}/out/model-customization-job-{arn.rpartition('/')[2]}"
    validation = "validation_artifacts/post_fine_tuning_validation/validation_metrics.csv"
    assert objects == {
        ("s3:ListBucket", here),
        ("s3:GetObject", f"{here}/data/training.jsonl"),
        ("s3:GetObject", f"{here}/data/validation.jsonl"),
        ("s3:PutObject", f"{here}/out/.write_access_check_file.tmp"),
        ("s3:PutObject", f"{folder}/input_status/manifest.report.csv"),
        ("s3:PutObject", f"{folder}/training_artifacts/step_wise_training_metrics.csv"),
        ("s3:PutObject", f"{folder}/{validation}"),
    }
    prefixes = {keys["s3:prefix"] for _, _, keys in account.grants.asked if keys}
    assert prefixes == {"data/training.jsonl", "data/validation.jsonl"}


@pytest.mark.parametrize(
    ("act", "said"),
    [
        (deny("s3:GetObject", "/data/training.jsonl"), f"{NOT_READ}data/training.jsonl"),
        (deny("s3:GetObject", "/data/validation.jsonl"), f"{NOT_READ}data/validation.jsonl"),
        (deny("s3:ListBucket", BUCKET), f"{NOT_READ}data/training.jsonl"),
        (forget_data, f"{NOT_READ}data/training.jsonl"),
        (move_bucket, f"{NOT_READ}data/training.jsonl"),
        (deny("s3:PutObject", ".tmp"), f"{NOT_WRITTEN}out/.write_access_check_file.tmp"),
        (both(encrypt_bucket, deny("kms:Decrypt", KEY)), f"{NOT_READ}data/training.jsonl"),
        (both(encrypt_bucket, deny("kms:GenerateDataKey", KEY)),
         f"{NOT_WRITTEN}out/.write_access_check_file.tmp"),
        (distrust, f"Could not assume provided IAM role {ROLE}"),
    ],
)  # fmt: skip
def test_a_job_fails_without_what_its_role_lacks(act: Callable[[Account], None], said: str) -> None:
    status, failure = ended(act)
    assert status == "Failed"
    assert said in failure


@pytest.mark.parametrize(
    ("minutes", "end"), [(5, "/data/training.jsonl"), (60, "/step_wise_training_metrics.csv")]
)
def test_what_is_taken_away_later_is_missed_later(minutes: float, end: str) -> None:
    action = "s3:GetObject" if end.endswith("jsonl") else "s3:PutObject"
    status, failure = ended(deny(action, end), minutes)
    assert (status, end.rpartition("/")[2] in failure) == ("Failed", True)


def test_an_encrypted_bucket_is_no_hindrance_to_a_role_that_may_use_its_key() -> None:
    assert ended(encrypt_bucket) == ("Completed", "")


@pytest.mark.parametrize("key", ["aws:SourceAccount", "aws:SourceArn"])
def test_a_role_is_assumed_for_the_account_and_the_job(key: str) -> None:
    account = Account()
    met: list[Mapping[str, str]] = []
    account.grants.untrusted.append(lambda keys: met.append(keys) or False)  # type: ignore[func-returns-value]  # it notes
    arn = account.start()
    account.clock.advance(600)
    assert {keys[key] for keys in met} == {ACCOUNT if key == "aws:SourceAccount" else arn}
    distrust(account)
    with pytest.raises(ClientError, match="Could not assume provided IAM role") as error:
        account.start("other")
    assert error.value.response["Error"]["Code"] == "ValidationException"


@pytest.mark.parametrize(
    ("denied", "known", "said"),
    [
        ("", (), f"Key '{KEY}' does not exist"),
        (
            "kms:CreateGrant",
            (KEY,),
            f"not authorized to perform: kms:CreateGrant on resource: {KEY}",
        ),
        ("kms:Decrypt", (KEY,), "not authorized to perform: kms:Decrypt"),
        ("", (KEY,), ""),
    ],
)
def test_a_models_key_must_exist_and_be_usable(
    denied: str, known: tuple[str, ...], said: str
) -> None:
    def act(account: Account) -> None:
        account.grants.keys.update(known)
        account.grants.denied.add((denied, KEY))

    status, failure = ended(act, customModelKmsKeyId=KEY)
    assert status == ("Failed" if said else "Completed")
    assert said in failure


@pytest.mark.parametrize(
    ("known", "said"),
    [
        ({"sg-1"}, "The subnet ID 'subnet-1' does not exist"),
        ({"subnet-1"}, "The security group 'sg-1' does not exist"),
        ({"subnet-1", "sg-1"}, ""),
    ],
)
def test_subnets_and_security_groups_must_exist(known: set[str], said: str) -> None:
    status, failure = ended(lambda account: account.grants.network.update(known), vpcConfig=NETWORK)
    assert (status, failure) == ("Failed" if said else "Completed", said)


def test_a_throughput_needs_bedrock_itself_in_the_policy_of_its_models_key() -> None:
    account = Account()
    account.grants.keys.add(KEY)
    arn = account.buy(account.tuned(customModelKmsKeyId=KEY))
    account.clock.advance(30)
    found = account.control.get_provisioned_model_throughput(provisionedModelId=arn)
    assert found["status"] == "Failed"
    assert f"kms:Decrypt on resource: {KEY}" in found["failureMessage"]
    account.grants.serving.add(KEY)
    account.bedrock.reset()
    arn = account.buy(account.tuned(customModelKmsKeyId=KEY))
    account.clock.advance(30)
    found = account.control.get_provisioned_model_throughput(provisionedModelId=arn)
    assert found["status"] == "InService"
