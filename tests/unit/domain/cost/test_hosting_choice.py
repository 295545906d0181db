"""The kind of hosting that a quote takes, and that none becomes another by itself."""

from __future__ import annotations

import json
from contextlib import nullcontext
from typing import Any

import pytest

from lambdas.domain.cost.calculator import Calculator
from lambdas.domain.cost.estimate import make_quote, savings
from lambdas.domain.cost.hosting_choice import check_hosting
from lambdas.domain.cost.needed_prices import missing_prices
from lambdas.domain.cost.price_book import PriceBook
from lambdas.domain.cost.quote import HOSTING, TUNED_ANSWERS, Quote, check_ceiling, text
from lambdas.domain.errors import CostCeilingExceeded, PreflightFailed, PriceMissing
from lambdas.domain.evaluation.rubrics import ATTEMPTS
from lambdas.domain.models.catalogue import MODELS
from lambdas.domain.run.contracts import QuoteCostRequest, Run
from lambdas.handlers.quote_cost import quote_cost
from tests.factories import NOW, PREFIX, dataset, nova_run, run
from tests.fakes import s3 as fakes_s3
from tests.fakes.s3 import FakeS3

NO_QUOTA = "the quota L-BE77399C is 0"
TRAINED = {"training_usd_per_1k_tokens": 0.001}  # made up, where none is known


def quoted(the_run: Run, prices: dict[str, dict[str, float]] | None = None) -> Quote:
    return make_quote(the_run, dataset(), Calculator(PriceBook.load(prices), the_run.region))


def options(**problems: str | None) -> list[dict[str, Any]]:
    return [
        {"kind": kind.replace("_", "-"), "problem": problem} for kind, problem in problems.items()
    ]


def kinds(quote: Quote) -> set[str]:
    return {item.kind for item in quote.items} & {HOSTING, TUNED_ANSWERS}


def test_the_cheapest_is_taken_and_the_other_ones_figures_are_told() -> None:
    made = quoted(nova_run())
    assert (made.hosting.kind, made.hosting.usd_per_hour, kinds(made)) == (
        "on-demand", 0, {TUNED_ANSWERS},
    )  # fmt: skip
    assert made.hosting_reason == (
        "on demand: less than a cent for this run; provisioned throughput would cost about "
        "$25.23, at most $181.50"
    )
    [other] = made.other_hosting
    assert (other.kind, other.items[0].what) == ("provisioned", HOSTING)
    assert f"Hosting is {made.hosting_reason}." in text(made)
    assert made.high_usd < 1


@pytest.mark.parametrize("kind", ["on-demand", "provisioned"])
def test_the_kind_that_is_asked_for_is_taken_whatever_it_costs(kind: str) -> None:
    made = quoted(nova_run(hosting=kind))
    assert made.hosting.kind == kind
    assert len(kinds(made)) == 1
    assert "as it is asked for" in made.hosting_reason
    assert "; " in made.hosting_reason, "with the other one's figures"


def test_a_model_with_one_kind_has_that() -> None:
    made = quoted(run(), {"claude-3-haiku": TRAINED})
    assert made.hosting_reason == (
        "provisioned throughput: about $55.04 for this run; Claude 3 Haiku has no other in "
        "us-west-2"
    )


@pytest.mark.parametrize("hosting", ["cheapest", "on-demand"])
def test_what_the_account_cannot_have_refuses_the_run_and_takes_nothing_dearer(
    hosting: str,
) -> None:
    made = quoted(
        nova_run(
            hosting=hosting, hosting_options=options(on_demand="two are taken.", provisioned=None)
        )
    )
    assert made.hosting.kind == "on-demand"
    with pytest.raises(PreflightFailed) as refused:
        check_hosting(made)
    cause = str(refused.value)
    assert "cannot be had: two are taken. It was to be on demand" in cause
    assert '"hosting": "provisioned" if you want it for about $25.23, at most $181.50' in cause


def test_a_problem_of_the_dearer_kind_is_mentioned_and_refuses_nothing() -> None:
    made = quoted(nova_run(hosting_options=options(on_demand=None, provisioned=NO_QUOTA)))
    check_hosting(made)
    assert made.hosting.kind == "on-demand"
    assert made.hosting_reason.endswith(f"and cannot be had: {NO_QUOTA}")


def test_neither_kind_is_advised_where_the_account_can_have_none() -> None:
    made = quoted(nova_run(hosting_options=options(on_demand="two are taken", provisioned="0")))
    with pytest.raises(PreflightFailed) as refused:
        check_hosting(made)
    assert "or give" not in str(refused.value)


def test_a_kind_without_a_price_is_named_and_not_taken() -> None:
    made = quoted(nova_run(model="nova-pro"), {"nova-pro": TRAINED})
    assert made.hosting.kind == "on-demand"
    assert made.hosting_reason.endswith(
        "provisioned throughput is not priced, for [prices.nova-pro] of the environment lacks "
        "throughput_usd_per_unit_hour"
    )


def test_a_run_whose_kinds_have_no_price_is_refused_with_the_lines_to_write() -> None:
    the_run = nova_run(model="nova-pro", hosting="provisioned")
    with pytest.raises(PriceMissing) as refused:
        quoted(the_run, {"nova-pro": TRAINED})
    assert str(refused.value).endswith("[prices.nova-pro]\nthroughput_usd_per_unit_hour = …")


def test_a_price_that_is_inferred_is_marked() -> None:
    made = quoted(nova_run(model="nova-pro"), {"nova-pro": TRAINED})
    assert {item.kind for item in made.items if item.inferred} == {TUNED_ANSWERS}
    assert f"{TUNED_ANSWERS}, input tokens has its base model's price, $0.0008" in text(made)
    assert not any(item.inferred for item in quoted(nova_run()).items)


def test_on_demand_the_most_is_every_attempt_with_the_longest_answer() -> None:
    prices = {"nova-micro": {"custom_output_usd_per_1k_tokens": 10.0}}
    made = quoted(nova_run(hosting="on-demand", max_answer_tokens=200), prices)
    [said] = (item for item in made.items if item.what == f"{TUNED_ANSWERS}, output tokens")
    assert said.high_usd == pytest.approx(ATTEMPTS * 3 * 200 * 10 / 1000)


def test_the_custom_models_own_tokens_are_priced_and_not_its_bases() -> None:
    own = {"custom_input_usd_per_1k_tokens": 7.0, "custom_output_usd_per_1k_tokens": 0.0}
    made = quoted(nova_run(hosting="on-demand"), {"nova-micro": own})
    tuned, base = (
        next(item for item in made.items if item.what == f"{what}, input tokens")
        for what in (TUNED_ANSWERS, "Answers of the base model")
    )
    assert tuned.expected_usd == pytest.approx(base.expected_usd * 7 / 0.000035, rel=0.1)


def test_the_assumptions_are_those_of_the_kind_that_is_taken() -> None:
    made = quoted(nova_run(hold_minutes=30, model_units=2))
    said = "\n".join(made.assumptions)
    assert "hold_minutes = 30 changes nothing on demand" in said
    assert "model_units = 2 changes nothing on demand" in said
    assert "stays for keep_hours = 24" in said
    assert "Provisioning takes" not in said
    other = "\n".join(quoted(nova_run(hosting="provisioned", hold_minutes=30)).assumptions)
    assert "Provisioning takes" in other
    assert "on demand" not in other
    assert "keep_hours" not in other


def test_the_cheaper_kind_lowers_what_a_run_could_cost() -> None:
    calculator = Calculator(PriceBook.load(), "us-east-1")
    dear = nova_run(hosting="provisioned", max_cost_usd=50)
    cheaper = savings(dear, dataset(), calculator)
    assert cheaper["hosting = on-demand"] == quoted(nova_run()).high_usd
    with pytest.raises(CostCeilingExceeded, match="What lowers it: hosting = on-demand makes that"):
        check_ceiling(quoted(dear), "nova-micro", cheaper)
    assert not any("hosting" in each for each in savings(nova_run(), dataset(), calculator))


def test_what_cannot_be_had_or_has_no_price_is_no_advice() -> None:
    taken = options(on_demand="two are taken", provisioned=None)
    calculator = Calculator(PriceBook.load(), "us-east-1")
    dear = nova_run(hosting="provisioned", hosting_options=taken)
    assert not any("hosting" in each for each in savings(dear, dataset(), calculator))


def test_every_kind_of_every_model_is_priced_or_says_what_is_missing() -> None:
    for model in MODELS.values():
        for region in model.customization_regions:
            calculator = Calculator(PriceBook.load({model.key: TRAINED}), region)
            offered = [{"kind": kind} for kind in model.hosted_in(region)]
            the_run = run(model=model.key, region=region, hosting_options=offered)
            made = make_quote(the_run, dataset(), calculator)
            for each in [made.hosting, *made.other_hosting]:
                assert bool(each.items) != bool(each.missing_prices)


@pytest.mark.parametrize("hosting", ["cheapest", "on-demand", "provisioned"])
@pytest.mark.parametrize("known", [{}, TRAINED])
def test_what_the_synth_calls_missing_is_what_the_quote_refuses(
    hosting: str, known: dict[str, float]
) -> None:
    for model in MODELS.values():
        [region] = model.customization_regions
        offered = [{"kind": each} for each in model.hosted_in(region)]
        if hosting not in {"cheapest", *model.hosted_in(region)}:
            continue
        calculator = Calculator(PriceBook.load({model.key: known}), region)
        the_run = run(model=model.key, region=region, hosting=hosting, hosting_options=offered)
        missing = [*missing_prices(model.key, the_run.settings.judge_model, hosting, calculator)]
        with pytest.raises(PriceMissing) if missing else nullcontext():
            make_quote(the_run, dataset(), calculator)


def test_the_state_keeps_the_quote_where_it_refuses_the_hosting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PRICE_OVERRIDES", "{}")
    s3 = fakes_s3.install(monkeypatch, FakeS3())
    taken = nova_run(hosting_options=options(on_demand="two are taken", provisioned=None))
    with pytest.raises(PreflightFailed):
        quote_cost(QuoteCostRequest(run=taken, now=NOW, dataset=dataset()))
    assert json.loads(s3.objects[f"{PREFIX}/quote.json"])["hosting"]["problem"] == "two are taken"


def test_the_state_hands_on_the_kind_and_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRICE_OVERRIDES", "{}")
    fakes_s3.install(monkeypatch, FakeS3())
    given = quote_cost(QuoteCostRequest(run=nova_run(), now=NOW, dataset=dataset()))
    assert (given.hosting, given.hosting_usd_per_hour) == ("on-demand", 0)
    assert given.hosting_reason in given.summary
