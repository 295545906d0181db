"""*Plan review*: which training records a judge can be asked about for the money, and no more."""

from __future__ import annotations

import json
from collections.abc import Iterable

from lambdas.aws.artefacts import Artefacts
from lambdas.domain.data_review.review import Rates
from lambdas.domain.data_review.sampling import MAX_RECORD_BYTES, choose, step_through
from lambdas.domain.errors import CostCeilingExceeded
from lambdas.domain.models.lookup import find_model
from lambdas.domain.run.contracts import PlanReviewRequest, ReviewPlan
from lambdas.runtime.pricing import calculator
from lambdas.runtime.step import step


def plan_review(request: PlanReviewRequest) -> ReviewPlan:
    run, settings, dataset = request.run, request.run.settings, request.dataset
    max_usd = settings.max_review_usd
    rates = Rates.of(calculator(run.region).book, settings.judge_model, run.region)
    every = step_through(dataset.training_records, dataset.training_tokens, max_usd, rates)
    artefacts = Artefacts(run.bucket)
    lines = artefacts.iter_lines(run.training_key, max_line_bytes=MAX_RECORD_BYTES)
    chosen = choose(lines, find_model(settings.model), every=every, max_usd=max_usd, rates=rates)
    if not chosen.items:
        raise CostCeilingExceeded(
            f"max_review_usd = {max_usd:g} does not pay for the review of one training record with "
            f"{settings.judge_model} ({chosen.too_long} are longer than {MAX_RECORD_BYTES:,} "
            "bytes and cannot be reviewed). Nothing was spent: raise it, or leave review_data off"
        )
    return ReviewPlan(
        records=dataset.training_records,
        planned=len(chosen.items),
        every=every,
        too_long=chosen.too_long,
        worst_usd=chosen.worst_usd,
        items_key=artefacts.put_text(f"{run.prefix}/review/items.jsonl", _lines(chosen.items)),
    )


def _lines(items: Iterable[object]) -> str:
    # In ASCII: some readers of JSONL end a line at U+2028, too.
    return "".join(json.dumps(each) + "\n" for each in items)


handler = step("Plan review", PlanReviewRequest)(plan_review)
