from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import pytest

from docs import generate_models
from lambdas.domain.errors import InputInvalid
from lambdas.domain.models import catalogue
from lambdas.domain.models.catalogue import JUDGES, MODELS, read_models
from lambdas.domain.models.lookup import find_judge, find_model, nearest
from lambdas.domain.models.model import Lifecycle, Model

FAMILIES = Path(catalogue.__file__).with_name("families")
# Of each: region, record format, epochs, how its custom models can be served.
HAIKU = ("us-west-2", "claude-messages", "1 to 10", {"provisioned"})
NOVA = ("us-east-1", "converse", "1 to 5", {"provisioned", "on-demand"})
LLAMA_3_1 = ("us-west-2", "prompt-completion", "1 to 10", {"provisioned"})
LLAMA_3_3 = ("us-west-2", "converse", "1 to 10", {"on-demand"})
MODEL_ID = re.compile(r"[a-z0-9-]+\.[a-z0-9.-]+-v\d+:\d+(:\d+k)?")


@pytest.mark.parametrize("model", MODELS.values(), ids=lambda model: model.key)
def test_a_model_is_complete_and_coherent(model: Model) -> None:
    assert MODELS[model.key] is model
    assert re.fullmatch(r"[a-z0-9-]+", model.key)
    assert MODEL_ID.fullmatch(model.customization_model_id)
    assert model.customization_model_id.startswith(model.base_inference.foundation_model_id + ":")
    assert all(model.base_inference.available_in(region) for region in model.customization_regions)
    assert all(source.url.startswith("https://") for source in model.sources.values())
    for each in model.hyperparameters.values():
        assert each.minimum <= each.default <= each.maximum


@pytest.mark.parametrize(
    ("key", "model_id", "region", "record_format", "epochs", "hosting"),
    [
        ("claude-3-haiku", "anthropic.claude-3-haiku-20240307-v1:0:200k", *HAIKU),
        ("nova-micro", "amazon.nova-micro-v1:0:128k", *NOVA),
        ("nova-lite", "amazon.nova-lite-v1:0:300k", *NOVA),
        ("nova-pro", "amazon.nova-pro-v1:0:300k", *NOVA),
        ("nova-2-lite", "amazon.nova-2-lite-v1:0:256k", *NOVA),
        ("llama-3-1-8b", "meta.llama3-1-8b-instruct-v1:0:128k", *LLAMA_3_1),
        ("llama-3-1-70b", "meta.llama3-1-70b-instruct-v1:0:128k", *LLAMA_3_1),
        ("llama-3-3-70b", "meta.llama3-3-70b-instruct-v1:0:128k", *LLAMA_3_3),
    ],
)
def test_a_model_is_as_awss_tables_have_it(  # noqa: PLR0913, PLR0917  # a row of the tables
    key: str,
    model_id: str,
    region: str,
    record_format: str,
    epochs: str,
    hosting: set[str],
) -> None:
    model = find_model(key)
    assert model.customization_model_id == model_id
    assert model.customization_regions == (region,)
    assert model.record_format == record_format
    assert str(model.hyperparameters["epochCount"]) == f"a whole number from {epochs}"
    assert model.hosting.keys() == hosting


def test_a_llama_counts_training_and_validation_together() -> None:
    limits = find_model("llama-3-1-8b").limits
    assert (limits.min_total_records, limits.max_total_records) == (100, 10_000)
    assert limits.max_tokens_per_record == 16_000


def test_haiku_is_the_reports_model() -> None:
    haiku = find_model("claude-3-haiku")
    assert haiku.customization_model_id == "anthropic.claude-3-haiku-20240307-v1:0:200k"
    assert haiku.customization_regions == ("us-west-2",)
    assert str(haiku.lifecycle.end_of_life) == "2026-09-10"
    assert str(haiku.hyperparameters["epochCount"]) == "a whole number from 1 to 10"


def test_a_profile_needs_the_model_in_every_destination() -> None:
    inference = find_model("nova-micro").base_inference
    assert inference.profile_arn(region="us-east-1", account="1") == (
        "arn:aws:bedrock:us-east-1:1:inference-profile/us.amazon.nova-micro-v1:0"
    )
    assert inference.foundation_model_arns(region="us-east-1") == tuple(
        f"arn:aws:bedrock:{region}::foundation-model/amazon.nova-micro-v1:0"
        for region in ("us-east-1", "us-east-2", "us-west-2")
    )


def test_a_plain_model_needs_itself_in_its_region() -> None:
    haiku = find_model("claude-3-haiku")
    inference = haiku.base_inference
    assert inference.profile_arn(region="us-west-2", account="1") is None
    assert inference.foundation_model_arns(region="us-west-2") == (
        "arn:aws:bedrock:us-west-2::foundation-model/anthropic.claude-3-haiku-20240307-v1:0",
    )
    assert haiku.customization_model_arn(region="us-west-2").endswith(":200k")


def test_judges_are_profiles_with_their_regions() -> None:
    for judge in JUDGES.values():
        assert judge.inference.model_id == f"us.{judge.inference.foundation_model_id}"
        assert judge.inference.regions


def test_an_unknown_name_is_refused_with_the_nearest() -> None:
    with pytest.raises(InputInvalid, match="Did you mean 'claude-3-haiku'"):
        find_model("claude-haiku-3")
    with pytest.raises(InputInvalid, match=r"Known: claude-haiku-4-5, nova-pro\."):
        find_judge("gpt")


def test_a_model_is_added_by_a_file(tmp_path: Path) -> None:
    family = FAMILIES.joinpath("amazon_nova.toml").read_text().partition("[[model]]")[0]
    added = '[[model]]\nkey = "nova-3"\nname = "Nova 3"\nmodel_id = "amazon.nova-3-v1:0"\n'
    (tmp_path / "nova.toml").write_text(family + added + 'context = "1m"\n')
    [model] = read_models(tmp_path).values()
    assert model.customization_model_id == "amazon.nova-3-v1:0:1m"
    assert model.limits == find_model("nova-micro").limits
    assert model.context_tokens == 1024**2


def test_a_model_has_a_number_of_epochs(tmp_path: Path) -> None:
    text = FAMILIES.joinpath("anthropic_claude.toml").read_text()
    (tmp_path / "claude.toml").write_text(text.replace(', role = "epochs"', ""))
    with pytest.raises(ValueError, match="claude-3-haiku has no hyperparameter with the role"):
        read_models(tmp_path)


def test_a_figure_needs_a_source(tmp_path: Path) -> None:
    text = FAMILIES.joinpath("anthropic_claude.toml").read_text()
    (tmp_path / "claude.toml").write_text(re.sub(r"\nprovisioned = { url.*", "", text))
    with pytest.raises(ValueError, match="claude-3-haiku lacks the sources of provisioned"):
        read_models(tmp_path)


def test_the_page_of_models_is_up_to_date() -> None:
    assert generate_models.main(["--check"]) is None


def test_a_model_is_closed_from_its_legacy_date_on() -> None:
    assert "nova-micro       trainable in us-east-1" in generate_models.today(date(2026, 11, 28))
    assert "llama-3-1-8b     closed since 2026-10-05" in generate_models.today(date(2026, 10, 5))
    assert "llama-3-1-8b     trainable in us-west-2" in generate_models.today(date(2026, 10, 4))


def test_the_first_documented_date_closes_a_model_and_an_inferred_one_does_not() -> None:
    ends = Lifecycle(end_of_life=date(2027, 1, 1))
    assert ends.closed_on(date(2026, 12, 31)) is None
    assert ends.closed_on(date(2027, 1, 1)) == date(2027, 1, 1)
    both = Lifecycle(legacy=date(2026, 10, 1), end_of_life=date(2027, 1, 1))
    assert both.closed_on(date(2027, 2, 1)) == date(2026, 10, 1)
    inferred = both.model_copy(update={"inferred": True})
    assert inferred.closed_on(date(2027, 2, 1)) is None
    assert inferred.begun_on(date(2027, 2, 1)) == date(2026, 10, 1)


def test_nearest_ignores_case_and_gives_up() -> None:
    assert nearest("EPOCHCOUNT", ["epochCount"]) == "epochCount"
    assert nearest("zzz", ["epochCount"]) is None
