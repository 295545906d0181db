from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest

from lambdas.domain.errors import AccessDenied, InputInvalid, PreflightFailed, Throttled
from lambdas.domain.run.contracts import Run
from lambdas.domain.run.tags import EXECUTION, tags_of
from lambdas.handlers.check_preflight import handler
from lambdas.runtime import step
from tests.fakes.s3 import BUCKET, FakeS3, client_error, install

HAIKU = "anthropic.claude-3-haiku-20240307-v1:0"
MICRO = "amazon.nova-micro-v1:0"
TUNABLE_HAIKU, TUNABLE_MICRO = f"{HAIKU}:200k", f"{MICRO}:128k"
JUDGE = "amazon.nova-pro-v1:0"
DEFAULTS = {
    "dataset": "default",
    "model": "claude-3-haiku",
    "hyperparameters": {"epochCount": 10},
    "system_prompt": None,
    "hosting": "cheapest",
    "keep_hours": 24,
    "model_units": 1,
    "hold_minutes": 0,
    "judge_model": "nova-pro",
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
    "models_past_end": ["claude-3-haiku"],
}


class FakeBedrock:
    """Knows the models it is given, and fails as Bedrock does."""

    def __init__(self) -> None:
        self.models: dict[str, dict[str, Any]] = {
            each: {} for each in (HAIKU, TUNABLE_HAIKU, MICRO, TUNABLE_MICRO, JUDGE)
        }
        self.missing_code = "ResourceNotFoundException"
        self.failures: dict[str, str] = {}
        self.jobs: set[str] = set()

    def get_model_customization_job(self, *, jobIdentifier: str) -> dict[str, Any]:  # noqa: N803  # AWS's name
        if jobIdentifier not in self.jobs:
            raise client_error("ResourceNotFoundException", 404)
        return {
            "jobArn": "arn of the job",
            "jobName": jobIdentifier,
            "status": "Completed",
            "creationTime": datetime(2026, 8, 1, tzinfo=UTC),
        }

    def get_foundation_model(self, *, modelIdentifier: str) -> dict[str, Any]:  # noqa: N803  # AWS's name
        if modelIdentifier in self.failures:
            raise client_error(self.failures[modelIdentifier])
        if modelIdentifier not in self.models:
            raise client_error(self.missing_code, 404)
        tunable = modelIdentifier.endswith("k")
        details = {
            "modelId": modelIdentifier,
            "customizationsSupported": ["FINE_TUNING"] if tunable else [],
            "inferenceTypesSupported": ["PROVISIONED"] if tunable else ["ON_DEMAND"],
            "modelLifecycle": {"status": "ACTIVE"},
        }
        return {"modelDetails": details | self.models[modelIdentifier]}

    def legacy(self, model_id: str, end: datetime | None = None) -> None:
        lifecycle = {"status": "LEGACY"} | ({"endOfLifeTime": end} if end else {})
        self.models[model_id] = {"modelLifecycle": lifecycle}


class FakeQuotas:
    def __init__(self) -> None:
        self.value: float | None = 1.0
        self.haiku: float | None = None
        self.failure: str | None = None

    def get_paginator(self, operation: str) -> FakeQuotas:
        assert operation == "list_service_quotas"
        return self

    def paginate(self, *, ServiceCode: str) -> Iterator[dict[str, Any]]:  # noqa: N803  # AWS's name
        assert ServiceCode == "bedrock"
        if self.failure:
            raise client_error(self.failure)
        yield {"Quotas": [{"QuotaCode": "L-0", "QuotaName": "another", "Value": 0.0}]}
        if self.value is not None:
            yield {"Quotas": [quota("L-BE77399C", "custom models", self.value)]}
        if self.haiku is not None:
            name = "Model units per provisioned model for Anthropic Claude 3 Haiku"
            old = f"{name} 48K"
            yield {"Quotas": [quota("L-1", name, self.haiku), quota("L-2", old, 0)]}


def quota(code: str, name: str, value: float) -> dict[str, Any]:
    return {"QuotaCode": code, "QuotaName": name, "Value": value}


@pytest.fixture(autouse=True)
def s3(monkeypatch: pytest.MonkeyPatch) -> FakeS3:
    names = ("training", "validation", "evaluation")
    return install(monkeypatch, FakeS3({f"datasets/default/{n}.jsonl": b"" for n in names}))


@pytest.fixture(autouse=True)
def bedrock(monkeypatch: pytest.MonkeyPatch) -> FakeBedrock:
    fake = FakeBedrock()
    for adapter in ("customization_jobs", "foundation_models"):
        monkeypatch.setattr(f"lambdas.aws.{adapter}.client", lambda _: fake)
    return fake


@pytest.fixture(autouse=True)
def quotas(monkeypatch: pytest.MonkeyPatch) -> FakeQuotas:
    fake = FakeQuotas()
    monkeypatch.setattr("lambdas.aws.quotas.client", lambda _: fake)
    return fake


@pytest.fixture(autouse=True)
def function(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENVIRONMENT", "local")
    monkeypatch.setenv("ARTEFACT_BUCKET", BUCKET)
    monkeypatch.setenv("SERVICE_ROLE_ARN", "arn:aws:iam::123456789012:role/bedrock")
    monkeypatch.setenv("REAP_EVERY_MINUTES", "15")
    monkeypatch.setenv("EXECUTION_DEFAULTS", json.dumps(DEFAULTS))


def without_arrangement(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXECUTION_DEFAULTS", json.dumps(DEFAULTS | {"models_past_end": []}))
    step._variables.cache_clear()  # noqa: SLF001  # as in a new process


def preflight(region: str = "us-west-2", *, name: str = "May-run", **given: object) -> Run:
    arn = f"arn:aws:states:{region}:123456789012:execution:bedrock-tuning-local:{name}"
    event = {
        "input": given,
        "execution": {"name": name, "arn": arn, "started_at": "2026-11-23T12:00:00Z"},
        "now": "2026-11-23T12:00:01Z",
    }
    return Run.model_validate(handler(event, None))


def test_nothing_given_decides_everything() -> None:
    run = preflight()
    assert run.prefix == f"runs/{run.name}"
    assert run.job_name == f"local-{run.name}"
    assert run.settings.model == "claude-3-haiku"
    assert run.hyperparameters["epochCount"] == "10"
    assert run.started_at == datetime(2026, 11, 23, 12, tzinfo=UTC)
    assert len(run.model_dump_json()) < 3000


def test_what_the_run_makes_gets_the_environments_own_tags(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TAGS", '{"cost-center": "4711"}')
    assert preflight().tags == {"cost-center": "4711"}


def test_validation_is_optional(s3: FakeS3) -> None:
    del s3.objects["datasets/default/validation.jsonl"]
    preflight()


def test_another_model_in_its_region() -> None:
    run = preflight("us-east-1", model="nova-micro")
    assert run.hyperparameters["epochCount"] == "2"


def test_bad_input_is_refused_before_anything_is_asked(bedrock: FakeBedrock) -> None:
    bedrock.models.clear()
    with pytest.raises(InputInvalid, match="Did you mean 'hold_minutes'"):
        preflight(hold_minuts=1)


def test_a_legacy_model_needs_an_arrangement(
    bedrock: FakeBedrock, monkeypatch: pytest.MonkeyPatch
) -> None:
    bedrock.legacy(TUNABLE_HAIKU, datetime(2026, 9, 10, tzinfo=UTC))
    assert preflight().settings.model == "claude-3-haiku"
    without_arrangement(monkeypatch)
    with pytest.raises(PreflightFailed) as refused:
        preflight()
    message = str(refused.value)
    assert "Claude 3 Haiku is LEGACY" in message
    assert "ends on 2026-09-10" in message
    assert "nova-micro in us-east-1" in message
    assert "models_past_end" in message


@pytest.mark.parametrize("code", ["ResourceNotFoundException", "ValidationException"])
def test_a_model_that_is_gone_is_refused_even_with_an_arrangement(
    bedrock: FakeBedrock, code: str
) -> None:
    del bedrock.models[TUNABLE_HAIKU]
    bedrock.missing_code = code
    with pytest.raises(PreflightFailed, match="reached its end of life on 2026-09-10"):
        preflight()


def test_a_model_that_ends_within_the_run_is_refused(bedrock: FakeBedrock) -> None:
    soon = {"status": "ACTIVE", "endOfLifeTime": datetime(2026, 11, 24, 12, tzinfo=UTC)}
    bedrock.models[TUNABLE_MICRO] = {"modelLifecycle": soon}
    with pytest.raises(PreflightFailed, match="may need it until 2026-11-24 13:30"):
        preflight("us-east-1", model="nova-micro")
    assert preflight("us-east-1", model="nova-micro", max_training_hours=1)


def test_a_documented_date_closes_a_model_that_the_api_still_calls_active(
    bedrock: FakeBedrock,
) -> None:
    llama = "meta.llama3-1-8b-instruct-v1:0"
    bedrock.models |= {llama: {}, f"{llama}:128k": {}}
    with pytest.raises(PreflightFailed) as refused:
        preflight(model="llama-3-1-8b")
    message = str(refused.value)
    assert "Llama 3.1 8B Instruct is LEGACY since 2026-10-05" in message
    assert '"nova-micro in us-east-1"' in message
    assert "llama-3-1-70b" not in message, "it is closed as well"


def test_alternatives_of_the_region_are_named() -> None:
    with pytest.raises(PreflightFailed) as refused:
        preflight("us-east-1")
    assert "Claude 3 Haiku can be tuned in us-west-2 only" in str(refused.value)
    assert '"model": "nova-micro"' in str(refused.value)


def test_an_alternative_that_is_gone_itself_is_not_named(bedrock: FakeBedrock) -> None:
    bedrock.legacy(TUNABLE_MICRO)
    with pytest.raises(PreflightFailed, match="no other model of the catalogue"):
        preflight("us-east-1")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"customizationsSupported": []}, "does not support FINE_TUNING"),
        ({"inferenceTypesSupported": ["ON_DEMAND"]}, "cannot be served with provisioned"),
    ],
)
def test_a_model_must_be_tunable_and_servable(
    bedrock: FakeBedrock, change: dict[str, Any], says: str
) -> None:
    bedrock.models[TUNABLE_HAIKU] = change
    with pytest.raises(PreflightFailed, match=says):
        preflight()


def test_a_model_served_on_demand_only_is_refused_whatever_bedrock_calls_it(
    bedrock: FakeBedrock,
) -> None:
    llama = "meta.llama3-3-70b-instruct-v1:0"
    bedrock.models |= {llama: {}, f"{llama}:128k": {"inferenceTypesSupported": ["PROVISIONED"]}}
    with pytest.raises(PreflightFailed) as refused:
        preflight(model="llama-3-3-70b")
    assert f"{llama}:128k cannot be served with provisioned throughput in us-west-2" in str(
        refused.value
    )


def test_a_model_served_on_demand_only_is_no_alternative(
    bedrock: FakeBedrock, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_arrangement(monkeypatch)
    bedrock.models |= {"meta.llama3-3-70b-instruct-v1:0:128k": {}}
    bedrock.legacy(TUNABLE_HAIKU)
    with pytest.raises(PreflightFailed) as refused:
        preflight()
    assert "llama-3-3-70b" not in str(refused.value)


def test_the_base_must_answer_too(bedrock: FakeBedrock) -> None:
    del bedrock.models[HAIKU]
    with pytest.raises(PreflightFailed, match="no base model to be compared with"):
        preflight()


def test_the_judge_must_be_there(bedrock: FakeBedrock) -> None:
    del bedrock.models[JUDGE]
    with pytest.raises(PreflightFailed, match=r"Bedrock has no Amazon Nova Pro .*judge_model"):
        preflight()


def test_the_dataset_must_be_there() -> None:
    with pytest.raises(PreflightFailed) as refused:
        preflight(dataset="other")
    assert f"s3://{BUCKET}/datasets/other/training.jsonl does not exist" in str(refused.value)
    assert f"s3://{BUCKET}/datasets/other/evaluation.jsonl does not exist" in str(refused.value)


@pytest.mark.parametrize(
    ("arn", "says"),
    [
        ("", "not the ARN of a role"),
        ("arn:aws:iam::999999999999:role/bedrock", "in account 999999999999"),
    ],
)
def test_the_service_role_must_be_of_this_account(
    monkeypatch: pytest.MonkeyPatch, arn: str, says: str
) -> None:
    monkeypatch.setenv("SERVICE_ROLE_ARN", arn)
    with pytest.raises(PreflightFailed, match=says):
        preflight()


def test_a_quota_too_small_is_refused(quotas: FakeQuotas) -> None:
    quotas.value = 0
    with pytest.raises(PreflightFailed, match=r"\(L-BE77399C\) is 0 in us-west-2"):
        preflight()


def test_the_models_own_quota_is_found_by_its_name(quotas: FakeQuotas) -> None:
    """A purchase needs both, and would be refused after the training was paid."""
    quotas.haiku = 1
    assert preflight()
    quotas.haiku = 0
    with pytest.raises(PreflightFailed, match=r"Claude 3 Haiku' \(L-1\) is 0 in us-west-2"):
        preflight()


@pytest.mark.parametrize("failure", ["AccessDeniedException", "UnknownOperationException", None])
def test_a_quota_that_nobody_tells_is_passed_over(quotas: FakeQuotas, failure: str | None) -> None:
    quotas.value, quotas.failure = None, failure
    assert preflight()


@pytest.mark.parametrize("left", ["runs/{}/quote.json", "approvals/{}/decision.json", "the job"])
def test_a_name_that_was_an_earlier_executions_is_refused(
    bedrock: FakeBedrock, s3: FakeS3, left: str
) -> None:
    """Else its approval, its job, its answers or its report would become this run's."""
    first = preflight()
    if left == "the job":
        bedrock.jobs.add(first.job_name)
        there = "arn of the job"
    else:
        key = left.format(first.name)
        s3.objects[key] = b"{}"
        there = f"s3://{BUCKET}/{key}"
    with pytest.raises(PreflightFailed) as refused:
        preflight()
    assert f"'May-run' was an earlier execution's, of which there is still {there};" in str(
        refused.value
    )
    assert "start a new execution, and leave its name to Step Functions" in str(refused.value)
    assert preflight(name="May-run-2")


def test_what_the_runs_of_other_names_have_left_is_no_obstacle(s3: FakeS3) -> None:
    s3.objects[f"runs/{preflight().name}-2/quote.json"] = b"{}"
    assert preflight()


@pytest.mark.parametrize("name", ["live(1)", "it's", "May run", "5月", "Lauf-für-Eva"])
def test_a_name_that_no_tag_holds_is_refused(name: str) -> None:
    """Its resources would not lead reaper and clean-up to an execution that is under way."""
    with pytest.raises(PreflightFailed, match=r"does not fit into the tag .*A-Z a-z 0-9"):
        preflight(name=name)


@pytest.mark.parametrize("name", ["x" * 80, "a.b_c=d+e@f-g"])
def test_whatever_else_aws_takes_leads_from_the_tag_to_the_execution(name: str) -> None:
    run = preflight(name=name)
    tag = tags_of(run)[EXECUTION]
    assert tag.endswith(f":{name}")
    shape = boto3.client("bedrock", region_name="us-west-2").meta.service_model.shape_for(
        "TagValue"
    )
    assert re.fullmatch(shape.metadata["pattern"], tag)
    assert len(tag) <= shape.metadata["max"]


def test_all_reasons_are_given_at_once(
    bedrock: FakeBedrock, s3: FakeS3, quotas: FakeQuotas
) -> None:
    bedrock.models.clear()
    s3.objects.clear()
    quotas.value = 0
    with pytest.raises(PreflightFailed) as refused:
        preflight()
    assert len(str(refused.value).splitlines()) == 8


@pytest.mark.parametrize(
    ("code", "error"),
    [("AccessDeniedException", AccessDenied), ("ThrottlingException", Throttled)],
)
def test_not_being_answered_is_not_being_gone(
    bedrock: FakeBedrock, code: str, error: type[Exception]
) -> None:
    bedrock.failures[TUNABLE_HAIKU] = code
    with pytest.raises(error, match=TUNABLE_HAIKU):
        preflight()
