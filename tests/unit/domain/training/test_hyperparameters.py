from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.domain.models.catalogue import MODELS
from lambdas.domain.models.lookup import find_model
from lambdas.domain.models.model import Model
from lambdas.domain.training.hyperparameters import DEFAULT, GIVEN, choose_hyperparameters

HAIKU, NOVA, LLAMA = map(find_model, ("claude-3-haiku", "nova-micro", "llama-3-1-8b"))


def chosen(model: Model, records: int, **given: float | str) -> dict[str, str]:
    return choose_hyperparameters(model, given, records).values


@pytest.mark.parametrize(
    ("records", "epochs", "batch"),
    [(85, 10, 8), (200, 10, 8), (201, 5, 16), (499, 5, 16), (501, 3, 32), (1_000, 3, 32),
     (1_001, 2, 64), (5_000, 2, 64), (5_001, 1, 64), (10_000, 1, 64)],
)  # fmt: skip
def test_the_fewer_the_records_the_more_epochs_and_the_smaller_the_batch(
    records: int, epochs: int, batch: int
) -> None:
    made = chosen(HAIKU, records)
    assert (made["epochCount"], made["batchSize"]) == (str(epochs), str(batch))
    assert made["learningRateMultiplier"] == "1"


@pytest.mark.parametrize("records", [1, 499, 500, 1_000, 1_001, 20_000])
def test_a_batch_is_as_large_as_the_advice_has_it(records: int) -> None:
    low, high = (4, 16) if records < 500 else (16, 32) if records <= 1_000 else (32, 64)
    assert low <= int(chosen(HAIKU, records)["batchSize"]) <= high


def test_advice_beyond_a_models_range_ends_at_the_range() -> None:
    made = choose_hyperparameters(NOVA, {}, 85)
    assert made.values["epochCount"] == "5"
    assert made.reasons["epochCount"] == (
        "10 advised for up to 200 records; the model takes at most this"
    )
    assert chosen(LLAMA, 2_000)["batchSize"] == "1"


@pytest.mark.parametrize(
    ("model", "steps"), [("nova-micro", 2), ("nova-lite", 8), ("nova-pro", 4), ("nova-2-lite", 10)]
)
def test_steps_of_warm_up_follow_the_providers_advice_for_the_model(model: str, steps: int) -> None:
    assert chosen(find_model(model), 1_280)["learningRateWarmupSteps"] == str(steps)
    assert int(chosen(find_model(model), 20_000)["learningRateWarmupSteps"]) <= 100


def test_what_is_given_wins_one_by_one() -> None:
    made = choose_hyperparameters(HAIKU, {"epochCount": 3, "learningRateMultiplier": "0.50"}, 85)
    assert made.values == {
        "epochCount": "3",
        "batchSize": "8",
        "learningRateMultiplier": "0.5",
        "earlyStoppingThreshold": "0.001",
        "earlyStoppingPatience": "2",
    }
    assert made.reasons == {
        "epochCount": GIVEN,
        "batchSize": "8 advised for up to 200 records",
        "learningRateMultiplier": GIVEN,
        "earlyStoppingThreshold": DEFAULT,
        "earlyStoppingPatience": DEFAULT,
    }


def test_a_small_learning_rate_has_plain_digits() -> None:
    assert chosen(NOVA, 85)["learningRate"] == "0.00001"


@given(st.sampled_from([*MODELS.values()]), st.integers(0, 30_000))
def test_everything_is_chosen_within_its_range(model: Model, records: int) -> None:
    made = choose_hyperparameters(model, {}, records)
    assert made.values.keys() == made.reasons.keys() == model.hyperparameters.keys()
    for name, allowed in model.hyperparameters.items():
        assert allowed.minimum <= float(made.values[name]) <= allowed.maximum
        assert not allowed.integer or made.values[name].isdecimal()
