"""What a change replaces, loses, grants and leaves alone."""

import json
from collections.abc import Callable
from typing import Any

from stacks.review.changes import Change, Changes
from stacks.review.grants import grant_lines
from stacks.review.sections import change_line, sections
from tests.stacks.review.conftest import find

Compared = Callable[[Callable[[dict[str, Any]], object]], Changes]


def test_nothing_changes(changes: Compared) -> None:
    found = changes(lambda _: None)
    assert sections(found) == {}


def rename_bucket(stacks: dict[str, Any]) -> None:
    old, new = '-us-east-1"', '-us-east-1-data"'
    text = json.dumps(stacks)
    for end in ('"', "/"):
        text = text.replace(f"-us-east-1{end}", f"-us-east-1-data{end}")
    assert old not in text
    assert new in text
    stacks |= json.loads(text)


def test_a_renamed_bucket_is_replaced_and_its_objects_are_lost(changes: Compared) -> None:
    found = sections(changes(rename_bucket))["Replaced"]
    [bucket] = [line for line in found if line.startswith("! S3 Bucket storage/Artefacts")]
    assert "because of BucketName ⚠ DATA LOSS: its objects" in bucket
    assert any("S3 BucketPolicy" in line and "because of Bucket" in line for line in found)
    assert not any("AccessLogs," in line for line in found)


def test_grants_that_only_follow_a_buckets_new_name_are_one_line(changes: Compared) -> None:
    found = changes(rename_bucket)
    assert not found.gained
    assert not found.lost
    assert found.followers > 50
    assert len(sections(found)["IAM: the same"]) == 1


def test_a_retained_bucket_keeps_its_data(changes: Compared) -> None:
    def edit(stacks: dict[str, Any]) -> None:
        rename_bucket(stacks)
        for key in ("UpdateReplacePolicy", "DeletionPolicy"):
            find(stacks, "Artefacts")[key] = "Retain"

    found = sections(changes(edit))
    [bucket] = [line for line in found["Replaced"] if "storage/Artefacts," in line]
    # The old template's policy still counts: it is the one that is deployed.
    assert "DATA LOSS" in bucket
    assert "UpdateReplacePolicy: Delete → Retain" in bucket


def test_a_removed_log_group_loses_its_logs(changes: Compared) -> None:
    def edit(stacks: dict[str, Any]) -> None:
        resources = stacks["guards"]["Resources"]
        for name in ("FunctionsCoreLayer", "GuardMachineLogs"):
            del resources[next(key for key in resources if key.startswith(name))]

    entry, _ = sections(changes(edit))["Removed"]  # losses first
    assert entry.startswith("- Logs LogGroup guards/GuardMachineLogs ⚠ DATA LOSS: its logs\n")


def test_a_widened_grant_is_the_one_grant_gained(changes: Compared) -> None:
    def edit(stacks: dict[str, Any]) -> None:
        role = find(stacks, "FunctionsDecideVerdictRole")["Properties"]
        statements = role["Policies"][0]["PolicyDocument"]["Statement"]
        [traces] = [each for each in statements if "xray:PutTraceSegments" in each["Action"]]
        traces["Action"] = ["bedrock:InvokeModel", *traces["Action"]]

    found = changes(edit)
    assert grant_lines(found.gained) == [
        "FunctionsDecideVerdictRole: may bedrock:InvokeModel on * ⚠ any resource"
    ]
    assert not found.lost
    assert not found.changed


def test_a_condition_that_goes_is_a_grant_gained_and_one_lost(changes: Compared) -> None:
    def edit(stacks: dict[str, Any]) -> None:
        role = find(stacks, "FunctionsStopRunRole")["Properties"]
        for statement in role["Policies"][0]["PolicyDocument"]["Statement"]:
            statement.pop("Condition", None)

    found = changes(edit)
    assert {each.action for each in found.gained} == {
        "bedrock:DeleteCustomModelDeployment",
        "bedrock:DeleteProvisionedModelThroughput",
        "bedrock:StopModelCustomizationJob",
    }
    lost = grant_lines(found.lost)
    assert len(lost) == len(found.gained)
    assert all("if {StringEqualsIfExists: {aws:ResourceTag" in each for each in lost)


def test_the_key_policy_of_a_key_means_the_key(changes: Compared) -> None:
    statement = {"Action": "kms:*", "Effect": "Allow", "Resource": "*", "Principal": "*"}
    key = {
        "Type": "AWS::KMS::Key",
        "Properties": {"KeyPolicy": {"Statement": [statement]}},
    }
    found = changes(lambda stacks: stacks["storage"]["Resources"].update(Key0A0B0C0D=key))
    assert grant_lines(found.gained) == ["Key: may kms:* on * by *"]


def test_a_property_changed_in_many_resources_is_one_line(changes: Compared) -> None:
    def edit(stacks: dict[str, Any]) -> None:
        for stack in stacks.values():
            for resource in stack["Resources"].values():
                if resource["Type"] == "AWS::Logs::LogGroup":
                    resource["Properties"]["RetentionInDays"] = 30

    assert sections(changes(edit))["Changed"] == ["~ each Logs LogGroup: RetentionInDays: 14 → 30"]


def test_one_more_metric_is_one_line(changes: Compared) -> None:
    def edit(stacks: dict[str, Any]) -> None:
        body = find(stacks, "Dashboard")["Properties"]["DashboardBody"]["Fn::Join"][1]
        body[2] = body[2].replace('"metrics":[', '"metrics":[["AWS/SQS","Other",{}],', 1)

    [line] = sections(changes(edit))["Changed"]
    assert line.endswith("metrics[]: + [AWS/SQS, Other, {}]")


def test_a_changed_deletion_policy_shows(changes: Compared) -> None:
    def edit(stacks: dict[str, Any]) -> None:
        find(stacks, "Artefacts")["DeletionPolicy"] = "Retain"

    [line] = sections(changes(edit))["Changed"]
    assert line == "~ S3 Bucket storage/Artefacts: DeletionPolicy: Delete → Retain"


def test_another_logical_id_is_another_resource(changes: Compared) -> None:
    def edit(stacks: dict[str, Any]) -> None:
        resources = stacks["guards"]["Resources"]
        [key] = [key for key in resources if key[:-8] == "GuardUndelivered"]
        resources["GuardUndelivered0A0B0C0D"] = resources.pop(key)

    [line] = sections(changes(edit))["Replaced"]
    assert "GuardUndelivered, because of its logical id ⚠ DATA LOSS: its messages" in line


def test_long_texts_are_shown_from_shortly_before_their_difference() -> None:
    same = "a" * 1_000
    assert change_line(Change("Cause", f"{same}old", f"{same}new")) == (
        f"Cause: …{'a' * 40}old → …{'a' * 40}new"
    )
    assert change_line(Change("Seconds", "10", "100")) == "Seconds: 10 → 100"
    longer = change_line(Change("Cause", same, f"{same}a"))
    assert longer == f"Cause: …{'a' * 40} → …{'a' * 41}"
