"""Answers that are there are judged again by the deployed machine, at the judge's price alone."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import boto3
import pytest

from local.bedrock import Fault
from tests.workflow.deployed_machine import Machine, Outcome
from tests.workflow.test_runs import (
    BASE_ANSWERS,
    QUICK,
    TUNED_ANSWERS,
    assert_nothing_left,
    bought,
    mail_of,
    read_json,
    read_text,
)

pytestmark = pytest.mark.usefixtures("enforced")

JUDGE, JUDGE_NAME = "claude-haiku-4-5", "Claude Haiku 4.5"


def metered(machine: Machine) -> dict[str, float]:
    """Return what was used, by what it is, of all but the judge of these tests."""
    items = machine.offline.bedrock.snapshot()["meter"]["items"]
    return {each["what"]: each["quantity"] for each in items if JUDGE_NAME not in each["what"]}


def answers_of(machine: Machine, run: str) -> list[tuple[str, Any, Any]]:
    """Return each question's id with the answers of both models."""
    text = read_text(machine, f"runs/{run}/results/00000.jsonl")
    results = [json.loads(line) for line in text.splitlines()]
    return [(each["id"], each["base"]["answer"], each["tuned"]["answer"]) for each in results]


def judge_again(machine: Machine, run: str) -> Outcome:
    """Judge a run's answers, and hold what it costs against what was metered."""
    before, purchases = metered(machine), bought(machine)
    ended = machine.run({"answers_of_run": run, "judge_model": JUDGE})
    assert ended.status == "SUCCEEDED", ended.cause
    assert metered(machine) == before
    assert (bought(machine), len(machine.offline.bedrock.snapshot()["jobs"])) == (purchases, 1)
    assert {"Start training", BASE_ANSWERS, TUNED_ANSWERS}.isdisjoint(ended.states)
    bill = read_json(machine, ended, "cost.json")
    assert {each["what"].partition(",")[0] for each in bill["items"]} == {"Judgements"}
    items = machine.offline.bedrock.snapshot()["meter"]["items"]
    [judged] = [each["usd"] for each in items if JUDGE_NAME in each["what"]]
    assert bill["usd"] == pytest.approx(judged, abs=0.01)
    lost = read_json(machine, ended, "manifest.json")["judgements"]["lost_requests"]
    assert bill["at_most"] is bool(lost), "a busy machine can end a function before its answer"
    assert ended.output["answers_of_run"] == run
    assert ended.output["hosting_arn"] is None
    assert ended.output["verdict"] == "better"
    return ended


def test_answers_are_judged_again_by_another_judge_and_nothing_else_is_paid(
    machine: Machine, inbox: str
) -> None:
    machine.offline.bedrock.scenario = QUICK
    first = machine.run()
    assert first.status == "SUCCEEDED", first.cause
    run = first.output["run"]
    s3: Any = boto3.client("s3")
    key = "datasets/default/evaluation.jsonl"
    uploaded = s3.get_object(Bucket=machine.bucket, Key=key)["Body"].read()
    s3.delete_object(Bucket=machine.bucket, Key=key)
    try:
        again = judge_again(machine, run)
    finally:
        s3.put_object(Bucket=machine.bucket, Key=key, Body=uploaded)
    assert answers_of(machine, again.output["run"]) == answers_of(machine, run)
    verdicts = [read_json(machine, each, "verdict.json") for each in (first, again)]
    assert len({each["dataset_sha256"] for each in verdicts}) == 1
    assert again.output["custom_model_arn"] == first.output["custom_model_arn"]
    said = f"Answers of run {run}, judged again by {JUDGE_NAME}"
    assert said in mail_of(again, inbox)["Message"]
    assert said in read_text(machine, again.output["report"].partition(f"{machine.bucket}/")[2])
    assert read_json(machine, again, "manifest.json")["hosting"] is None


def test_a_run_whose_judge_failed_names_its_answers_which_are_judged_then(
    machine: Machine, inbox: str
) -> None:
    refused = Fault("Converse", "access_denied", after=4, model="nova-pro")
    machine.offline.bedrock.scenario = replace(QUICK, faults=(refused,))
    failed = machine.run()
    assert failed.status == "FAILED"
    assert failed.cause.startswith("Judge answers: ")
    named = re.search(r'"answers_of_run": "([^"]+)"', failed.cause)
    assert named
    assert named[0] in mail_of(failed, inbox)["Message"]
    assert "tuned_by_run" not in failed.cause
    again = judge_again(machine, named[1])

    refused_again = machine.run({"answers_of_run": again.output["run"], "judge_model": JUDGE})
    assert (refused_again.status, refused_again.error) == ("FAILED", "PreflightFailed")
    assert f'Give "answers_of_run": "{named[1]}"' in refused_again.cause
    assert_nothing_left(machine)
