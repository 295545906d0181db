"""*Summarise review*: what the judge said of the training data together, and whether it will do."""

from __future__ import annotations

from collections.abc import Iterator

from lambdas.aws.artefacts import Artefacts
from lambdas.domain.data_review.results import (
    DataReview,
    check_review,
    rows_of_children,
    summarise,
)
from lambdas.domain.data_review.tasks import prompts_of
from lambdas.domain.models.lookup import find_model
from lambdas.domain.run.contracts import ReviewOutcome, ReviewRow, SummariseReviewRequest
from lambdas.domain.run.execution_input import Settings
from lambdas.domain.run.variables import PriceVariables
from lambdas.runtime.pricing import calculator
from lambdas.runtime.step import step, variables_of


def summarise_review(request: SummariseReviewRequest) -> ReviewOutcome:
    run = request.run
    artefacts = Artefacts(run.bucket)
    found = _rows(artefacts, request.results_key, run.settings)
    rows = sorted(found, key=lambda row: row.line)
    prices = calculator(variables_of(PriceVariables), run.region).tokens(run.settings.judge_model)
    usd = sum(prices.usd(row.input_tokens, row.output_tokens) for row in rows)
    summary = summarise(rows, records=request.plan.records, usd=usd)
    rows_key = artefacts.put_records(
        f"{run.prefix}/review/rows.jsonl", (row.model_dump(exclude_defaults=True) for row in rows)
    )
    review = DataReview(
        judge_model=run.settings.judge_model,
        prompts=prompts_of(run.settings.judge_prompt),
        plan=request.plan,
        min_review_score=run.settings.min_review_score,
        summary=summary,
    )
    key = artefacts.put_json(f"{run.prefix}/review.json", review.model_dump())
    errors = [row.error for row in rows if row.error is not None]
    check_review(run, summary, errors, artefacts.uri(rows_key))
    return ReviewOutcome(
        reviewed=summary.reviewed,
        failed=summary.failed,
        mean_score=summary.mean_score,
        poor=summary.poor,
        usd=summary.usd,
        lost_requests=summary.lost_requests,
        review_key=key,
        rows_key=rows_key,
    )


def _rows(artefacts: Artefacts, manifest_key: str, settings: Settings) -> Iterator[ReviewRow]:
    model = find_model(settings.model)
    for files in artefacts.read_json(manifest_key)["ResultFiles"].values():
        for file in files:
            children = artefacts.read_json(file["Key"])
            yield from rows_of_children(children, model, settings.judge_prompt)


handler = step("Summarise review", SummariseReviewRequest)(summarise_review)
