"""Which records are planned, and that they never cost more than the ceiling."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.domain.cost.calculator import Calculator
from lambdas.domain.cost.price_book import PriceBook
from lambdas.domain.data_review.sampling import MAX_RECORD_BYTES, affordable, quoted_usd
from lambdas.domain.data_review.tasks import ReviewTask, most_input_tokens, worst_usd
from lambdas.domain.errors import CostCeilingExceeded, DatasetChanged
from lambdas.domain.models.lookup import find_model
from lambdas.handlers import plan_review
from tests.factories import FROZEN, NOW, PREFIX, dataset, frozen, run
from tests.fakes.s3 import FakeS3
from tests.unit.domain.data_review.made_up_records import (
    TRAINING,
    event,
    lines,
    record,
    usd,
)

worst = partial(worst_usd, usd=usd)


def test_worst_cost_by_hand() -> None:
    # Two attempts of 1,000 tokens in and 500 out: 2 x (0.0008 + 0.0016).
    assert worst(1000) == pytest.approx(0.0048)
    assert len([*affordable([1000] * 10, worst, 0.0145)]) == 3
    assert not [*affordable([1000], worst, 0.0047)]


@given(st.lists(st.integers(0, 100_000)), st.floats(0, 5))
def test_what_is_affordable_never_costs_more_than_the_ceiling(
    tokens: list[int], max_usd: float
) -> None:
    chosen = [*affordable(tokens, worst, max_usd)]
    count = len(chosen)
    assert chosen == tokens[:count]
    assert sum(map(worst, tokens[:count])) <= max_usd * (1 + 1e-9)
    if count < len(tokens):
        assert sum(map(worst, tokens[: count + 1])) > max_usd * (1 - 1e-9)


# Plan review


def plan(s3: FakeS3, max_usd: float, **changes: object) -> dict[str, Any]:
    files = [frozen("training", s3.objects[TRAINING]), *FROZEN[1:]]
    values = {"files": files, "training_records": 40, "training_tokens": 4000} | changes
    given = event(run=run(max_review_usd=max_usd), now=NOW, dataset=dataset(**values))
    return plan_review.handler(given, None)


def items(s3: FakeS3) -> list[dict[str, Any]]:
    text = s3.objects[f"{PREFIX}/review/items.jsonl"].decode()
    return [json.loads(line) for line in text.splitlines()]


def test_all_records_are_planned_where_the_money_lasts(s3: FakeS3) -> None:
    done = plan(s3, 10.0)
    assert (done["planned"], done["every"]) == (40, 1)
    assert f"{PREFIX}/billing/review-of-the-training-data.json" in s3.objects
    assert [each["line"] for each in items(s3)] == list(range(1, 41))
    assert items(s3)[6]["record"] == record("Question 6?")


def test_a_low_ceiling_spreads_over_the_whole_file_and_holds(s3: FakeS3) -> None:
    whole = plan(s3, 10.0)["worst_usd"]
    done = plan(s3, whole / 4)
    chosen = [each["line"] for each in items(s3)]
    assert done["worst_usd"] <= whole / 4
    assert 5 <= len(chosen) <= 10
    assert chosen[-1] > 25, "the end of the file is looked at, too"
    model = find_model(run().settings.model)
    tasks = [ReviewTask.of(each["line"], each["record"], model) for each in items(s3)]
    prices = Calculator(PriceBook.load(), "us-west-2").tokens("nova-pro")
    again = sum(worst_usd(most_input_tokens(task), prices.usd) for task in tasks if task)
    assert again == pytest.approx(done["worst_usd"])


def test_the_ceiling_holds_where_the_estimate_for_the_file_was_too_low(s3: FakeS3) -> None:
    s3.freeze(TRAINING, lines(*(record("what? " * 5000) for _ in range(20))))
    whole = plan(s3, 100.0, training_records=20)["worst_usd"]
    done = plan(s3, whole * 0.52, training_records=20, training_tokens=0)
    assert done["every"] == 1
    assert (done["planned"], done["worst_usd"]) == (10, pytest.approx(whole / 2, rel=0.01))


def test_a_ceiling_that_pays_for_nothing_is_refused(s3: FakeS3) -> None:
    with pytest.raises(CostCeilingExceeded, match=r"max_review_usd = 0\.0001 .* None was reviewed"):
        plan(s3, 0.0001)


def test_a_judge_is_asked_about_nothing_else_than_what_was_quoted(s3: FakeS3) -> None:
    with pytest.raises(DatasetChanged, match=r"dataset/training\.jsonl is no longer what"):
        plan(s3, 10.0, files=FROZEN)
    assert f"{PREFIX}/review/items.jsonl" not in s3.objects


def test_no_character_ends_a_line_of_the_items_early(s3: FakeS3) -> None:
    s3.freeze(TRAINING, lines(record("One\u2028two\u0085three?")))
    plan(s3, 10.0, training_records=1)
    (line,) = s3.objects[f"{PREFIX}/review/items.jsonl"].decode().splitlines()
    assert json.loads(line)["record"] == record("One\u2028two\u0085three?")


def test_a_record_no_state_could_carry_is_passed_over(s3: FakeS3) -> None:
    s3.freeze(TRAINING, lines(record("x" * MAX_RECORD_BYTES), record("Short?")))
    done = plan(s3, 10.0, training_records=2)
    assert (done["planned"], done["too_long"]) == (1, 1)
    assert items(s3)[0]["line"] == 2


def test_the_quote_is_what_may_be_spent_and_no_more(s3: FakeS3) -> None:
    low, expected, high = quoted_usd(40, 4000, 10.0, usd)
    assert 0 < low < expected < high < 10.0
    assert plan(s3, 10.0)["worst_usd"] <= high, "the file has fewer tokens than the dataset says"
    fewer = quoted_usd(40, 4000, high / 4, usd)
    assert fewer == pytest.approx((low / 4, expected / 4, high / 4), rel=0.1)
