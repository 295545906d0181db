"""Training data, prompts, answers and reasons appear in no log of a deployed run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import boto3

from tests.workflow.deployed_machine import Machine

MARK = "Zanzibar4711"  # one word, so that no cut or quotation hides it


def _marked(value: Any) -> Any:
    """Put the mark into every text of a record."""
    if isinstance(value, dict):
        fixed = {"role", "id"}
        return {key: each if key in fixed else _marked(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_marked(each) for each in value]
    return f"{MARK} {value} {MARK}." if isinstance(value, str) else value


def _upload_marked(machine: Machine, dataset: str, *, broken: bool) -> None:
    s3: Any = boto3.client("s3")
    for file in ("training", "validation", "evaluation"):
        key = f"{file}.jsonl"
        stored = s3.get_object(Bucket=machine.bucket, Key=f"datasets/default/{key}")["Body"].read()
        records = [_marked(json.loads(line)) for line in stored.splitlines()]
        if broken and file == "training":
            records[3]["messages"][0]["role"] = f"the {MARK} speaks"
            records[4][f"an {MARK} key"] = "x"
            records[5]["messages"][-1]["content"] = f"Call {MARK}@zanzibar.org or"
        body = "".join(json.dumps(record) + "\n" for record in records)
        s3.put_object(Bucket=machine.bucket, Key=f"datasets/{dataset}/{key}", Body=body.encode())


def _logged() -> Iterator[tuple[str, str]]:
    logs: Any = boto3.client("logs")
    for group in logs.get_paginator("describe_log_groups").paginate():
        for each in group["logGroups"]:
            name = each["logGroupName"]
            for page in logs.get_paginator("filter_log_events").paginate(logGroupName=name):
                yield from ((name, event["message"]) for event in page["events"])


def _leaks() -> list[tuple[str, str]]:
    lines = list(_logged())
    assert {name for name, _ in lines} >= {
        f"/aws/lambda/bedrock-tuning-local-{function}"
        for function in ("check-preflight", "validate-dataset", "notify")
    }
    return [line for line in lines if MARK in line[1]]


def test_a_whole_run_logs_nothing_of_its_data(machine: Machine) -> None:
    _upload_marked(machine, "marked", broken=False)
    ended = machine.run(
        {"dataset": "marked", "review_data": True, "system_prompt": f"You are {MARK}."}
    )
    assert ended.status == "SUCCEEDED", ended.cause
    assert _leaks() == []
    prefix = f"runs/{ended.output['run']}"
    for file in ("answers-tuned/00000.jsonl", "results/00000.jsonl", "review/rows.jsonl"):
        stored: Any = boto3.client("s3").get_object(Bucket=machine.bucket, Key=f"{prefix}/{file}")
        assert MARK in stored["Body"].read().decode(), f"{file} does not show that it was asked"


def test_a_refused_dataset_is_named_by_line_and_field_and_not_quoted(machine: Machine) -> None:
    _upload_marked(machine, "broken", broken=True)
    ended = machine.run({"dataset": "broken"})
    assert ended.error == "DatasetInvalid"
    assert "training.jsonl:4 messages[0].role" in ended.cause
    assert MARK not in ended.cause
    assert _leaks() == []
