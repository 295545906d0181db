"""The summary of a review, and whether the training data is good enough."""

from __future__ import annotations

import heapq
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from statistics import fmean
from typing import Any

from lambdas.domain.data_review.asking import cut, row_at_most
from lambdas.domain.data_review.tasks import CRITERIA, ReviewTask
from lambdas.domain.errors import DatasetBelowThreshold, ReviewFailed
from lambdas.domain.evaluation.records import failure_summary, too_many
from lambdas.domain.models.model import Model
from lambdas.domain.run.contracts import Contract, ReviewedRecords, ReviewPlan, ReviewRow, Run
from lambdas.domain.run.execution_input import JudgePrompt

POOR_SCORE = 6  # below it the judge says that an answer should be rewritten
WORST_ROWS = 10
_NAMED_ROWS = 5  # in a message


class ReviewSummary(Contract):
    """What the rows say together. Means are of the reviewed records, None where there is none."""

    records: int  # in the file
    reviewed: int
    failed: int
    not_reviewed: int  # beyond the cost ceiling, or too long
    mean_score: float | None
    criterion_means: dict[str, float]
    poor_score: float
    poor: int  # reviewed records with a score below `poor_score`
    poor_percent: float | None
    input_tokens: int
    output_tokens: int
    lost_requests: int = 0  # as in `Answers`
    usd: float
    worst: list[ReviewRow]  # the lowest scores first


class DataReview(Contract):
    """What review.json holds."""

    judge_model: str
    prompts: tuple[str, ...]  # one for each language that records may be reviewed in
    plan: ReviewPlan
    min_review_score: float | None
    summary: ReviewSummary


def summarise(
    rows: Iterable[ReviewRow], *, records: int, usd: float, poor_score: float = POOR_SCORE
) -> ReviewSummary:
    """Sum rows up; `records` is how many the file has, `usd` what the rows cost."""
    rows = list(rows)
    scored = [row for row in rows if row.score is not None]
    poor = sum(row.score < poor_score for row in scored if row.score is not None)
    return ReviewSummary(
        records=records,
        reviewed=len(scored),
        failed=len(rows) - len(scored),
        not_reviewed=max(0, records - len(rows)),
        mean_score=_mean(row.score for row in scored),
        criterion_means=_criterion_means(scored),
        poor_score=poor_score,
        poor=poor,
        poor_percent=round(100 * poor / len(scored), 1) if scored else None,
        input_tokens=sum(row.input_tokens for row in rows),
        output_tokens=sum(row.output_tokens for row in rows),
        lost_requests=sum(row.lost_requests for row in rows),
        usd=round(usd, 4),
        worst=worst_rows(scored),
    )


def worst_rows(rows: Iterable[ReviewRow]) -> list[ReviewRow]:
    """Return the lowest scores first; of equal ones the lower sum of scores, then the line."""
    return heapq.nsmallest(WORST_ROWS, rows, key=_badness)


def _badness(row: ReviewRow) -> tuple[int, int, int]:
    return row.score or 0, sum((row.scores or {}).values()), row.line


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None


def _criterion_means(scored: Sequence[ReviewRow]) -> dict[str, float]:
    means = {name: _mean((row.scores or {}).get(name) for row in scored) for name in CRITERIA}
    return {name: mean for name, mean in means.items() if mean is not None}


def is_below(summary: ReviewSummary, min_score: float | None) -> bool:
    """Say whether the mean is known and below `min_score`."""
    if min_score is None or summary.mean_score is None:
        return False
    return summary.mean_score < min_score


def check_review(run: Run, summary: ReviewSummary, errors: Sequence[str], place: str) -> None:
    """Refuse data that is not good enough, or that could not be reviewed.

    Raises
    ------
    ReviewFailed
        More records failed than `max_failed_answers_percent`, or there is not one score.
    DatasetBelowThreshold
        The mean is below `min_review_score`; names the worst lines.
    """
    asked = summary.reviewed + summary.failed
    most_percent, min_score = run.settings.max_failed_answers_percent, run.settings.min_review_score
    if not summary.reviewed or too_many(summary.failed, asked, most_percent):
        raise ReviewFailed(
            f"reviewing the training data: {failure_summary(summary.failed, asked, errors)}. At "
            f"most max_failed_answers_percent = {most_percent:g} may; every error is in {place}. "
            f"Nothing was trained: fix the cause or choose another judge_model"
        )
    if is_below(summary, min_score):
        raise DatasetBelowThreshold(
            f"the training data scores {summary.mean_score:.2f} of 10 on average, below "
            f"min_review_score = {min_score:g}, over {summary.reviewed} reviewed records; "
            f"{summary.poor} score below {summary.poor_score:g}. Nothing was trained. The worst: "
            f"{_named(summary.worst)}. Correct or drop these and those like them ({place} has "
            "all, with reasons), or lower min_review_score"
        )


def _named(worst: Sequence[ReviewRow]) -> str:
    return "; ".join(f"line {row.line} ({row.score})" for row in worst[:_NAMED_ROWS])


def rows_of_children(
    children: Iterable[Mapping[str, Any]], model: Model, judge_prompt: JudgePrompt
) -> Iterator[ReviewRow]:
    """Yield the rows that a Distributed Map's child executions left in one result file.

    Each entry has the child's `Input` and `Output` as JSON in a string, and where it failed its
    `Error` and `Cause`
    (https://docs.aws.amazon.com/step-functions/latest/dg/input-output-resultwriter.html, read
    2026-11-23). The records of a child without output have its error, and as many tokens as may
    have been paid for.
    """
    for child in children:
        if child.get("Status", "SUCCEEDED") == "SUCCEEDED" and child.get("Output"):
            yield from ReviewedRecords.model_validate_json(child["Output"]).rows
        else:
            cause = _message(child.get("Cause", "not run"))
            error = f"{child.get('Error', child.get('Status'))}: {cause}"
            for item in json.loads(child.get("Input") or "{}").get("Items", []):
                task = ReviewTask.of(item["line"], item["record"], model, judge_prompt)
                unasked = ReviewRow(line=item["line"], error=error)  # not a readable record
                yield cut(row_at_most(task, error) if task else unasked)


def _message(cause: str) -> str:
    """Return what a function's error says, whose cause is JSON; any other cause as it is."""
    try:
        return str(json.loads(cause)["errorMessage"])
    except (ValueError, KeyError, TypeError):
        return cause
