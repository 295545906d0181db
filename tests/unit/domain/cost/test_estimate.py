"""Quoting a run: figures that rise, arithmetic that can be checked, a ceiling that holds."""

from __future__ import annotations

import json
import math
from datetime import timedelta
from typing import NamedTuple

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lambdas.domain.cost.calculator import Calculator
from lambdas.domain.cost.estimate import (
    _training_tokens,
    make_quote,
    savings,
)
from lambdas.domain.cost.hosting_kinds import hosting_minutes
from lambdas.domain.cost.price_book import PriceBook
from lambdas.domain.cost.quote import JUDGEMENTS, REVIEW, SCREENING, Quote, text
from lambdas.domain.errors import CostCeilingExceeded, PriceMissing
from lambdas.domain.evaluation.rubrics import ATTEMPTS, MAX_TOKENS
from lambdas.domain.hosting.course import release_by
from lambdas.domain.hosting.throughput import (
    LONGEST_CREATION_MINUTES,
    REAPER_PASS_MINUTES,
)
from lambdas.domain.housekeeping.reaper import expired
from lambdas.domain.housekeeping.tagged_resources import TaggedResource
from lambdas.domain.run.contracts import QuoteCostRequest, Run
from lambdas.domain.run.execution_input import LEAST_PROVISIONING_MINUTES
from lambdas.domain.run.tags import RELEASE_BY
from lambdas.handlers.quote_cost import quote_cost
from tests.factories import NOW, PREFIX, PRICES, dataset, quote, run
from tests.fakes import s3 as fakes_s3
from tests.fakes.bedrock import REGION
from tests.fakes.s3 import FakeS3

CALCULATOR = Calculator(PriceBook.load(PRICES), REGION)
NOVA_RUN = run(model="nova-micro", region="us-east-1")


def item(made: Quote, what: str) -> tuple[float, float, float]:
    [found] = [each for each in made.items if each.what == what]
    return found.low_usd, found.expected_usd, found.high_usd


def test_training_is_tokens_times_epochs_times_price() -> None:
    parameters = {"epochCount": "10", "earlyStoppingPatience": "2"}
    low, expected, high = item(quote(hyperparameters=parameters), "Training")
    assert high == pytest.approx(12_345 * 10 / 1000 * 0.004, abs=1e-4)
    assert expected == pytest.approx(0.7 * high, abs=1e-3)
    assert low == pytest.approx(0.6 * 12_345 * 3 / 1000 * 0.004, abs=1e-3)  # stops after 3


def test_the_expected_tokens_are_the_estimate_of_the_data_check() -> None:
    made = dataset()
    tokens = _training_tokens(made.model_copy(update={"expected_training_tokens": 8_000}))
    assert (tokens.expected, tokens.high) == (8_000, made.training_tokens)
    fewer = _training_tokens(made.model_copy(update={"expected_training_tokens": 5_000}))
    assert fewer.low == fewer.expected == 5_000


def test_training_can_stop_early_only_by_a_validation_loss() -> None:
    parameters = {"epochCount": "10", "earlyStoppingPatience": "2"}
    unvalidated = dataset(validation_records=0)
    low, expected, _ = item(quote(unvalidated, hyperparameters=parameters), "Training")
    assert low == pytest.approx(0.6 / 0.7 * expected, abs=1e-3)  # all ten epochs


def test_training_is_quoted_at_the_epochs_that_are_chosen_for_so_many_records() -> None:
    many = dataset(training_records=3_000)
    given = item(quote(many, hyperparameters={"epochCount": 2}), "Training")
    assert item(quote(many), "Training") == given
    assert item(quote(dataset(training_records=300)), "Training") > given


def test_every_hyperparameter_is_quoted_with_its_reason() -> None:
    made = quote(hyperparameters={"batchSize": 16})
    assert made.hyperparameters["epochCount"] == "10"
    said = text(made)
    assert "- epochCount = 10: 10 advised for up to 200 records" in said
    assert "- batchSize = 16: set by the input or the environment" in said
    assert "- earlyStoppingPatience = 2: the model's default" in said


def test_an_earlier_runs_model_is_quoted_without_training_and_storage() -> None:
    made, trained = quote(tuned_by_run="first"), quote()
    assert "Training" not in {each.what for each in made.items}
    assert made.monthly is None
    assert (made.hyperparameters, made.epochs) == ({}, 0)
    saved = item(trained, "Training")[2]
    assert made.high_usd == pytest.approx(trained.high_usd - saved, abs=0.01)
    said = text(made)
    assert "Nothing is trained: the model is run first's, and stored already." in said
    assert "Hyperparameters" not in said
    assert "a month" not in said
    assert not any(
        "epochCount" in each for each in savings(run(tuned_by_run="first"), dataset(), CALCULATOR)
    )


def test_answers_that_are_judged_again_are_quoted_by_their_judgements_alone() -> None:
    made = quote(answers_of_run="first", tuned_by_run="first")
    judged = [each for each in quote().items if each.kind == JUDGEMENTS]
    assert made.items == judged
    assert (made.hosting, made.other_hosting, made.monthly) == (None, [], None)
    assert made.high_usd == pytest.approx(sum(each.high_usd for each in judged), abs=0.01)
    said = text(made)
    assert "Hosting is not needed: the answers are run first's." in said
    assert "questions take the judge about" in said
    assert "Provisioning" not in said
    assert savings(run(answers_of_run="first", tuned_by_run="first"), dataset(), CALCULATOR) == {}


def test_answers_that_need_no_judge_are_compared_again_for_nothing() -> None:
    made = quote(answers_of_run="first", tuned_by_run="first", metric="exact-match")
    assert (made.items, made.high_usd) == ([], 0)


def test_a_review_is_quoted_where_it_is_asked_for_and_never_above_its_ceiling() -> None:
    assert REVIEW not in {each.what for each in quote().items}
    low, expected, high = item(quote(review_data=True), REVIEW)
    assert 0 < low < expected < high < 2
    sample = item(quote(review_data=True, max_review_usd=0.01), REVIEW)
    assert sample[0] < sample[1] < sample[2] == 0.01, "as few records are asked about as that pays"
    with_it, without = quote(review_data=True), quote()
    assert with_it.high_usd == pytest.approx(without.high_usd + high, abs=0.01)
    [review] = [each for each in with_it.items if each.what == REVIEW]
    assert review.how.startswith("about 96 of 96 records reviewed once = $")
    assert "max_review_usd = 2" in review.how
    assert review.price.startswith("asking $")
    assert "; answering $" in review.price


def test_amazon_comprehend_is_quoted_where_the_environment_pays_for_it() -> None:
    assert SCREENING not in {each.what for each in quote().items}
    low, expected, high = item(quote(comprehend_max_usd=2.5), SCREENING)
    assert (low, high) == (0, 2.5)
    assert expected == pytest.approx((8_642 + 600) * 4 / 100 * 0.0001, abs=1e-4)
    assert item(quote(comprehend_max_usd=0.01), SCREENING) == (0, 0.01, 0.01)
    assert quote(comprehend_max_usd=2.5).high_usd == pytest.approx(quote().high_usd + 2.5)


def test_the_arithmetic_can_be_followed() -> None:
    [training] = [each for each in quote().items if each.what == "Training"]
    assert training.how == (
        "8,642 tokens x 10 epochs x $0.004 per 1,000 = $0.35; "
        "at most 12,345 tokens x 10 epochs x $0.004 per 1,000 = $0.49"
    )


def test_the_price_of_a_token_is_shown_in_full() -> None:
    nova = make_quote(NOVA_RUN, dataset(), Calculator(PriceBook.load(), NOVA_RUN.region))
    assert "x $0.000035 per 1,000 = <$0.0001" in text(nova)


def test_at_most_the_judge_is_asked_as_often_as_the_state_asks() -> None:
    answers = 4 * dataset().evaluation_examples  # a score each, and both orders of the two
    *_, said = item(quote(), "Judgements, output tokens")
    most = ATTEMPTS * answers * MAX_TOKENS
    assert said == pytest.approx(most / 1000 * 0.0032, abs=1e-4)
    _, expected, high = item(quote(), "Judgements, input tokens")
    assert high > ATTEMPTS * expected, "each attempt asks with all of the prompt again"


def test_without_a_judge_no_judgement_is_quoted() -> None:
    judged, measured = quote(), quote(metric="label-f1")
    assert {each.what for each in judged.items} - {each.what for each in measured.items} == {
        "Judgements, input tokens",
        "Judgements, output tokens",
    }
    assert "and the judge about" not in text(measured)
    reviewed = quote(metric="label-f1", review_data=True)
    assert any(each.kind == REVIEW for each in reviewed.items)


def test_what_the_judge_is_told_in_japanese_is_in_the_quote() -> None:
    english, japanese = quote(dataset()), quote(dataset(is_japanese=True))
    _, _, most = item(english, "Judgements, input tokens")
    assert item(japanese, "Judgements, input tokens")[2] != most
    assert item(quote(dataset(is_japanese=True), judge_prompt="en"), "Judgements, input tokens")[
        2
    ] == pytest.approx(most)


def test_other_models_are_quoted_with_their_answers_and_judgements() -> None:
    data = dataset(few_shot_tokens=2_000)
    made, without = quote(data, also_compare=["few-shot", "nova-lite"]), quote(data)
    added = [each.what for each in made.items if each.what not in {it.what for it in without.items}]
    assert added == [
        "Answers of the base model with examples, input tokens",
        "Answers of the base model with examples, output tokens",
        "Answers of Amazon Nova Lite, input tokens",
        "Answers of Amazon Nova Lite, output tokens",
    ]
    _, _, bare = item(made, "Answers of the base model, input tokens")
    _, _, shown = item(made, "Answers of the base model with examples, input tokens")
    examples = ATTEMPTS * 3 * 2_000 / 1000 * 0.00025
    assert shown - bare == pytest.approx(examples, abs=1e-6)
    *_, said = item(made, "Judgements, output tokens")
    assert said == pytest.approx(ATTEMPTS * (4 + 2) * 3 * MAX_TOKENS / 1000 * 0.0032, abs=1e-4)
    cheaper = savings(run(also_compare=["nova-lite"]), data, CALCULATOR)
    assert cheaper["also_compare = []"] == without.high_usd


def test_another_models_price_is_named_as_such() -> None:
    nova = make_quote(NOVA_RUN, dataset(), Calculator(PriceBook.load(), NOVA_RUN.region))
    assert [each.what for each in nova.items if each.stand_in] == ["Provisioned throughput"]
    assert "Provisioned throughput has another model's price" in text(nova)
    assert not any(each.stand_in for each in quote().items)


def test_hosting_is_quoted_in_begun_hours_until_the_last_guard_has_ended_it() -> None:
    """60 to come into service, 30 held, 60 of margin, two passes every 15 minutes, 5 for one."""
    made = make_quote(run(hold_minutes=30, model_units=2), dataset(), CALCULATOR)
    _, _, high = item(made, "Provisioned throughput")
    assert 60 + 30 + 60 + 2 * 15 + 5 == 185
    assert high == pytest.approx(4 * 2 * 132)
    assert "the last guard has ended it" in text(made)
    assert "Begun hours count in full" in text(made)


class Leftover(NamedTuple):
    """A throughput that nothing but the reaper ends; minutes after its purchase."""

    created: float  # AWS deletes none that it still creates
    first_pass: float
    failing_pass: int  # the one that fails, counted from the first that is due


def billed_minutes(the_run: Run, leftover: Leftover) -> float:
    """Play the reaper's passes against its own rule for what is overdue."""
    due_by = release_by(the_run, "provisioned", dataset().evaluation_examples, NOW)
    tags = {RELEASE_BY: due_by.isoformat()}
    resource = TaggedResource("throughput", "arn", "name", "InService", NOW, tags)
    at, due = leftover.first_pass, 0
    while True:
        now = NOW + timedelta(minutes=at)
        if expired(resource, None, now):
            if at >= leftover.created and due != leftover.failing_pass:
                return at + REAPER_PASS_MINUTES
            due += at >= leftover.created
        at += the_run.reap_every_minutes


@given(
    provisioning=st.floats(LEAST_PROVISIONING_MINUTES, 240),
    hold=st.integers(0, 1440),
    every=st.integers(5, 60),
    leftover=st.builds(
        Leftover,
        created=st.floats(0, LONGEST_CREATION_MINUTES),
        first_pass=st.floats(0, 60),
        failing_pass=st.integers(-1, 3),
    ),
)
@example(provisioning=20, hold=0, every=60, leftover=Leftover(120, 119, 0))
def test_no_throughput_is_billed_for_longer_than_was_quoted(
    provisioning: float, hold: int, every: int, leftover: Leftover
) -> None:
    """Neither machine nor guard releases it, AWS holds on to it, and a pass of the reaper fails."""
    the_run = run(
        max_provisioning_minutes=provisioning, hold_minutes=hold, reap_every_minutes=every
    )
    begun_hours = math.ceil(billed_minutes(the_run, leftover) / 60)
    assert begun_hours <= hosting_minutes(the_run, dataset()).high / 60


def test_what_lowers_the_highest_figure_can_work_and_lowers_it() -> None:
    cheaper = savings(run(hold_minutes=200, model_units=2, review_data=True), dataset(), CALCULATOR)
    assert {*cheaper} == {
        "hold_minutes = 0",
        "model_units = 1",
        "review_data = false",
        "epochCount = 1",
    }, "neither 20 nor 60 minutes of provisioning change the begun hours"
    assert cheaper["hold_minutes = 0"] == pytest.approx(
        quote(model_units=2, review_data=True).high_usd
    )


def test_the_advised_wait_is_one_that_usually_suffices() -> None:
    """20 minutes are the least that is known: of those who wait so short, most would fail."""
    advised = savings(run(max_provisioning_minutes=240), dataset(), CALCULATOR)
    assert [each for each in advised if "provisioning" in each] == ["max_provisioning_minutes = 30"]


def test_of_many_questions_a_sample_is_advised() -> None:
    many = dataset(evaluation_examples=5_000, evaluation_tokens=500_000)
    cheaper = savings(run(), many, CALCULATOR)
    assert min(cheaper, key=cheaper.__getitem__) == "a sample of 200 evaluation questions"
    few = make_quote(run(), dataset(evaluation_tokens=20_000), CALCULATOR)
    assert cheaper["a sample of 200 evaluation questions"] > few.high_usd, "24 questions cost less"


def test_what_lowers_nothing_is_not_advised() -> None:
    least = run(max_provisioning_minutes=20, hyperparameters={"epochCount": "1"})
    assert savings(least, dataset(), CALCULATOR) == {}


def test_the_quote_knows_the_time_of_many_questions() -> None:
    few, many = (dataset(evaluation_examples=each) for each in (24, 40_000))
    hosted = hosting_minutes(run(), many)
    assert (round(hosted.low), round(hosted.expected)) == (20 + 83, 25 + 250)
    assert hosted.high / 60 == 16, "833 minutes, an hour to be ready, and the guards"
    assert hosting_minutes(run(), few).high / 60 == 3
    assert "40,000 questions take each model about 4.2 h, and the judge about 16.7 h" in text(
        quote(many)
    )


def test_the_quote_says_how_many_questions_decide_nothing() -> None:
    said = "13 of 24 evaluation questions stand in training or validation, or are asked twice: "
    assert said in text(quote(dataset(evaluation_examples=24, set_aside=13)))
    assert "evaluation questions stand" not in text(quote(dataset(evaluation_examples=24)))


def test_a_hold_is_expected_to_be_paid() -> None:
    held, without = (hosting_minutes(run(hold_minutes=each), dataset()) for each in (60, 0))
    assert held.low - without.low == pytest.approx(60)
    assert held.expected - without.expected == pytest.approx(60)


def test_the_sums_are_those_of_the_items_without_the_month() -> None:
    made = quote()
    for figure in ("low_usd", "expected_usd", "high_usd"):
        total = sum(getattr(each, figure) for each in made.items)
        assert getattr(made, figure) == pytest.approx(total, abs=0.005)
    assert made.monthly.expected_usd == 1.95


@given(
    tokens=st.integers(0, 10**9),
    examples=st.integers(1, 1000),
    hold=st.integers(0, 1440),
    provisioning=st.floats(20, 240),
    answer_tokens=st.integers(1, 4096),
    epochs=st.integers(1, 10),
)
def test_figures_never_fall(  # noqa: PLR0913, PLR0917  # what a run can differ in
    tokens: int, examples: int, hold: int, provisioning: float, answer_tokens: int, epochs: int
) -> None:
    made = make_quote(
        run(
            hold_minutes=hold,
            max_provisioning_minutes=provisioning,
            max_answer_tokens=answer_tokens,
            hyperparameters={"epochCount": str(epochs), "earlyStoppingPatience": "2"},
        ),
        dataset(training_tokens=tokens, evaluation_examples=examples, evaluation_tokens=tokens),
        CALCULATOR,
    )
    for each in made.items:
        assert 0 <= each.low_usd <= each.expected_usd <= each.high_usd


def test_the_state_keeps_the_quote_even_where_it_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRICE_OVERRIDES", json.dumps(PRICES))
    s3 = fakes_s3.install(monkeypatch, FakeS3())
    cheap = QuoteCostRequest(run=run(max_cost_usd=1), now=NOW, dataset=dataset())
    with pytest.raises(CostCeilingExceeded):
        quote_cost(cheap)
    assert json.loads(s3.objects[f"{PREFIX}/quote.json"])["max_cost_usd"] == 1


def test_the_state_tells_the_dashboard(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PRICE_OVERRIDES", json.dumps(PRICES))
    fakes_s3.install(monkeypatch, FakeS3())
    quoted = quote_cost(QuoteCostRequest(run=run(), now=NOW, dataset=dataset()))
    figures = json.loads(capsys.readouterr().out)
    assert figures["QuotedUsd"] == [quoted.expected_usd]
    assert (figures["environment"], figures["service"]) == ("dev", "bedrock-tuning")


def test_a_missing_price_refuses_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRICE_OVERRIDES", "{}")
    fakes_s3.install(monkeypatch, FakeS3())
    with pytest.raises(PriceMissing, match="training_usd_per_1k_tokens"):
        quote_cost(QuoteCostRequest(run=run(), now=NOW, dataset=dataset()))
