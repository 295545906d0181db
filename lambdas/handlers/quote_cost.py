"""*Quote cost*: what the run will cost, before it spends anything; refuses above the ceiling."""

from __future__ import annotations

from hashlib import sha256

from lambdas.aws.artefacts import Artefacts
from lambdas.aws.metrics import record
from lambdas.domain.cost.estimate import make_quote, savings
from lambdas.domain.cost.hosting_choice import check_hosting
from lambdas.domain.cost.quote import as_bytes, check_ceiling, text
from lambdas.domain.hosting.answering import check_questions
from lambdas.domain.models.lookup import find_model
from lambdas.domain.run.contracts import QuoteCostRequest, QuotedCost
from lambdas.domain.run.variables import PriceVariables
from lambdas.runtime.pricing import calculator
from lambdas.runtime.step import step, variables_of


def quote_cost(request: QuoteCostRequest) -> QuotedCost:
    run, settings = request.run, request.run.settings
    prices = calculator(variables_of(PriceVariables), run.region)
    quote = make_quote(run, request.dataset, prices)
    kept = as_bytes(quote)
    key = Artefacts(run.bucket).put_bytes(f"{run.prefix}/quote.json", kept)
    check_hosting(quote)
    if quote.hosting:
        limit = find_model(settings.model).requests_per_minute(quote.hosting.kind)
        check_questions(request.dataset.asked, limit)
    check_ceiling(quote, settings.model, savings(run, request.dataset, prices))
    record(run.environment, {"QuotedUsd": quote.expected_usd})
    return QuotedCost(
        low_usd=quote.low_usd,
        expected_usd=quote.expected_usd,
        high_usd=quote.high_usd,
        hosting=quote.hosting.kind if quote.hosting else None,
        hosting_reason=quote.hosting_reason,
        hosting_usd_per_hour=quote.hosting_usd_per_hour,
        hyperparameters=quote.hyperparameters,
        hyperparameter_reasons=quote.hyperparameter_reasons,
        summary=text(quote),
        quote_key=key,
        dataset_sha256=quote.dataset_sha256,
        quote_sha256=sha256(kept).hexdigest(),
    )


handler = step("Quote cost", QuoteCostRequest)(quote_cost)
