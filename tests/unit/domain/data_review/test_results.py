"""*Summarise review*: what is made of the scores."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from lambdas.domain.data_review.results import summarise, worst_rows
from lambdas.domain.data_review.tasks import CRITERIA, ReviewTask, most_input_tokens, worst_usd
from lambdas.domain.errors import DatasetBelowThreshold, ReviewFailed
from lambdas.domain.evaluation.rubrics import ATTEMPTS
from lambdas.domain.models.lookup import find_model
from lambdas.domain.run.contracts import ReviewRow
from lambdas.handlers import summarise_review
from tests.factories import NOW, PREFIX, run
from tests.fakes.s3 import FakeS3
from tests.unit.domain.data_review.made_up_records import (
    event,
    record,
    usd,
)

MANIFEST = f"{PREFIX}/review/0f3c/manifest.json"


def child(rows: list[ReviewRow], **changes: str) -> dict[str, Any]:
    """Make an entry of a result file, as Step Functions writes it."""
    given = {"Items": [{"line": row.line, "record": record("Q?")} for row in rows]}
    return {
        "ExecutionArn": "arn:aws:states:…",
        "Input": json.dumps(given),
        "Output": json.dumps({"rows": [row.model_dump() for row in rows]}),
        "Status": "SUCCEEDED",
    } | changes


def scored(line: int, score: int, reason: str = "So so.") -> ReviewRow:
    scores = dict.fromkeys(CRITERIA, 9) | {"correct": score}
    return ReviewRow(
        line=line,
        score=score,
        scores=scores,
        reason=reason,
        input_tokens=1000,
        output_tokens=100,
    )


def write_results(s3: FakeS3, **files: list[dict[str, Any]]) -> None:
    keys = {name: f"{PREFIX}/review/0f3c/{name}.json" for name in files}
    for name, children in files.items():
        s3.objects[keys[name]] = json.dumps(children).encode()
    by_status = {
        status: [{"Key": key, "Size": 1} for name, key in keys.items() if name.startswith(status)]
        for status in ("FAILED", "PENDING", "SUCCEEDED")
    }
    s3.objects[MANIFEST] = json.dumps({"ResultFiles": by_status}).encode()


def summarised(min_score: float | None = None, **changes: object) -> dict[str, Any]:
    plan = {"records": 90, "planned": 4, "every": 30, "too_long": 0, "worst_usd": 0.5}
    given = event(
        run=run(min_review_score=min_score, **changes),
        now=NOW.isoformat(),
        plan=plan | {"items_key": "x"},
        results_key=MANIFEST,
    )
    return summarise_review.handler(given, None)


def test_all_result_files_come_together(s3: FakeS3) -> None:
    one, two = [scored(31, 9), scored(1, 3, "Wrong year.")], [scored(61, 6)]
    write_results(s3, SUCCEEDED_0=[child(one)], SUCCEEDED_1=[child(two)])
    done = summarised()
    assert (done["reviewed"], done["failed"], done["mean_score"], done["poor"]) == (3, 0, 6.0, 1)
    assert done["usd"] == pytest.approx(3 * (0.0008 + 0.00032), abs=1e-4)
    kept = json.loads(s3.objects[f"{PREFIX}/review.json"])
    assert kept["summary"]["not_reviewed"] == 87
    assert [row["line"] for row in kept["summary"]["worst"]] == [1, 61, 31]
    rows = s3.objects[f"{PREFIX}/review/rows.jsonl"].decode().splitlines()
    assert [json.loads(row)["line"] for row in rows] == [1, 31, 61]


def test_below_the_threshold_the_run_stops_and_the_worst_lines_are_named(s3: FakeS3) -> None:
    rows = [scored(4, 2, "The year is wrong."), scored(2, 9), scored(9, 5)]
    write_results(s3, SUCCEEDED_0=[child(rows)])
    with pytest.raises(DatasetBelowThreshold) as refused:
        summarised(6.0)
    said = str(refused.value)
    assert "scores 5.33 of 10 on average, below min_review_score = 6" in said
    assert "The worst: line 4 (2); line 9 (5); line 2 (9)." in said
    assert "The year is wrong" not in said, "a reason speaks of the record; it is in the bucket"
    assert "Nothing was trained" in said
    assert f"{PREFIX}/review.json" in s3.objects, "what there is to correct is kept"


def test_at_the_threshold_or_without_one_the_run_goes_on(s3: FakeS3) -> None:
    write_results(s3, SUCCEEDED_0=[child([scored(1, 5), scored(2, 7)])])
    assert summarised(6.0)["mean_score"] == 6.0
    write_results(s3, SUCCEEDED_0=[child([scored(1, 1)])])
    assert summarised(None)["mean_score"] == 1.0


def test_the_records_of_a_failed_child_count_as_failed(s3: FakeS3) -> None:
    died = child([scored(7, 9), scored(8, 9)], Status="FAILED", Error="Lambda.Unknown", Cause="oom")
    del died["Output"]
    write_results(s3, SUCCEEDED_0=[child([scored(1, 9)])], FAILED_0=[died])
    done = summarised(max_failed_answers_percent=70)
    assert done["failed"] == 2
    assert done["lost_requests"] == 2 * ATTEMPTS, "all of it may have been asked and paid for"
    task = ReviewTask.of(7, record("Q?"), find_model(run().settings.model))
    assert task
    assert done["usd"] == pytest.approx(
        usd(1000, 100) + 2 * worst_usd(most_input_tokens(task), usd), abs=1e-4
    )
    with pytest.raises(ReviewFailed, match=r"2 of 3 \(67 %\) failed.* Lambda\.Unknown: oom"):
        summarised()


def failed_with(message: str) -> dict[str, Any]:
    cause = json.dumps({"errorMessage": message, "errorType": "AccessDenied", "stackTrace": []})
    died = child([scored(7, 9)], Status="FAILED", Error="AccessDenied", Cause=cause)
    del died["Output"]
    return died


@pytest.mark.parametrize(
    "message",
    [
        (
            f"could not ask {'m' * 100}: An error occurred (ThrottlingException): slow down. What "
            f"is reviewed is kept beside s3://bucket/{'k' * 300}: start again"
        ),
        f"could not write s3://bucket/{'k' * 300}: An error occurred (AccessDenied): denied",
    ],
)
def test_what_a_failed_function_says_is_told_whole(s3: FakeS3, message: str) -> None:
    """Its cause is JSON, and the reason stands before or behind a long key."""
    write_results(s3, FAILED_0=[failed_with(message)])
    with pytest.raises(ReviewFailed, match=re.escape(f"1 of them with: AccessDenied: {message}")):
        summarised()


def test_of_a_very_long_error_both_ends_are_told(s3: FakeS3) -> None:
    message = f"could not write s3://bucket/{'k' * 1_000}: An error occurred (AccessDenied): denied"
    write_results(s3, FAILED_0=[failed_with(message)])
    said = (
        r"could not write s3://bucket/k+…k+: An error occurred \(AccessDenied\): denied\. At most"
    )
    with pytest.raises(ReviewFailed, match=f"1 of them with: AccessDenied: {said}"):
        summarised()


def test_nothing_reviewed_is_no_good_review(s3: FakeS3) -> None:
    write_results(s3, SUCCEEDED_0=[])
    with pytest.raises(ReviewFailed):
        summarised(max_failed_answers_percent=100)


def test_the_worst_are_ordered_by_score_then_by_all_scores() -> None:
    low = ReviewRow(line=8, score=3, scores=dict.fromkeys(CRITERIA, 3), reason="")
    rows = [scored(1, 9), scored(2, 3), low]
    assert [row.line for row in worst_rows(rows)] == [8, 2, 1]
    summary = summarise(rows, records=3, usd=0.0123456, poor_score=9)
    assert (summary.poor, summary.poor_percent, summary.usd) == (2, 66.7, 0.0123)
    assert summary.criterion_means["correct"] == 5.0
