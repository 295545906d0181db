"""What a run has cost, beside what was quoted: only what was counted, at the run's own prices."""

from __future__ import annotations

import pytest

from lambdas.domain.cost.actuals import Spent, hosting_usd, spent, total
from lambdas.domain.cost.calculator import Calculator
from lambdas.domain.cost.price_book import PriceBook
from lambdas.domain.cost.quote import REVIEW
from lambdas.domain.run.contracts import Release
from tests.factories import PRICES, REVIEWED, hosting, quote, report_request, run
from tests.fakes.bedrock import REGION

CALCULATOR = Calculator(PriceBook.load(PRICES), REGION)
NOTHING = Release(found=False, hosting_arn=None, billed_minutes=None)


def released(minutes: float) -> Release:
    arn = hosting().hosting_arn
    return Release(found=True, hosting_arn=arn, billed_minutes=minutes)


def rows(**changes: object) -> dict[str, Spent]:
    return {each.what: each for each in spent(report_request(**changes), quote(), CALCULATOR)}


def test_every_item_of_the_quote_has_its_actual_cost() -> None:
    quoted = {each.what: each.expected_usd for each in quote().items}
    assert {what: each.quoted_usd for what, each in rows().items()} == quoted


def test_training_bills_the_epochs_that_ran() -> None:
    training = rows()["Training"]  # 7 of the 10 that were asked for
    assert training.usd == pytest.approx(12_345 * 7 / 1000 * 0.004)
    assert training.how == "12,345 tokens (an upper estimate) in 7 epochs"


def test_tokens_are_those_that_the_api_counted() -> None:
    expected = {
        "Answers of the base model, input tokens": 330 / 1000 * 0.00025,
        "Answers of the base model, output tokens": 210 / 1000 * 0.00125,
        "Judgements, input tokens": 900 / 1000 * 0.0008,
        "Judgements, output tokens": 80 / 1000 * 0.0032,
    }
    made = rows()
    assert {what: made[what].usd for what in expected} == pytest.approx(expected)


def test_hosting_is_minutes_times_units_times_price() -> None:
    assert hosting_usd(run(model_units=2), released(25), CALCULATOR) == pytest.approx(
        25 / 60 * 2 * 132
    )
    assert rows()["Provisioned throughput"].how == "25.0 minutes"


def test_a_run_that_bought_nothing_paid_for_no_throughput() -> None:
    assert hosting_usd(run(), NOTHING, CALCULATOR) == 0
    assert rows(release=NOTHING)["Provisioned throughput"].how == "not measured"


def test_a_review_bills_its_tokens() -> None:
    reviewing = quote(review_data=True)
    request = report_request(run=run(review_data=True), review=REVIEWED)
    bill = {each.what: each for each in spent(request, reviewing, CALCULATOR)}
    assert bill[REVIEW].usd == REVIEWED.usd
    assert bill[REVIEW].how == "31 records reviewed, 1 failed"
    assert bill[REVIEW].quoted_usd == reviewing.items[0].expected_usd
    assert REVIEW not in rows()


def test_the_total_is_the_sum_in_cents() -> None:
    made = rows().values()
    assert total(made) == round(sum(each.usd for each in made), 2)
    assert total([]) == 0


def test_an_environments_price_is_the_one_that_counts() -> None:
    dear = {"claude-3-haiku": PRICES["claude-3-haiku"] | {"throughput_usd_per_unit_hour": 264.0}}
    assert hosting_usd(
        run(), released(30), Calculator(PriceBook.load(dear), REGION)
    ) == pytest.approx(132)
