"""The buckets and the key: private, encrypted, versioned, and kept where the environment says."""

import json
from typing import Any

from annotated_types import Ge

from stacks.environment import Environment, Storage
from stacks.pipeline.workflow import timeout
from tests.stacks.resources import Stacks, both, of_type


def buckets(stacks: Stacks) -> list[dict[str, Any]]:
    return of_type(stacks["storage"], "AWS::S3::Bucket")


def test_buckets_are_private_owned_and_encrypted(stacks: Stacks) -> None:
    assert len(buckets(stacks)) == 2
    for bucket in buckets(stacks):
        properties = bucket["Properties"]
        assert set(properties["PublicAccessBlockConfiguration"].values()) == {True}
        assert len(properties["PublicAccessBlockConfiguration"]) == 4
        assert properties["OwnershipControls"] == {
            "Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]
        }
        assert "BucketEncryption" in properties


def test_artefacts_are_versioned_logged_and_expire(
    environment: Environment, stacks: Stacks
) -> None:
    (artefacts,) = (
        each["Properties"]
        for each in buckets(stacks)
        if "LoggingConfiguration" in each["Properties"]
    )
    assert artefacts["VersioningConfiguration"] == {"Status": "Enabled"}
    rules = {each["Id"]: each for each in artefacts["LifecycleConfiguration"]["Rules"]}
    assert {*rules} == {"old-runs", "old-approvals", "old-versions", "unfinished-uploads"}
    assert rules["old-runs"]["Prefix"] == "runs/"
    assert rules["old-runs"]["ExpirationInDays"] == environment.storage.expire_runs_after_days
    encryption = json.dumps(artefacts["BucketEncryption"])
    assert ("aws:kms" in encryption) == (environment.storage.encryption == "kms")


def test_the_data_of_a_run_outlives_its_execution() -> None:
    [least] = [
        each.ge
        for each in Storage.model_fields["expire_runs_after_days"].metadata
        if isinstance(each, Ge)
    ]
    assert least > timeout().to_days(integral=False)


def test_what_lasts_is_kept_where_the_environment_says(
    environment: Environment, stacks: Stacks
) -> None:
    kept = "RetainExceptOnCreate" if environment.storage.retain else "Delete"
    lasting = [
        *buckets(stacks),
        *of_type(stacks["storage"], "AWS::KMS::Key"),
        *both(stacks, "AWS::Logs::LogGroup"),
    ]
    assert {each["DeletionPolicy"] for each in lasting} == {kept}
    emptied = of_type(stacks["storage"], "Custom::S3AutoDeleteObjects")
    assert len(emptied) == (0 if environment.storage.retain else 2)


def test_keys_are_rotated(stacks: Stacks) -> None:
    for key in of_type(stacks["storage"], "AWS::KMS::Key"):
        assert key["Properties"]["EnableKeyRotation"] is True
