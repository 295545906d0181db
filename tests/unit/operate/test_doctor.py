"""The doctor: one line for each answer of AWS, whatever it is, and a status that sums them up."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import HTTPClientError

from operate import doctor
from operate.checks.finding import Account
from stacks.environment import Similarity, load
from tests.fakes.s3 import client_error

NUMBER = "123456789012"
GRANTED = {
    "agreementAvailability": {"status": "AVAILABLE"},
    "authorizationStatus": "AUTHORIZED",
    "entitlementAvailability": "AVAILABLE",
    "regionAvailability": "AVAILABLE",
}
NOVA = {
    "modelId": "amazon.nova-micro-v1:0:128k",
    "modelLifecycle": {"status": "ACTIVE"},
    "customizationsSupported": ["FINE_TUNING", "PREFERENCE_FINE_TUNING"],
}
QUOTAS = {
    "L-BE77399C": "Model units no-commitment Provisioned Throughputs across custom models",
    "L-00000001": "Model units per provisioned model for Amazon Nova Micro",
    "L-0406044C": "(Model customization) Scheduled customization jobs",
}


def quotas(value: float) -> dict[str, Any]:
    listed = [
        {"QuotaCode": code, "QuotaName": name, "Value": value} for code, name in QUOTAS.items()
    ]
    return {"Quotas": listed}


def answers() -> dict[str, Any]:
    """What AWS answers where all is well, by operation."""
    return {
        "get_caller_identity": {"Account": NUMBER},
        "get_parameter": {"Parameter": {"Value": "27"}},
        "get_account_settings": {
            "AccountLimit": {"ConcurrentExecutions": 10, "UnreservedConcurrentExecutions": 10}
        },
        "list_service_quotas": quotas(10),
        "list_provisioned_model_throughputs": {"provisionedModelSummaries": []},
        "list_model_customization_jobs": {"modelCustomizationJobSummaries": []},
        "list_custom_models": {"modelSummaries": []},
        "list_custom_model_deployments": {"modelDeploymentSummaries": []},
        "get_foundation_model": {"modelDetails": NOVA},
        "get_foundation_model_availability": GRANTED,
        "converse": {"usage": {"outputTokens": 1}},
        "list_subscriptions_by_topic": {
            "Subscriptions": [{"Endpoint": "a@b.c", "SubscriptionArn": "arn:aws:sns:x"}]
        },
        "list_executions": {"executions": []},
        "get_model_customization_job": client_error("ValidationException"),
        "get_provisioned_model_throughput": client_error("ResourceNotFoundException"),
        "get_custom_model_deployment": client_error("ResourceNotFoundException"),
        "list_foundation_models": {"modelSummaries": [NOVA]},
    }


class FakeAws:
    """Every service as one; what it is asked for beyond `answers` fails the test."""

    def __init__(self) -> None:
        self.answers = answers()
        self.asked: list[str] = []
        self.regions: set[str] = set()

    def client(self, _: str, *, region_name: str) -> FakeAws:
        self.regions.add(region_name)
        return self

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        return lambda **_: self._answer(operation)

    def get_paginator(self, operation: str) -> FakePages:
        return FakePages(lambda: self._answer(operation))

    def _answer(self, operation: str) -> Any:
        self.asked.append(operation)
        answer = self.answers[operation]
        if isinstance(answer, Exception):
            raise answer
        return answer


class FakePages:
    def __init__(self, answer: Callable[[], Any]) -> None:
        self._answer = answer

    def paginate(self, **_: str) -> Iterator[Any]:
        yield self._answer()


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> FakeAws:
    fake = FakeAws()
    monkeypatch.setattr("boto3.client", fake.client)
    return fake


def run(capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    status = doctor.main(["--env", "dev"])
    return status, capsys.readouterr().out


def test_an_account_that_is_ready(aws: FakeAws, capsys: pytest.CaptureFixture[str]) -> None:
    status, said = run(capsys)
    assert status == 0
    assert "0 to fix, 0 without an answer" in said
    assert f"account: {NUMBER} in us-east-1" in said
    assert "Lambda concurrency: 10 at once" in said
    assert aws.regions == {"us-east-1"}
    assert aws.asked.count("converse") == 2, "the model and the judge, a token each"


def test_it_only_reads(aws: FakeAws, capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys)
    reads = ("get_", "list_", "describe_")
    assert {each for each in aws.asked if not each.startswith(reads)} == {"converse"}


WEIGHTS = f"minilm-{'0' * 64}.safetensors"


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        ({}, (0, f"ok      weights: {WEIGHTS}")),
        (client_error("404"), (0, "no BERTScore until make weights ENV=dev")),
        (client_error("403"), (2, "?       weights: 403")),
    ],
)
def test_weights_that_are_named_are_looked_for(
    aws: FakeAws,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    head: Any,
    expected: tuple[int, str],
) -> None:
    environment = load("dev").model_copy(update={"similarity": Similarity(weights=WEIGHTS)})
    monkeypatch.setattr(doctor, "load", lambda _: environment)
    aws.answers["head_object"] = head
    status, said = run(capsys)
    assert status == expected[0]
    assert expected[1] in re.sub(r"\n {8}", " ", said)


WRONG: dict[str, tuple[str, Any, str]] = {
    "not bootstrapped": (
        "get_parameter",
        client_error("ParameterNotFound"),
        "cdk bootstrap -c env=dev",
    ),
    "old bootstrap": ("get_parameter", {"Parameter": {"Value": "5"}}, "at least 6 is needed"),
    "no concurrency": (
        "get_account_settings",
        {"AccountLimit": {"ConcurrentExecutions": 10, "UnreservedConcurrentExecutions": 1}},
        "a run and its guards need 6",
    ),
    "quotas of a new account": (
        "list_service_quotas",
        quotas(0),
        "quota of customization jobs that run: 0, of which 0 in use",
    ),
    "legacy model": (
        "get_foundation_model",
        {"modelDetails": {**NOVA, "modelLifecycle": {"status": "LEGACY"}}},
        "choose another [defaults] model",
    ),
    "model that ends": (
        "get_foundation_model",
        {
            "modelDetails": {
                **NOVA,
                "modelLifecycle": {
                    "status": "ACTIVE",
                    "endOfLifeTime": datetime(2020, 1, 1, tzinfo=UTC),
                },
            }
        },
        "ends on 2020-01-01",
    ),
    "model that is not tuned here": (
        "get_foundation_model",
        {"modelDetails": {**NOVA, "customizationsSupported": []}},
        "does not support FINE_TUNING",
    ),
    "a model that does not answer": (
        "converse",
        client_error("AccessDeniedException"),
        "an answer of nova-micro: refused",
    ),
    "mail not confirmed": (
        "list_subscriptions_by_topic",
        {"Subscriptions": [{"Endpoint": "a@b.c", "SubscriptionArn": "PendingConfirmation"}]},
        "a@b.c is not confirmed",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_must_be_fixed_is_said_with_what_to_do(
    aws: FakeAws, capsys: pytest.CaptureFixture[str], what: str
) -> None:
    operation, answer, shown = WRONG[what]
    aws.answers[operation] = answer
    status, said = run(capsys)
    assert status == 1
    assert shown in said
    assert "\nFIX     " in said


@pytest.mark.parametrize("operation", sorted({*answers()} - {"converse"}))
def test_an_answer_that_is_denied_is_a_line(
    aws: FakeAws, capsys: pytest.CaptureFixture[str], operation: str
) -> None:
    aws.answers[operation] = client_error("AccessDeniedException")
    status, said = run(capsys)
    assert status == 2
    if operation != "get_caller_identity":  # without it nobody knows where this is
        assert "your credentials may not ask this" in said
        assert said.count("\n?") == aws.asked.count(operation)
        assert len(said.splitlines()) > 20


def test_a_kind_of_hosting_that_the_account_lacks_is_a_note_where_a_run_takes_another(
    aws: FakeAws, capsys: pytest.CaptureFixture[str]
) -> None:
    for quota in aws.answers["list_service_quotas"]["Quotas"]:
        quota["Value"] = 0 if quota["QuotaCode"] == "L-BE77399C" else 10
    status, said = run(capsys)
    assert status == 0
    assert "note    quota of model units of throughput for custom models: 0" in said
    assert "quota of deployments: not in the list that AWS gives" in said


def test_an_account_in_which_nothing_is_deployed(
    aws: FakeAws, capsys: pytest.CaptureFixture[str]
) -> None:
    aws.answers["list_subscriptions_by_topic"] = client_error("NotFound")
    aws.answers["list_executions"] = client_error("StateMachineDoesNotExist")
    status, said = run(capsys)
    assert status == 0
    assert said.count("not deployed yet") == 1
    assert "running executions: none" in said


def test_an_answer_that_never_comes_is_a_line(
    aws: FakeAws, capsys: pytest.CaptureFixture[str]
) -> None:
    aws.answers["list_executions"] = HTTPClientError(error="cut off")
    status, said = run(capsys)
    assert status == 2
    assert "running executions: ServiceUnavailable" in said


def test_another_account_than_the_pinned_one(aws: FakeAws) -> None:
    pinned = load("dev").model_copy(update={"account": "1" * 12})
    account = Account(pinned, NUMBER, datetime(2026, 11, 28, tzinfo=UTC))
    first = next(doctor.examine(account))
    assert (first.verdict.value, first.found) == ("FIX", f"{NUMBER} in us-east-1")
    assert "log in there" in first.means
    assert aws.asked == []


def test_no_credentials_is_one_line(aws: FakeAws, capsys: pytest.CaptureFixture[str]) -> None:
    aws.answers["get_caller_identity"] = client_error("ExpiredToken")
    assert doctor.main(["--env", "dev"]) == 2
    assert "Log in first" in (said := capsys.readouterr().err)
    assert said.count("\n") == 1
    assert doctor.main(["--env", "div"]) == 2
    assert "did you mean 'dev'" in capsys.readouterr().err
