"""A run of the deployed machine happens the same way twice: its histories, and what it wrote."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import boto3

from local.rehearsal.deployment import bootstrap, deploy, upload_converted
from local.rehearsal.rehearse import REGION
from local.server import OfflineAws
from tests.repository import ROOT

START = 1_795_000_000.0
SEED = 7


def played(assembly: str) -> dict[str, Any]:
    """Deploy into an offline AWS of this process's own, run from `{}`, and return what was seen."""
    offline = OfflineAws(region=REGION, seed=SEED, start=START)
    offline.start()
    bootstrap()
    stacks = deploy("local", assembly=Path(assembly))
    upload_converted(ROOT / "dataset", stacks.bucket, "claude-3-haiku")
    offline.enforce_iam(on=True)
    states: Any = boto3.client("stepfunctions")
    given = {"stateMachineArn": stacks.state_machine_arn, "name": "same-run", "input": "{}"}
    states.start_execution(**given)
    offline.clock.settle(real_seconds=500)
    executions = offline.executions.records.values()
    histories = {each.arn: each.events for each in executions}
    [status] = [each.status for each in executions if each.name == "same-run"]
    s3: Any = boto3.client("s3")
    listed = s3.get_paginator("list_objects_v2").paginate(Bucket=stacks.bucket)
    objects = {
        each["Key"]: s3.get_object(Bucket=stacks.bucket, Key=each["Key"])["Body"].read()
        for page in listed
        for each in page["Contents"]
    }
    offline.stop()
    return {
        "status": status,
        "events": sum(map(len, histories.values())),
        "histories": digest(json.dumps(histories, sort_keys=True).encode()),
        "objects": {key: digest(body) for key, body in objects.items()},
    }


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


PLAY = """
import json, sys
from tests.workflow.test_determinism import played
print(json.dumps(played(sys.argv[1])))
"""


def test_a_run_is_the_same_under_any_hash_seed_and_beside_another(assembly: Path) -> None:
    playing = [
        subprocess.Popen(
            [sys.executable, "-c", PLAY, str(assembly)],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": str(hash_seed)},
            stdout=subprocess.PIPE,
            text=True,
        )
        for hash_seed in (1, 2)
    ]
    seen = [json.loads(each.communicate()[0].splitlines()[-1]) for each in playing]
    assert seen[0] == seen[1]
    assert seen[0]["status"] == "SUCCEEDED"
    assert seen[0]["events"] > 900
