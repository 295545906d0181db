"""What was approved is what is trained on, asked and reported, whatever people upload meanwhile."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from typing import Any

import boto3
import pytest

from lambdas.domain.run.dataset_files import FILE_NAMES
from local.bedrock import Fault
from tests.workflow.deployed_machine import Machine, Outcome
from tests.workflow.test_runs import BUY, QUICK, decide, decision, read_json, read_text

pytestmark = pytest.mark.usefixtures("enforced")

DATASET = "moving"


@pytest.fixture
def uploaded(machine: Machine) -> Iterator[dict[str, bytes]]:
    """A dataset that a test may spoil, by the name of each file."""
    s3: Any = boto3.client("s3")
    bodies = {
        name: read_text(machine, f"datasets/default/{name}").encode()
        for name in FILE_NAMES.values()
    }
    for name, body in bodies.items():
        upload(machine, name, body)
    yield bodies
    for name in bodies:
        s3.delete_object(Bucket=machine.bucket, Key=f"datasets/{DATASET}/{name}")


def upload(machine: Machine, name: str, body: bytes) -> None:
    s3: Any = boto3.client("s3")
    s3.put_object(Bucket=machine.bucket, Key=f"datasets/{DATASET}/{name}", Body=body)


def waiting_run(machine: Machine, arn: str) -> str:
    """Return the name of an execution's run once it waits for a decision."""
    s3: Any = boto3.client("s3")
    machine.wait_for_state(arn, "Approve spend")
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        listed = s3.list_objects_v2(Bucket=machine.bucket, Prefix="approvals/")
        for each in listed.get("Contents", []):
            asked = json.loads(read_text(machine, each["Key"]))
            if asked.get("execution_arn") == arn:
                name: str = asked["run"]
                return name
        time.sleep(0.1)
    raise AssertionError("nobody was asked")


def questions_of(machine: Machine, ended: Outcome, side: str) -> list[str]:
    prefix = read_json(machine, ended, "manifest.json")[f"{side}_answers"]["answers_prefix"]
    lines = read_text(machine, f"{prefix}00000.jsonl").splitlines()
    return [json.loads(line)["question"] for line in lines]


def test_a_run_goes_by_what_was_approved(machine: Machine, uploaded: dict[str, bytes]) -> None:
    """Three uploads, each before the state that would read it; each would lose a paid run."""
    slow_purchase = Fault(BUY, "slow", seconds=2.0)
    machine.offline.bedrock.scenario = replace(QUICK, faults=(slow_purchase,))
    arn = machine.start({"dataset": DATASET, "require_approval": True})
    run = waiting_run(machine, arn)
    upload(machine, "training.jsonl", b"not a record\n")
    assert decide(machine, decision(machine, run)).status == "SUCCEEDED"
    machine.wait_for_state(arn, "Wait for training")
    s3: Any = boto3.client("s3")
    s3.delete_object(Bucket=machine.bucket, Key=f"datasets/{DATASET}/validation.jsonl")
    machine.wait_for_state(arn, "Buy throughput")
    other = {"id": "other", "question": "Who asks this?", "reference_answer": "Nobody."}
    upload(machine, "evaluation.jsonl", json.dumps(other).encode() + b"\n")
    ended = machine.wait(arn)
    assert ended.status == "SUCCEEDED", ended.cause

    expected = [json.loads(line)["question"] for line in uploaded["evaluation.jsonl"].splitlines()]
    assert questions_of(machine, ended, "base") == questions_of(machine, ended, "tuned") == expected
    manifest = read_json(machine, ended, "manifest.json")
    files = manifest["dataset"]["files"]
    assert {each["key"]: each["sha256"] for each in files} == {
        f"runs/{run}/dataset/{name}": sha256(body).hexdigest() for name, body in uploaded.items()
    }
    approved = json.loads(read_text(machine, f"approvals/{run}/request.json"))["dataset_sha256"]
    for name in ("quote.json", "verdict.json"):
        assert read_json(machine, ended, name)["dataset_sha256"] == approved
    page = read_text(machine, f"runs/{run}/report.html")
    assert all(each["sha256"] in page for each in files)


@pytest.mark.parametrize("name", FILE_NAMES.values())
def test_nothing_is_trained_on_a_copy_that_somebody_changed(
    machine: Machine, uploaded: dict[str, bytes], name: str
) -> None:
    arn = machine.start({"dataset": DATASET, "require_approval": True})
    run = waiting_run(machine, arn)
    s3: Any = boto3.client("s3")
    s3.put_object(
        Bucket=machine.bucket,
        Key=f"runs/{run}/dataset/{name}",
        Body=uploaded[name] * 2,
        ChecksumAlgorithm="SHA256",
    )
    decide(machine, decision(machine, run))
    ended = machine.wait(arn)
    assert (ended.status, ended.error) == ("FAILED", "DatasetChanged")
    assert f"runs/{run}/dataset/{name} is no longer what was checked and quoted" in ended.cause
    bedrock = machine.offline.bedrock.snapshot()
    assert bedrock["jobs"] == []
    assert bedrock["meter"]["total_usd"] < 0.0001, "a token each of base and judge"
