from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import nullcontext
from datetime import UTC, date, datetime
from itertools import product
from types import SimpleNamespace
from typing import Any

import boto3
import pytest

from lambdas.domain.errors import (
    AccessDenied,
    InputInvalid,
    PreflightFailed,
    ServiceUnavailable,
    Throttled,
)
from lambdas.domain.models.lookup import find_model
from lambdas.domain.models.model import Lifecycle
from lambdas.domain.run.contracts import Run
from lambdas.domain.run.names import names_of
from lambdas.domain.run.tags import EXECUTION, tags_of
from lambdas.handlers.check_preflight import handler
from lambdas.runtime import step
from tests.fakes.s3 import BUCKET, FakeS3, client_error, install

HAIKU = "anthropic.claude-3-haiku-20240307-v1:0"
MICRO = "amazon.nova-micro-v1:0"
TUNABLE_HAIKU, TUNABLE_MICRO = f"{HAIKU}:200k", f"{MICRO}:128k"
JUDGE = "amazon.nova-pro-v1:0"
HAIKU_4_5 = "anthropic.claude-haiku-4-5-20251001-v1:0"
DEFAULTS = {
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


LISTS = {
    "list_provisioned_model_throughputs": "provisionedModelSummaries",
    "list_custom_model_deployments": "modelDeploymentSummaries",
    "list_custom_models": "modelSummaries",
    "list_model_customization_jobs": "modelCustomizationJobSummaries",
}
SOME_DAY = datetime(2026, 8, 1, tzinfo=UTC)
CUSTOM_MODEL = "arn:aws:bedrock:us-west-2:123456789012:custom-model/x/abc"


class FakeBedrock:
    """Knows the models it is given, and fails as Bedrock does; control plane and runtime in one."""

    def __init__(self) -> None:
        self.asked: list[str] = []  # operations, and whom they were about
        self.lists: dict[str, list[dict[str, Any]]] = {member: [] for member in LISTS.values()}
        self.access: dict[str, Any] = {}  # where it differs from what all is well with
        self.silent: dict[str, Exception] = {}  # what Converse raises, by the id that is asked
        self.models: dict[str, dict[str, Any]] = {
            each: {} for each in (HAIKU, TUNABLE_HAIKU, MICRO, TUNABLE_MICRO, JUDGE)
        }
        self.missing_code = "ResourceNotFoundException"
        self.failures: dict[str, str] = {}
        self.jobs: set[str] = set()
        self.bases: dict[str, str] = {}  # of custom models, by name

    def get_custom_model(self, *, modelIdentifier: str) -> dict[str, Any]:  # noqa: N803  # AWS's name
        if modelIdentifier not in self.bases:
            raise client_error("ResourceNotFoundException", 404)
        base = f"arn:aws:bedrock:us-east-1::foundation-model/{self.bases[modelIdentifier]}"
        arn = f"arn of {modelIdentifier}"
        return {"modelArn": arn, "modelName": modelIdentifier, "baseModelArn": base}

    def list_tags_for_resource(self, *, resourceARN: str) -> dict[str, Any]:  # noqa: N803  # AWS's name
        assert resourceARN.startswith("arn of ")
        return {"tags": [{"key": "bedrock-tuning:environment", "value": "local"}]}

    def get_model_customization_job(self, *, jobIdentifier: str) -> dict[str, Any]:  # noqa: N803  # AWS's name
        if jobIdentifier not in self.jobs:
            raise client_error("ResourceNotFoundException", 404)
        return {
            "jobArn": "arn of the job",
            "jobName": jobIdentifier,
            "status": "Completed",
            "creationTime": SOME_DAY,
        }

    def get_paginator(self, operation: str) -> SimpleNamespace:
        self.asked.append(operation)
        member = LISTS[operation]
        return SimpleNamespace(paginate=lambda **_: [{member: self.lists[member]}])

    def converse(self, **request: Any) -> dict[str, Any]:
        assert request["inferenceConfig"] == {"maxTokens": 1}
        self.asked.append(f"converse {request['modelId']}")
        if error := self.silent.get(request["modelId"]):
            raise error
        return {}

    def get_foundation_model_availability(self, *, modelId: str) -> dict[str, Any]:  # noqa: N803  # AWS's name
        self.asked.append(f"get_foundation_model_availability {modelId}")
        return {
            "agreementAvailability": {"status": "AVAILABLE"},
            "authorizationStatus": "AUTHORIZED",
            "entitlementAvailability": "AVAILABLE",
            "regionAvailability": "AVAILABLE",
        } | self.access

    def has(self, kind: str, name: str = "another", **members: Any) -> None:
        """Have one more of what the account has."""
        member, named = {
            "throughput": ("provisionedModelSummaries", "provisionedModel"),
            "deployment": ("modelDeploymentSummaries", "customModelDeployment"),
            "custom-model": ("modelSummaries", "model"),
            "job": ("modelCustomizationJobSummaries", "job"),
        }[kind]
        common = {f"{named}Arn": f"arn of the {kind}", f"{named}Name": name, "status": "Active"}
        times = {"creationTime": SOME_DAY, "createdAt": SOME_DAY}
        models = {"baseModelArn": "…", "foundationModelArn": "…", "modelUnits": 1}
        of = {} if kind == "custom-model" else {"modelArn": CUSTOM_MODEL}
        self.lists[member].append(common | times | models | of | members)

    def get_foundation_model(self, *, modelIdentifier: str) -> dict[str, Any]:  # noqa: N803  # AWS's name
        self.asked.append(f"get_foundation_model {modelIdentifier}")
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
        self.others: dict[str, float] = {}  # by name
        self.listed: dict[str, tuple[str, float]] = {}  # by code
        self.failure: str | None = None

    def get_paginator(self, operation: str) -> FakeQuotas:
        assert operation == "list_service_quotas"
        return self

    def paginate(self, *, ServiceCode: str) -> Iterator[dict[str, Any]]:  # noqa: N803  # AWS's name
        assert ServiceCode == "bedrock"
        if self.failure:
            raise client_error(self.failure)
        yield {"Quotas": [{"QuotaCode": "L-0", "QuotaName": "another", "Value": 0.0}]}
        others = enumerate(self.others.items())
        yield {"Quotas": [quota(f"L-X{n}", name, value) for n, (name, value) in others]}
        yield {"Quotas": [quota(code, *it) for code, it in self.listed.items()]}
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
    for name in ("custom_models", "customization_jobs", "foundation_models", "inventory"):
        monkeypatch.setattr(f"lambdas.aws.{name}.client", lambda _: fake)
    monkeypatch.setattr("lambdas.handlers.check_preflight.client", lambda *_: fake)
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
    assert run.settings.hyperparameters == {"epochCount": 10}
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
    assert preflight("us-east-1", model="nova-micro").settings.hyperparameters == {}


@pytest.fixture
def earlier(bedrock: FakeBedrock, s3: FakeS3) -> str:
    """A run that tuned Nova Micro, whose folder is still there."""
    run = names_of("local", "earlier", "arn").run
    bedrock.bases[f"local-{run}"] = TUNABLE_MICRO
    bedrock.has("custom-model", f"local-{run}")
    s3.objects |= {f"runs/{run}/dataset/{n}.jsonl": b"" for n in ("training", "evaluation")}
    del s3.objects["datasets/default/training.jsonl"]
    return run


def test_the_model_of_an_earlier_run_is_hosted_instead_of_trained(earlier: str) -> None:
    run = preflight("us-east-1", tuned_by_run=earlier)
    assert run.settings.model == "nova-micro", "that run's, and not the environment's"
    assert run.settings.hyperparameters == {}
    assert (run.tuned_by_run, run.tuned_model_arn) == (earlier, f"arn of local-{earlier}")
    assert run.custom_model_name == f"local-{earlier}"
    assert run.name != earlier
    assert run.hosting_name == run.job_name == f"local-{run.name}"


def test_what_is_trained_already_needs_no_training(
    earlier: str, bedrock: FakeBedrock, quotas: FakeQuotas
) -> None:
    """Neither a job's quota nor an open model; a base that is LEGACY can still be deployed."""
    bedrock.legacy(TUNABLE_MICRO)
    quotas.listed["L-0406044C"] = ("jobs", 0)
    run = preflight("us-east-1", tuned_by_run=earlier, hosting="on-demand")
    assert [each.problem for each in run.hosting_options] == [None]


def test_a_trained_model_is_refused_where_it_cannot_be_served_as_asked(
    earlier: str, bedrock: FakeBedrock
) -> None:
    """Nothing else would say so: *Quote cost* has no kind to price then, nor to name."""
    bedrock.models[TUNABLE_MICRO] = {"inferenceTypesSupported": ["ON_DEMAND"]}
    with pytest.raises(PreflightFailed, match='give "hosting": "on-demand"'):
        preflight("us-east-1", tuned_by_run=earlier, hosting="provisioned")


def test_no_throughput_is_sold_for_a_closed_model_though_it_is_tuned(
    earlier: str, bedrock: FakeBedrock
) -> None:
    bedrock.legacy(TUNABLE_MICRO)
    with pytest.raises(PreflightFailed, match="sells no new throughput"):
        preflight("us-east-1", tuned_by_run=earlier, hosting="provisioned")


def test_a_run_without_a_model_is_refused_with_the_nearest(earlier: str) -> None:
    with pytest.raises(PreflightFailed, match=f"Did you mean '{earlier}'"):
        preflight("us-east-1", tuned_by_run=earlier[:-1])


def test_training_data_that_has_expired_is_refused_with_what_to_do(
    earlier: str, s3: FakeS3
) -> None:
    del s3.objects[f"runs/{earlier}/dataset/training.jsonl"]
    with pytest.raises(PreflightFailed) as refused:
        preflight("us-east-1", tuned_by_run=earlier)
    assert f"runs/{earlier}/dataset/training.jsonl does not exist: the files" in str(refused.value)
    assert "leave tuned_by_run out to train again" in str(refused.value)


def test_the_questions_are_those_of_the_dataset(earlier: str, s3: FakeS3) -> None:
    del s3.objects["datasets/default/evaluation.jsonl"]
    with pytest.raises(PreflightFailed, match=r"datasets/default/evaluation.jsonl does not exist"):
        preflight("us-east-1", tuned_by_run=earlier)


@pytest.fixture
def answered(earlier: str, s3: FakeS3) -> str:
    """A run that failed at its judge: both models of it have answered 251 questions."""
    settings = {"dataset": "own", "model": "nova-micro", "system_prompt": "S"}
    kept = {
        "name": earlier,
        "settings": settings | {"max_answer_tokens": 77},
        "asked": 251,
    }
    s3.objects[f"runs/{earlier}/run.json"] = json.dumps(kept).encode()
    for side, shard in product(("base", "tuned"), (0, 1)):
        tally = {"answered": 248 if shard == 0 else 1, "failed": 2 * (shard == 0)}
        folder = f"runs/{earlier}/answers-{side}"
        s3.objects[f"{folder}/tallies/0000{shard}.json"] = json.dumps(tally).encode()
        s3.objects[f"{folder}/0000{shard}.jsonl"] = b""
        s3.objects[f"{folder}/0000{shard}/one.json"] = b"{}"
    for name in ("training", "evaluation"):
        s3.objects.pop(f"datasets/default/{name}.jsonl", None)
    return earlier


def test_answers_of_an_earlier_run_need_a_judge_and_nothing_else(
    answered: str, bedrock: FakeBedrock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No quota, no model that can be tuned or asked, no service role, no dataset of today."""
    monkeypatch.setenv("SERVICE_ROLE_ARN", "")
    monkeypatch.setenv("COMPREHEND_MAX_USD", "5")
    step._variables.cache_clear()  # noqa: SLF001  # as in a new process
    run = preflight("us-east-1", answers_of_run=answered)
    assert bedrock.asked == [f"converse us.{JUDGE}"]
    assert run.answers_of_run == run.tuned_by_run == answered
    assert run.settings.model_dump(include={"dataset", "model", "system_prompt"}) == {
        "dataset": "own",
        "model": "nova-micro",
        "system_prompt": "S",
    }
    assert (run.settings.max_answer_tokens, run.settings.hyperparameters) == (77, {})
    assert run.base_answers
    assert run.tuned_answers
    assert run.tuned_answers.answers_prefix == f"runs/{answered}/answers-tuned/"
    counts = {"answered": 249, "failed": 2, "shards": 2, "done": True}
    for each in (run.base_answers, run.tuned_answers):
        assert each.model_dump(include={*counts}) == counts
    assert (run.hosting_options, run.comprehend_max_usd) == ((), 0)
    assert run.tuned_model_arn == f"arn of local-{answered}"
    assert len(run.model_dump_json()) < 3000


def test_answers_can_be_judged_when_their_model_is_deleted(
    answered: str, bedrock: FakeBedrock
) -> None:
    bedrock.bases.clear()
    run = preflight("us-east-1", answers_of_run=answered, model="nova-micro", dataset="own")
    assert run.tuned_model_arn is None


def rekept(s3: FakeS3, run: str, **changes: object) -> None:
    key = f"runs/{run}/run.json"
    s3.objects[key] = json.dumps(json.loads(s3.objects[key]) | changes).encode()


def test_answers_of_a_run_with_an_earlier_model_are_of_that_model(
    answered: str, s3: FakeS3
) -> None:
    rekept(s3, answered, tuned_by_run="the-first")
    run = preflight("us-east-1", answers_of_run=answered)
    assert (run.tuned_by_run, run.answers_of_run) == ("the-first", answered)
    assert run.custom_model_name == "local-the-first"


def test_a_run_that_judged_again_has_no_answers_of_its_own(answered: str, s3: FakeS3) -> None:
    rekept(s3, answered, answers_of_run="the-first")
    with pytest.raises(PreflightFailed, match='Give "answers_of_run": "the-first"'):
        preflight("us-east-1", answers_of_run=answered)


def test_a_run_that_is_not_there_is_refused_with_the_nearest(answered: str) -> None:
    with pytest.raises(PreflightFailed, match=f"Did you mean '{answered}'"):
        preflight("us-east-1", answers_of_run=answered[:-1])


@pytest.mark.parametrize(
    ("given", "own"),
    [
        ({"dataset": "default"}, '"own"'),
        ({"model": "claude-3-haiku"}, '"nova-micro"'),
        ({"system_prompt": None}, '"S"'),
    ],
)
def test_what_answers_depend_on_cannot_be_changed(
    answered: str, given: dict[str, object], own: str
) -> None:
    [[name, value]] = given.items()
    with pytest.raises(PreflightFailed) as refused:
        preflight("us-east-1", answers_of_run=answered, **given)
    assert f"{name} is {json.dumps(value)}, and {own} in run {answered}" in str(refused.value)
    assert f'"tuned_by_run": "{answered}"' in str(refused.value)


@pytest.mark.parametrize(
    ("gone", "says"),
    [
        ("answers-tuned/tallies/00001.json", "the tuned model to 250 of 251 questions"),
        ("answers-base/tallies/00000.json", "the base model to 1 of 251 questions"),
        ("answers-tuned/00000.jsonl", "answers-tuned/00000.jsonl and 0 other files of answers"),
        ("dataset/evaluation.jsonl", "leave answers_of_run out to train again"),
    ],
)
def test_answers_that_are_not_complete_are_refused_with_what_to_do(
    answered: str, s3: FakeS3, gone: str, says: str
) -> None:
    del s3.objects[f"runs/{answered}/{gone}"]
    with pytest.raises(PreflightFailed) as refused:
        preflight("us-east-1", answers_of_run=answered)
    assert says in str(refused.value)
    if "answers" in gone:
        assert f'tart with "tuned_by_run": "{answered}"' in str(refused.value)


def test_a_judge_that_cannot_be_asked_judges_nothing_again(
    answered: str, bedrock: FakeBedrock, s3: FakeS3
) -> None:
    """All that is wrong is said at once."""
    bedrock.silent[f"us.{JUDGE}"] = client_error("AccessDeniedException", 403)
    del s3.objects[f"runs/{answered}/answers-tuned/00000.jsonl"]
    with pytest.raises(PreflightFailed, match=r"(?s)does not answer in.*other files of answers"):
        preflight("us-east-1", answers_of_run=answered)


def test_a_metric_without_a_judge_asks_nobody(answered: str, bedrock: FakeBedrock) -> None:
    bedrock.silent[f"us.{JUDGE}"] = client_error("AccessDeniedException", 403)
    preflight("us-east-1", answers_of_run=answered, metric="exact-match")
    assert bedrock.asked == []


def test_a_name_is_one_runs_also_where_it_judges_again(answered: str, s3: FakeS3) -> None:
    run = preflight("us-east-1", answers_of_run=answered)
    s3.objects[f"runs/{run.name}/quote.json"] = b""
    with pytest.raises(PreflightFailed, match="was an earlier execution's"):
        preflight("us-east-1", answers_of_run=answered)


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
    with pytest.raises(PreflightFailed, match="may be needed until 2026-11-24 13:30"):
        preflight("us-east-1", model="nova-micro")
    assert preflight("us-east-1", model="nova-micro", max_training_hours=1)
    with pytest.raises(PreflightFailed, match="may be needed until 2026-11-24 14:30"):
        preflight("us-east-1", model="nova-micro", max_training_hours=1, require_approval=True)


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
        (
            {"inferenceTypesSupported": ["ON_DEMAND"]},
            "cannot be served in us-west-2 once it is tuned",
        ),
    ],
)
def test_a_model_must_be_tunable_and_servable(
    bedrock: FakeBedrock, change: dict[str, Any], says: str
) -> None:
    bedrock.models[TUNABLE_HAIKU] = change
    with pytest.raises(PreflightFailed, match=says):
        preflight()


def test_a_kind_that_the_catalogue_lacks_is_refused_whatever_bedrock_calls_it(
    bedrock: FakeBedrock,
) -> None:
    llama = "meta.llama3-3-70b-instruct-v1:0"
    bedrock.models |= {f"{llama}:128k": {"inferenceTypesSupported": ["PROVISIONED"]}}
    with pytest.raises(PreflightFailed) as refused:
        preflight(model="llama-3-3-70b", hosting="provisioned")
    assert (
        f"{llama}:128k cannot be served with provisioned throughput in us-west-2, but on demand: "
        'give "hosting": "on-demand"'
    ) in str(refused.value)


def test_what_bedrock_says_of_deployments_does_not_count(bedrock: FakeBedrock) -> None:
    """Its API has no word for them; without PROVISIONED it sells no throughput."""
    bedrock.models[TUNABLE_MICRO] = {"inferenceTypesSupported": ["INFERENCE_PROFILE"]}
    run = preflight("us-east-1", model="nova-micro")
    assert [each.kind for each in run.hosting_options] == ["on-demand"]


@pytest.mark.parametrize(
    ("asked", "kinds"),
    [
        ("cheapest", ["provisioned", "on-demand"]),
        ("on-demand", ["on-demand"]),
        ("provisioned", ["provisioned"]),
    ],
)
def test_the_kinds_that_input_model_and_region_allow(asked: str, kinds: list[str]) -> None:
    run = preflight("us-east-1", model="nova-micro", hosting=asked)
    assert [each.kind for each in run.hosting_options] == kinds
    assert not any(each.problem for each in run.hosting_options)


def test_a_model_served_on_demand_only_is_no_alternative(
    bedrock: FakeBedrock, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_arrangement(monkeypatch)
    bedrock.models |= {"meta.llama3-3-70b-instruct-v1:0:128k": {}}
    bedrock.legacy(TUNABLE_HAIKU)
    with pytest.raises(PreflightFailed) as refused:
        preflight()
    assert "llama-3-3-70b" not in str(refused.value)


def test_base_and_judge_are_asked_for_a_token_by_the_ids_of_the_run(bedrock: FakeBedrock) -> None:
    preflight("us-east-1", model="nova-micro")
    asked = [each for each in bedrock.asked if each.startswith("converse")]
    assert sorted(asked) == [f"converse us.{MICRO}", f"converse us.{JUDGE}"]


def test_other_models_are_asked_for_a_token_too(bedrock: FakeBedrock) -> None:
    preflight(also_compare=["few-shot", "nova-pro", "claude-haiku-4-5"])
    asked = sorted(each for each in bedrock.asked if each.startswith("converse"))
    assert asked == [f"converse {HAIKU}", f"converse us.{JUDGE}", f"converse us.{HAIKU_4_5}"]


def test_another_model_that_refuses_is_said_with_the_step_that_helps(bedrock: FakeBedrock) -> None:
    error = client_error("AccessDeniedException")
    error.args = ("You don't have access to the model with the specified model ID.",)
    bedrock.silent[f"us.{HAIKU_4_5}"] = error
    with pytest.raises(PreflightFailed) as refused:
        preflight(also_compare=["claude-haiku-4-5"])
    said = str(refused.value)
    assert f"Claude Haiku 4.5 of also_compare (us.{HAIKU_4_5}) does not answer" in said
    assert "the account has no access to the model" in said


def test_another_model_that_cannot_be_asked_from_here_is_refused_unasked(
    bedrock: FakeBedrock,
) -> None:
    with pytest.raises(PreflightFailed) as refused:
        preflight("us-east-1", model="nova-micro", also_compare=["claude-3-haiku"])
    assert (
        "Claude 3 Haiku of also_compare can be invoked from us-west-2 only, not from us-east-1"
    ) in str(refused.value)
    assert f"converse {HAIKU}" not in bedrock.asked


def test_a_judge_that_nothing_needs_is_not_asked(bedrock: FakeBedrock) -> None:
    del bedrock.models[JUDGE]
    for changes, judges in (
        ({"metric": "exact-match"}, []),
        ({"metric": "exact-match", "review_data": True}, [f"converse us.{JUDGE}"]),
    ):
        bedrock.asked.clear()
        preflight("us-east-1", model="nova-micro", **changes)
        asked = [each for each in bedrock.asked if each.startswith("converse")]
        assert asked == [f"converse us.{MICRO}", *judges]


def test_a_judge_that_is_the_base_is_asked_once(bedrock: FakeBedrock) -> None:
    bedrock.models[f"{JUDGE}:300k"] = {}
    preflight("us-east-1", model="nova-pro")
    assert [each for each in bedrock.asked if each.startswith("converse")] == [
        f"converse us.{JUDGE}"
    ]


NOT_AUTHORIZED = "User: x is not authorized to perform: bedrock:InvokeModel on resource: y"
DENIED, NOT_FOUND = "AccessDeniedException", "ResourceNotFoundException"
# AWS's words, and what helps.
REFUSALS = {
    "model access": (
        DENIED,
        "You don't have access to the model with the specified model ID.",
        "open it in the Bedrock console, Model catalog",
    ),
    "use-case form": (
        NOT_FOUND,
        "Model use case details have not been submitted for this account.",
        "Anthropic's use-case form is missing: submit it once",
    ),
    "Marketplace": (
        DENIED,
        "Model access is denied due to IAM user or service role … (aws-marketplace:Subscribe)",
        "the AWS Marketplace subscription is missing: let somebody who has",
    ),
    "organization": (
        DENIED,
        f"{NOT_AUTHORIZED} with an explicit deny in a service control policy",
        "a service control policy of the organization denies it",
    ),
    "role": (DENIED, NOT_AUTHORIZED, "a function's role: deploy again"),
    "closed": (
        NOT_FOUND,
        "Access denied. This Model is marked by provider as Legacy and you have not been active",
        "its provider lets only recent users ask it",
    ),
    "anything": ("ValidationException", "Operation not allowed", "correct what AWS says"),
}


@pytest.mark.parametrize("why", REFUSALS)
@pytest.mark.parametrize(
    ("model_id", "name"),
    [(HAIKU, "the base model Claude 3 Haiku"), (f"us.{JUDGE}", "the judge Amazon Nova Pro")],
)
def test_a_model_that_refuses_is_said_with_the_step_that_helps(
    bedrock: FakeBedrock, model_id: str, name: str, why: str
) -> None:
    code, message, step_that_helps = REFUSALS[why]
    error = client_error(code)
    error.args = (f"An error occurred ({code}) when calling the Converse operation: {message}",)
    bedrock.silent[model_id] = error
    with pytest.raises(PreflightFailed) as refused:
        preflight()
    said = str(refused.value)
    assert f"{name} ({model_id}) does not answer in us-west-2: " in said
    assert step_that_helps in said
    assert said.endswith(message)
    assert len(str(refused.value).splitlines()) == 2


@pytest.mark.parametrize(
    ("code", "error"),
    [("ThrottlingException", Throttled), ("ServiceUnavailableException", ServiceUnavailable)],
)
def test_a_model_that_may_answer_later_is_retried(
    bedrock: FakeBedrock, code: str, error: type[Exception]
) -> None:
    bedrock.silent[HAIKU] = client_error(code)
    with pytest.raises(error):
        preflight()


@pytest.mark.parametrize(
    ("said", "line"),
    [
        (
            {"agreementAvailability": {"status": "ERROR", "errorMessage": "no offer"}},
            "agreement of Claude 3 Haiku is ERROR (no offer) in us-west-2: accept it",
        ),
        ({"agreementAvailability": {"status": "PENDING"}}, "is PENDING in us-west-2: accept it"),
        ({"authorizationStatus": "NOT_AUTHORIZED"}, "authorization of Claude 3 Haiku is NOT_AUT"),
        ({"entitlementAvailability": "NOT_AVAILABLE"}, "entitlement of Claude 3 Haiku is NOT_AV"),
        ({"regionAvailability": "NOT_AVAILABLE"}, "region of Claude 3 Haiku is NOT_AVAILABLE"),
    ],
)
def test_what_the_account_lacks_to_use_the_model_is_a_line_each(
    bedrock: FakeBedrock, said: dict[str, Any], line: str
) -> None:
    bedrock.access = said
    with pytest.raises(PreflightFailed) as refused:
        preflight()
    assert line in str(refused.value)
    assert len(str(refused.value).splitlines()) == 2
    everything = {"authorizationStatus": "NOT_AUTHORIZED", "regionAvailability": "NOT_AVAILABLE"}
    bedrock.access = said | everything
    with pytest.raises(PreflightFailed) as refused:
        preflight()
    assert len(str(refused.value).splitlines()) >= 3


def test_words_that_aws_adds_refuse_nothing(bedrock: FakeBedrock) -> None:
    bedrock.access = {
        "agreementAvailability": {"status": "NOT_NEEDED"},
        "authorizationStatus": "BY_ORGANIZATION",
        "entitlementAvailability": "SHARED",
        "regionAvailability": "SOON",
    }
    bedrock.models[TUNABLE_MICRO] = {
        "modelLifecycle": {"status": "EXTENDED"},
        "customizationsSupported": ["PREFERENCE_FINE_TUNING", "FINE_TUNING"],
    }
    assert preflight("us-east-1", model="nova-micro")


def test_legacy_may_come_without_dates(bedrock: FakeBedrock) -> None:
    bedrock.legacy(TUNABLE_MICRO)
    with pytest.raises(PreflightFailed, match="Amazon Nova Micro is LEGACY, as Bedrock answers"):
        preflight("us-east-1", model="nova-micro")


def test_an_inferred_date_warns_and_closes_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    known = find_model("nova-micro")
    legacy = Lifecycle(legacy=date(2026, 11, 1))
    for lifecycle, refused in (
        (legacy, True),
        (legacy.model_copy(update={"inferred": True}), False),
    ):
        model = known.model_copy(update={"lifecycle": lifecycle})
        monkeypatch.setattr("lambdas.domain.preflight.models.find_model", lambda _, it=model: it)
        with pytest.raises(PreflightFailed) if refused else nullcontext():
            preflight("us-east-1", model="nova-micro")
    assert "may be LEGACY since 2026-11-01: the date is inferred" in caplog.text


def test_other_models_are_looked_up_only_where_something_is_wrong(bedrock: FakeBedrock) -> None:
    preflight("us-east-1", model="nova-micro")
    looked_up = [each for each in bedrock.asked if each.startswith("get_foundation_model ")]
    assert looked_up == [f"get_foundation_model {TUNABLE_MICRO}"]
    bedrock.asked.clear()
    bedrock.legacy(TUNABLE_MICRO)
    with pytest.raises(PreflightFailed):
        preflight("us-east-1", model="nova-micro")
    assert "get_foundation_model amazon.nova-lite-v1:0:300k" in bedrock.asked


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


@pytest.mark.parametrize(
    ("quota_of", "has", "named"),
    [
        # The name and code of the first are in all accounts, those of the others in some.
        ("Custom model deployments per account", "deployment", "deployments"),
        ("Custom Models Deployments (on-demand)", "deployment", "deployments"),
    ],
)
def test_deployments_in_use_leave_room_or_not(
    bedrock: FakeBedrock, quotas: FakeQuotas, quota_of: str, has: str, named: str
) -> None:
    quotas.others = {
        quota_of: 2,
        "On-demand requests per minute per custom model deployment of Amazon Nova Micro": 0,
    }
    bedrock.has(has)
    assert preflight("us-east-1", model="nova-micro", hosting="on-demand")
    bedrock.has(has)
    with pytest.raises(PreflightFailed) as refused:
        preflight("us-east-1", model="nova-micro", hosting="on-demand")
    assert f"the quota {quota_of!r} (L-X0) is 2 in us-east-1 and 2 in use ({named})" in str(
        refused.value
    )
    assert "wait for some to end, make cleanup, or request an increase" in str(refused.value)


@pytest.mark.parametrize(
    "name",
    [
        "Custom model deployments in progress",
        "Custom models with a creating status per account",
    ],
)
def test_what_is_being_created_now_is_no_obstacle_hours_later(
    bedrock: FakeBedrock, quotas: FakeQuotas, name: str
) -> None:
    quotas.listed["L-C02E1E99"] = (name, 1)
    bedrock.has("deployment", status="Creating")
    assert preflight("us-east-1", model="nova-micro", hosting="on-demand")
    quotas.listed["L-C02E1E99"] = (name, 0)
    with pytest.raises(PreflightFailed, match="L-C02E1E99"):
        preflight("us-east-1", model="nova-micro", hosting="on-demand")


@pytest.mark.parametrize(
    ("code", "kinds"), [("L-0406044C", ["job"]), ("L-CB5B847D", ["custom-model", "job"])]
)
def test_training_needs_a_job_and_a_model(
    bedrock: FakeBedrock, quotas: FakeQuotas, code: str, kinds: list[str]
) -> None:
    quotas.listed[code] = ("training", len(kinds) + 1)
    for kind in kinds:
        bedrock.has(kind)
    assert preflight()
    bedrock.has(kinds[0])
    with pytest.raises(PreflightFailed, match=rf"\({code}\) is .* in use"):
        preflight()


def test_units_in_use_count_but_not_those_of_other_quotas(
    bedrock: FakeBedrock, quotas: FakeQuotas
) -> None:
    quotas.value = 2
    bedrock.has("throughput", commitmentDuration="OneMonth", modelUnits=5)
    bedrock.has("throughput", modelArn="arn:aws:bedrock:us-west-2::foundation-model/x")
    bedrock.has("throughput")
    assert preflight()
    with pytest.raises(PreflightFailed, match=r"is 2 in us-west-2 and 1 in use .* needs 2"):
        preflight(model_units=2)


def test_a_kind_that_the_account_cannot_have_leaves_the_other(quotas: FakeQuotas) -> None:
    """The quote decides between the two: it never goes from a cheap kind to a dear one."""
    quotas.value = 0
    run = preflight("us-east-1", model="nova-micro")
    problems = {each.kind: each.problem for each in run.hosting_options}
    assert problems["on-demand"] is None
    assert "(L-BE77399C) is 0 in us-east-1, and the run needs 1" in str(problems["provisioned"])
    with pytest.raises(PreflightFailed, match="L-BE77399C"):
        preflight("us-east-1", model="nova-micro", hosting="provisioned")
    quotas.others = {"Custom model deployments per account": 0}
    with pytest.raises(PreflightFailed) as refused:
        preflight("us-east-1", model="nova-micro")
    assert len(str(refused.value).splitlines()) == 3


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


@pytest.mark.parametrize("kind", ["throughput", "deployment", "custom-model"])
def test_hosting_or_a_model_of_the_runs_name_is_refused(
    bedrock: FakeBedrock, quotas: FakeQuotas, kind: str
) -> None:
    """The run would take it for its own, and host, ask and delete it."""
    quotas.value = 2
    bedrock.has(kind, preflight().hosting_name)
    with pytest.raises(PreflightFailed, match=f"there is still arn of the {kind}"):
        preflight()
    assert preflight(name="May-run-2")


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
    assert len(str(refused.value).splitlines()) == 6


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
