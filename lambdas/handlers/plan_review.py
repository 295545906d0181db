"""*Plan review*: which training records a judge can be asked about for the money, and no more."""

from __future__ import annotations

from lambdas.aws.artefacts import Artefacts
from lambdas.aws.billing import Billing
from lambdas.aws.frozen_files import require_unchanged
from lambdas.domain.cost.quote import REVIEW
from lambdas.domain.data_review.sampling import MAX_RECORD_BYTES, sample_records
from lambdas.domain.run.contracts import PlanReviewRequest, ReviewPlan
from lambdas.domain.run.variables import PriceVariables
from lambdas.runtime.pricing import calculator
from lambdas.runtime.step import step, variables_of


def plan_review(request: PlanReviewRequest) -> ReviewPlan:
    run, dataset = request.run, request.dataset
    prices = calculator(variables_of(PriceVariables), run.region).tokens(run.settings.judge_model)
    artefacts = Artefacts(run.bucket)
    require_unchanged(artefacts, [dataset.training])
    lines = artefacts.iter_lines(dataset.training.key, max_line_bytes=MAX_RECORD_BYTES)
    sample = sample_records(run, dataset, lines, prices.usd)
    # Its batches may be asked about from here on.
    Billing(artefacts, run.prefix).begin(REVIEW, request.now)
    return ReviewPlan(
        records=dataset.training_records,
        planned=len(sample.items),
        every=sample.every,
        too_long=sample.too_long,
        worst_usd=sample.worst_usd,
        items_key=artefacts.put_text(f"{run.prefix}/review/items.jsonl", sample.as_jsonl()),
    )


handler = step("Plan review", PlanReviewRequest)(plan_review)
