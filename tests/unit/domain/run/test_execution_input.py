from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from docs.generate_execution_input import documents, main, outdated
from lambdas.domain.errors import InputInvalid
from lambdas.domain.evaluation.statistics import least_questions
from lambdas.domain.models.catalogue import MODELS
from lambdas.domain.models.model import HostingKind
from lambdas.domain.run.execution_input import (
    ExecutionDefaults,
    ExecutionInput,
    json_schema,
    resolve,
)

DEFAULTS = ExecutionDefaults.parse(
    {
        "dataset": "default",
        "model": "claude-3-haiku",
        "hyperparameters": {"epochCount": 10},
        "system_prompt": None,
        "hosting": "cheapest",
        "keep_hours": 24,
        "model_units": 1,
        "hold_minutes": 0,
        "metric": "judge",
        "judge_model": "nova-pro",
        "judge_prompt": "auto",
        "max_answer_tokens": 512,
        "max_failed_answers_percent": 5,
        "max_training_hours": 24,
        "max_phase_hours": 12,
        "max_provisioning_minutes": 90,
        "max_cost_usd": 400,
        "review_data": False,
        "min_review_score": None,
        "max_review_usd": 2,
        "require_approval": False,
        "approval_hours": 24,
        "verdict_confidence": 0.95,
        "verdict_margin_percent": 5,
        "models_past_end": ["claude-3-haiku"],
    }
)

GOOD: list[dict[str, Any]] = [
    {},
    {"Comment": "Insert your JSON here"},
    {"dataset": "bank-2026.v1"},
    {"model": "nova-micro"},
    {"model": "nova-micro", "hyperparameters": {"learningRate": 0.00005}},
    {"model": "claude-3-haiku", "hyperparameters": {"epochCount": 3, "learningRateMultiplier": 1}},
    {"model": "claude-3-haiku", "hyperparameters": {"epochCount": "3"}},
    {"model": "claude-3-haiku", "hyperparameters": {"epochCount": 3.0}},
    {"model": "claude-3-haiku", "hyperparameters": {"earlyStoppingThreshold": 0}},
    {"hyperparameters": "auto"},
    {"tuned_by_run": None, "hyperparameters": {}},
    {"tuned_by_run": "first-1a2b3c4d5e6f", "judge_model": "claude-haiku-4-5"},
    {"tuned_by_run": "first-1a2b3c4d5e6f", "review_data": False, "hyperparameters": "auto"},
    {"answers_of_run": "first-1a2b3c4d5e6f", "judge_model": "claude-haiku-4-5"},
    {"answers_of_run": "first-1a2b3c4d5e6f", "tuned_by_run": None, "review_data": False},
    {"answers_of_run": "first-1a2b3c4d5e6f", "max_failed_answers_percent": 0, "max_cost_usd": 1},
    {"answers_of_run": None, "hold_minutes": 5},
    {"model": "nova-micro", "hyperparameters": "auto"},
    {"system_prompt": None},
    {"system_prompt": "日本語で答えてください。"},
    {"hold_minutes": 30, "model_units": 2},
    {"hold_minutes": 30.0},
    {"judge_model": "claude-haiku-4-5"},
    {"metric": "label-f1"},
    {"judge_prompt": "ja"},
    {"also_compare": []},
    {"also_compare": ["few-shot", "claude-haiku-4-5", "nova-lite"]},
    {"max_failed_answers_percent": 0, "max_training_hours": 0.5},
    {"max_cost_usd": 0.5},
    {"max_cost_usd": 400, "require_approval": True},
    {"require_approval": False},
    {"review_data": True, "min_review_score": 6.5, "max_review_usd": 0.5},
    {"review_data": False, "min_review_score": None},
]

BAD: list[tuple[dict[str, Any], str]] = [
    ({"hold_minuts": 3}, "hold_minuts is not a known field. Did you mean 'hold_minutes'"),
    ({"zzz": 3}, "Known: dataset, model"),
    ({"model": "haiku"}, "Did you mean 'claude-3-haiku'"),
    ({"model": 3}, "model is 3: give one of claude-3-haiku, llama-3-1-70b"),
    ({"model": None}, "model is null"),
    ({"judge_model": "nova"}, "Did you mean 'nova-pro'"),
    ({"metric": "f1"}, 'metric is "f1": give one of judge, exact-match, label-f1, json-schema'),
    ({"judge_prompt": "de"}, 'judge_prompt is "de": give one of auto, en, ja'),
    ({"also_compare": ["nova-lit"]}, "Did you mean 'nova-lite'"),
    ({"also_compare": ["fewshot"]}, "Did you mean 'few-shot'"),
    ({"also_compare": "few-shot"}, "give a list of some of few-shot, claude-3-haiku"),
    ({"also_compare": ["nova-lite", "nova-lite"]}, "nova-lite is listed twice"),
    ({"dataset": "a b"}, 'dataset is "a b": give text that matches'),
    ({"dataset": "../other"}, "dataset is"),
    ({"dataset": ""}, "dataset is"),
    ({"model_units": 0}, "model_units is 0: give a whole number from 1 to 10"),
    ({"model_units": True}, "model_units is true: give a whole number from 1 to 10"),
    ({"hold_minutes": "3"}, 'hold_minutes is "3": give a whole number from 0 to 1440'),
    ({"hold_minutes": 2.5}, "hold_minutes is 2.5"),
    ({"hold_minutes": -1}, "hold_minutes is -1"),
    ({"max_provisioning_minutes": 19.5}, "no throughput is known to be in service in less than 20"),
    ({"max_provisioning_minutes": True}, "max_provisioning_minutes is true: give a number from 20"),
    ({"review_data": "yes"}, 'review_data is "yes": give true or false'),
    ({"review_data": True, "min_review_score": 11}, "give a number from 1 to 10 or null"),
    ({"max_review_usd": 0}, "max_review_usd is 0: give a number above 0 up to 100"),
    ({"review_data": False, "min_review_score": 6}, "review_data is false: nothing would be"),
    ({"hold_minutes": None}, "hold_minutes is null"),
    ({"system_prompt": " "}, "system_prompt is"),
    ({"system_prompt": 3}, "give text that is not blank or null"),
    ({"max_answer_tokens": 5000}, "a whole number from 1 to 4096"),
    ({"max_cost_usd": 0}, "a number above 0 up to 100000"),
    ({"require_approval": "yes"}, 'require_approval is "yes": give true or false'),
    ({"max_failed_answers_percent": 101}, "a number from 0 to 100"),
    ({"max_training_hours": 0}, "a number from 0.1 to 168"),
    ({"max_training_hours": [1]}, "a number from 0.1 to 168"),
    ({"Comment": 3}, "Comment is 3"),
    ({"tuned_by_run": "First run"}, 'tuned_by_run is "First run": give text that matches'),
    (
        {
            "tuned_by_run": "first-1a2b3c4d5e6f",
            "model": "nova-micro",
            "hyperparameters": {"epochCount": 3},
        },
        "hyperparameters has no effect with tuned_by_run",
    ),
    (
        {"tuned_by_run": "first-1a2b3c4d5e6f", "review_data": True},
        "review_data has no effect with tuned_by_run",
    ),
    (
        {"tuned_by_run": "first-1a2b3c4d5e6f", "min_review_score": 6},
        "min_review_score has no effect with tuned_by_run",
    ),
    ({"answers_of_run": "First run"}, 'answers_of_run is "First run": give text that matches'),
    *(
        (
            {"answers_of_run": "first-1a2b3c4d5e6f", **given},
            f"{name} has no effect with answers_of_run, which trains, hosts and asks no model but",
        )
        for given in (
            {"tuned_by_run": "first-1a2b3c4d5e6f"},
            {"model": "nova-micro", "hyperparameters": {"epochCount": 3}},
            {"review_data": True},
            {"min_review_score": 6},
            {"max_review_usd": 1},
            {"hosting": "cheapest"},
            {"keep_hours": 0},
            {"model_units": 1},
            {"hold_minutes": 5},
            {"max_answer_tokens": 512},
            {"max_training_hours": 5},
            {"max_phase_hours": 5},
            {"max_provisioning_minutes": None},
        )
        for name in [[*given][-1]]
    ),
    ({"hyperparameters": 3}, "hyperparameters is 3: give auto or an object of names and numbers"),
    ({"hyperparameters": "Auto"}, 'hyperparameters is "Auto": give auto or an object'),
    (
        {"model": "nova-micro", "hyperparameters": {"epochCount": "auto"}},
        'epochCount is "auto": give a whole number',
    ),
    ({"hyperparameters": {"epochs": 3}}, "Did you mean 'epochCount'"),
    (
        {"model": "claude-3-haiku", "hyperparameters": {"epochCount": 11}},
        "epochCount is 11: give a whole number from 1 to 10",
    ),
    (
        {"model": "claude-3-haiku", "hyperparameters": {"batchSize": 4.5}},
        "batchSize is 4.5: give a whole number from 4 to 256",
    ),
    (
        {"model": "claude-3-haiku", "hyperparameters": {"epochCount": "ten"}},
        'epochCount is "ten"',
    ),
    ({"model": "claude-3-haiku", "hyperparameters": {"epochCount": None}}, "epochCount is null"),
    ({"model": "claude-3-haiku", "hyperparameters": {"epochCount": True}}, "epochCount is true"),
    (
        {"model": "nova-micro", "hyperparameters": {"batchSize": 8}},
        "'batchSize' is not a known hyperparameter of Amazon Nova Micro",
    ),
    (
        {"model": "nova-micro", "hyperparameters": {"epochCount": 6}},
        "a whole number from 1 to 5",
    ),
    ({"models_past_end": ["claude-3-haiku"]}, "models_past_end is not a known field"),
    ({"comment": "lower case"}, "comment is not a known field. Did you mean 'Comment'"),
]


@pytest.fixture(scope="module")
def validator() -> jsonschema.Draft202012Validator:
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def test_the_model_itself_is_no_other_model() -> None:
    with pytest.raises(InputInvalid) as refused:
        resolve({"model": "nova-lite", "also_compare": ["nova-lite"]}, DEFAULTS)
    assert "also_compare has nova-lite, the model of this run itself" in str(refused.value)
    # Which model an earlier run has tuned is not known yet.
    earlier = {"tuned_by_run": "first-1a2b3c4d5e6f", "also_compare": [DEFAULTS.model]}
    assert resolve(earlier, DEFAULTS).also_compare == [DEFAULTS.model]
    with pytest.raises(InputInvalid, match="the model of this run itself"):
        resolve({**earlier, "model": DEFAULTS.model}, DEFAULTS)


def test_what_the_environment_compares_with_leaves_out_the_model_of_the_run() -> None:
    defaults = DEFAULTS.model_copy(update={"also_compare": ["few-shot", "nova-lite"]})
    assert resolve({}, defaults).also_compare == ["few-shot", "nova-lite"]
    assert resolve({"model": "nova-lite"}, defaults).also_compare == ["few-shot"]
    assert resolve({"also_compare": []}, defaults).also_compare == []


@pytest.mark.parametrize("raw", GOOD, ids=str)
def test_parser_and_schema_accept(
    validator: jsonschema.Draft202012Validator, raw: dict[str, Any]
) -> None:
    resolve(raw, DEFAULTS)
    assert validator.is_valid(raw)


@pytest.mark.parametrize(("raw", "says"), BAD, ids=[str(raw) for raw, _ in BAD])
def test_parser_and_schema_refuse(
    validator: jsonschema.Draft202012Validator, raw: dict[str, Any], says: str
) -> None:
    with pytest.raises(InputInvalid) as refused:
        resolve(raw, DEFAULTS)
    assert says in str(refused.value)
    assert not validator.is_valid(raw)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
FIELDS = st.sampled_from([*json_schema()["properties"], "other"])


@pytest.mark.slow
@given(st.dictionaries(FIELDS, JSON, max_size=4))
def test_parser_and_schema_agree_on_anything(raw: dict[str, Any]) -> None:
    # What the environment says stands in no schema: here its ceiling is the highest there can be,
    # and it has data reviewed.
    unlimited = DEFAULTS.model_copy(update={"max_cost_usd": 100_000, "review_data": True})
    try:
        resolve(raw, unlimited)
    except InputInvalid:
        refused = True
    else:
        refused = False
    assert refused is not jsonschema.Draft202012Validator(json_schema()).is_valid(raw)


def test_nothing_given_is_the_environments_defaults() -> None:
    resolved = resolve({}, DEFAULTS)
    inputs_only = {"comment", "tuned_by_run", "answers_of_run"}
    environment_only = {*ExecutionDefaults.model_fields} - {*ExecutionInput.model_fields}
    assert resolved.model_dump(exclude=inputs_only) == DEFAULTS.model_dump(exclude=environment_only)


def test_an_execution_may_lower_the_ceiling_and_never_raise_it() -> None:
    assert resolve({"max_cost_usd": 399}, DEFAULTS).max_cost_usd == 399
    with pytest.raises(InputInvalid, match="max_cost_usd is 401: give at most 400"):
        resolve({"max_cost_usd": 401}, DEFAULTS)


def test_an_execution_may_ask_for_approval_and_not_waive_it() -> None:
    assert resolve({"require_approval": True}, DEFAULTS).require_approval
    strict = DEFAULTS.model_copy(update={"require_approval": True})
    assert resolve({}, strict).require_approval
    with pytest.raises(InputInvalid, match="requires approval of every run"):
        resolve({"require_approval": False}, strict)


def test_a_lowest_score_without_a_review_is_refused() -> None:
    with pytest.raises(InputInvalid, match=r"min_review_score is 6.* Give \"review_data\": true"):
        resolve({"min_review_score": 6}, DEFAULTS)
    of_environment = DEFAULTS.model_copy(update={"min_review_score": 6})
    assert resolve({}, of_environment).min_review_score == 6
    reviewing = of_environment.model_copy(update={"review_data": True})
    assert resolve({"min_review_score": 8}, reviewing).min_review_score == 8


def test_what_is_given_wins() -> None:
    resolved = resolve({"hold_minutes": 30, "hyperparameters": {"batchSize": 8}}, DEFAULTS)
    assert resolved.hold_minutes == 30
    assert resolved.hyperparameters == {"epochCount": 10, "batchSize": 8}


def test_another_model_does_not_inherit_hyperparameters() -> None:
    assert resolve({"model": "nova-micro"}, DEFAULTS).hyperparameters == {}


def test_auto_leaves_the_environments_hyperparameters_out_too() -> None:
    assert resolve({"hyperparameters": "auto"}, DEFAULTS).hyperparameters == {}
    by_size = DEFAULTS.model_dump() | {"hyperparameters": "auto"}
    assert ExecutionDefaults.parse(by_size).hyperparameters == {}


@pytest.mark.parametrize(
    ("model", "name", "value", "says"),
    [
        ("claude-3-haiku", "epochs", 3, 'epochs belongs in hyperparameters: give {"hyp'),
        ("claude-3-haiku", "epochs", 3, '{"hyperparameters": {"epochCount": 3}}'),
        ("claude-3-haiku", "epochCount", 3, '{"hyperparameters": {"epochCount": 3}}'),
        ("claude-3-haiku", "num_epochs", 3, '{"hyperparameters": {"epochCount": 3}}'),
        ("claude-3-haiku", "batch_size", 8, '{"hyperparameters": {"batchSize": 8}}'),
        ("nova-micro", "learning_rate", 5e-5, '{"hyperparameters": {"learningRate": 5e-05}}'),
        # Another scale: its value would be wrong under the name that the model has.
        ("claude-3-haiku", "learning_rate", 5e-5, "Claude 3 Haiku, which takes, in hyperp"),
        ("nova-micro", "batchSize", 8, "learningRate, learningRateWarmupSteps"),
        ("claude-3-haiku", "hold_minuts", 3, "Did you mean 'hold_minutes'"),
    ],
)
def test_a_hyperparameter_at_the_top_is_told_its_place(
    model: str, name: str, value: float, says: str
) -> None:
    with pytest.raises(InputInvalid) as refused:
        resolve({"model": model, name: value}, DEFAULTS)
    assert says in str(refused.value)
    assert len(str(refused.value).splitlines()) == 2


@pytest.mark.parametrize("field", ["tuned_by_run", "answers_of_run"])
def test_what_is_not_trained_takes_no_hyperparameters_and_no_review_of_the_environment(
    field: str,
) -> None:
    reviewing = DEFAULTS.model_copy(update={"review_data": True, "min_review_score": 6})
    resolved = resolve({field: "first-1a2b3c4d5e6f"}, reviewing)
    assert (resolved.hyperparameters, resolved.review_data) == ({}, False)
    assert resolved.min_review_score is None


def test_all_problems_are_named_at_once() -> None:
    with pytest.raises(InputInvalid) as refused:
        resolve({"hold_minuts": 1, "model_units": 0, "hyperparameters": {"a": 1}}, DEFAULTS)
    assert len(str(refused.value).splitlines()) == 4


def test_defaults_must_be_complete_and_known() -> None:
    table = DEFAULTS.model_dump()
    del table["dataset"]
    with pytest.raises(InputInvalid, match="dataset is missing"):
        ExecutionDefaults.parse(table)
    with pytest.raises(InputInvalid, match="models_past_end: 'haiku' is not a known model"):
        ExecutionDefaults.parse(DEFAULTS.model_dump() | {"models_past_end": ["haiku"]})


def test_a_margin_of_nothing_is_refused() -> None:
    """No number of questions would show it, and the verdict says how many would do."""
    with pytest.raises(InputInvalid, match="verdict_margin_percent is 0: give a number above 0 up"):
        ExecutionDefaults.parse(DEFAULTS.model_dump() | {"verdict_margin_percent": 0})


def test_defaults_survive_the_functions_environment() -> None:
    assert ExecutionDefaults.model_validate_json(DEFAULTS.model_dump_json()) == DEFAULTS


def test_every_environments_defaults_parse() -> None:
    files = sorted(Path("environments").glob("*.toml"))
    assert files
    for file in files:
        table = tomllib.loads(file.read_text(encoding="utf-8"))["defaults"]
        ExecutionDefaults.parse({"system_prompt": None, "min_review_score": None} | table)


def test_the_committed_documents_are_the_generated_ones(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert outdated() == []
    assert main(["--check"]) is None
    assert capsys.readouterr().out == ""


def test_the_page_names_every_field_and_hyperparameter() -> None:
    page = documents()["execution-input.md"]
    for name in json_schema()["properties"]:
        assert f"| `{name}` |" in page
    for model in MODELS.values():
        assert all(f"| `{name}` |" in page for name in model.hyperparameters)


def test_a_run_waits_as_long_as_its_kind_of_hosting_takes_unless_it_says() -> None:
    kinds: tuple[HostingKind, ...] = ("provisioned", "on-demand")
    absent = resolve({"max_provisioning_minutes": None}, DEFAULTS)
    assert [absent.provisioning_minutes(kind) for kind in kinds] == [60, 60]
    given = resolve({"max_provisioning_minutes": 45}, DEFAULTS)
    assert [given.provisioning_minutes(kind) for kind in kinds] == [45, 45]


@given(st.floats(0.8, 0.999))
def test_the_least_questions_are_those_that_can_be_decisive(confidence: float) -> None:
    unset = DEFAULTS.model_copy(update={"verdict_confidence": confidence})
    assert unset.least_questions == least_questions(confidence)
    assert DEFAULTS.model_copy(update={"min_evaluation_questions": 3}).least_questions == 3
