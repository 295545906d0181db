"""What 1,000 answers of each model cost, and from where on hosting by the hour is cheaper."""

from __future__ import annotations

import pytest

from lambdas.domain.cost.calculator import Calculator
from lambdas.domain.cost.price_book import PriceBook
from lambdas.domain.cost.worth import Offer, line, offers
from lambdas.domain.evaluation.metrics import Judged
from tests.factories import PRICES, hosting, nova_run, report_request, run, standing
from tests.fakes.bedrock import REGION

CALCULATOR = Calculator(PriceBook.load(PRICES), REGION)
STANDINGS = [
    standing("base"),
    standing("tuned"),
    standing("few-shot", asked_tokens=1_110),
    standing(
        "nova-lite", score=None, asked_tokens=None, said_tokens=None, failure="AccessDenied: no"
    ),
]


def by_the_hour() -> dict[str, Offer]:
    request = report_request(run=run(also_compare=["few-shot", "nova-lite"]))
    return {each.standing.key: each for each in offers(request, STANDINGS, CALCULATOR)}


def test_an_answer_costs_the_tokens_that_it_had() -> None:
    made = by_the_hour()
    # 110 tokens of each question, 70 of each answer; prices are of 1,000 tokens, as the answers.
    assert made["base"].usd == pytest.approx(110 * 0.00025 + 70 * 0.00125)
    assert made["few-shot"].usd == pytest.approx(1_110 * 0.00025 + 70 * 0.00125)
    assert made["base"].how == (
        "1,000 x (110 tokens x $0.00025 + 70 tokens x $0.00125 per 1,000) = $0.12"
    )
    assert (made["nova-lite"].usd, made["nova-lite"].cost) == (None, "not known")


def test_hosting_by_the_hour_breaks_even_where_its_hour_costs_as_much_as_the_answers() -> None:
    made = by_the_hour()
    assert (made["tuned"].usd, made["tuned"].beside_tuned) == (None, "")
    assert made["tuned"].cost == "$132.00 an hour"
    answers_an_hour = 132 / made["few-shot"].usd * 1_000
    assert made["few-shot"].beside_tuned == (
        f"the tuned model costs less from {answers_an_hour:,.0f} answers an hour on: $132.00 an "
        "hour / $0.365 x 1,000"
    )
    assert made["nova-lite"].beside_tuned == ""


def test_by_the_token_the_tuned_model_costs_so_many_times_as_much() -> None:
    calculator = Calculator(PriceBook.load({}), "us-east-1")
    request = report_request(
        run=nova_run(also_compare=["few-shot", "nova-lite"]),
        hosting=hosting(kind="on-demand"),
    )
    keys = ("base", "tuned", "nova-lite")
    made = {each.standing.key: each for each in offers(request, map(standing, keys), calculator)}
    assert made["tuned"].usd == made["base"].usd == pytest.approx(110 * 0.000035 + 70 * 0.00014)
    assert made["base"].beside_tuned == "the tuned model costs 1.00 times as much"
    assert made["nova-lite"].beside_tuned == "the tuned model costs 0.58 times as much"


def test_a_price_that_is_missing_is_said_and_fails_nothing() -> None:
    """Claude 3 Haiku has no price by the token of its tuned models, and all is paid for by now."""
    request = report_request(hosting=hosting(kind="on-demand"))
    tuned, base = offers(request, map(standing, ("tuned", "base")), CALCULATOR)
    assert (tuned.usd, tuned.cost) == (None, "not known")
    assert "custom_input_usd_per_1k_tokens of claude-3-haiku" in tuned.how
    assert base.usd is not None


def test_a_mail_has_scores_and_costs_in_one_line() -> None:
    assert line([*by_the_hour().values()], Judged) == (
        "Mean score, and cost of 1,000 answers: the base model 2.50, $0.12; the tuned model 2.50, "
        "$132.00 an hour; few-shot 2.50, $0.37; nova-lite has no score."
    )
