from __future__ import annotations

import json
from types import ModuleType
from typing import Any

import pytest

from lambdas.domain.errors import QuotaExceeded, RunRedriven, Throttled
from lambdas.domain.run.contracts import Contract
from lambdas.handlers import (
    buy_throughput,
    check_throughput,
    check_training,
    notify,
    release_hosting,
    start_training,
    stop_run,
    stop_training,
)
from tests.factories import (
    EXECUTION,
    FROZEN_OBJECTS,
    NAMES,
    NOW,
    QUOTED,
    dataset,
    hosting,
    run,
    training,
)
from tests.fakes import s3 as fakes_s3
from tests.fakes import step_functions as fakes_states
from tests.fakes.bedrock import TOPIC_ARN, FakeBedrock, FakeSns, install
from tests.fakes.s3 import FakeS3
from tests.fakes.step_functions import FakeStepFunctions


def as_json(**contracts: Contract) -> dict[str, Any]:
    return {name: each.model_dump(mode="json") for name, each in contracts.items()}


STATE = as_json(run=run()) | {"now": "2026-11-23T09:30:00.000Z"}
STOP = as_json(execution=EXECUTION) | {"now": STATE["now"], "status": "TIMED_OUT"}
EVENTS: list[tuple[ModuleType, dict[str, Any], str]] = [
    (start_training, STATE | as_json(dataset=dataset(), quote=QUOTED), "status"),
    (check_training, STATE | as_json(training=training()), "phase"),
    (stop_training, STATE, "stopped"),
    (buy_throughput, STATE | as_json(dataset=dataset(), training=training()), "release_by"),
    (check_throughput, STATE | as_json(hosting=hosting()), "done"),
    (release_hosting, STATE, "billed_minutes"),
    (stop_run, STOP, "release"),
    (notify, as_json(execution=EXECUTION) | {"now": STATE["now"]}, "subject"),
]


@pytest.fixture
def bedrock(monkeypatch: pytest.MonkeyPatch) -> FakeBedrock:
    monkeypatch.setenv("SERVICE_ROLE_ARN", "arn of the role")
    monkeypatch.setenv("TOPIC_ARN", TOPIC_ARN)
    monkeypatch.setenv("ENVIRONMENT", "dev")
    monkeypatch.setenv("PRICE_OVERRIDES", "{}")
    fake = FakeBedrock(NOW)
    fake.jobs[NAMES.job] = fake.job(NAMES.job)
    fake.throughputs[NAMES.hosting] = fake.throughput(NAMES.hosting)
    install(monkeypatch, bedrock=fake, sns=FakeSns())
    fakes_s3.install(monkeypatch, FakeS3(frozen=FROZEN_OBJECTS))
    fakes_states.install(monkeypatch, FakeStepFunctions())
    return fake


@pytest.mark.parametrize(
    ("module", "event", "field"), EVENTS, ids=[module.__name__ for module, _, _ in EVENTS]
)
def test_a_handler_takes_and_returns_json(
    bedrock: FakeBedrock, module: ModuleType, event: dict[str, Any], field: str
) -> None:
    result = module.handler(event, None)
    assert field in json.loads(json.dumps(result))
    assert bedrock.jobs


@pytest.mark.parametrize(
    ("module", "event", "field"), EVENTS, ids=[module.__name__ for module, _, _ in EVENTS]
)
def test_a_handler_ignores_what_a_later_version_adds(
    bedrock: FakeBedrock, module: ModuleType, event: dict[str, Any], field: str
) -> None:
    """Else a deployment between two states would fail the run, or hide how it ended."""
    assert bedrock.jobs
    assert field in module.handler(with_news(event | as_json(run=run())), None)


@pytest.mark.parametrize("module", [start_training, check_training, buy_throughput])
def test_a_redriven_run_buys_nothing(bedrock: FakeBedrock, module: ModuleType) -> None:
    bedrock.jobs.clear()
    bedrock.throughputs.clear()
    [event] = (event for each, event, _ in EVENTS if each is module)
    with pytest.raises(RunRedriven, match="Start a new execution with the same input"):
        module.handler(event | {"redriven": True}, None)
    assert bedrock.calls == []


@pytest.mark.parametrize("module", [stop_training, release_hosting, stop_run, notify])
def test_a_redriven_run_still_gives_back_and_tells(
    bedrock: FakeBedrock, module: ModuleType
) -> None:
    assert bedrock.throughputs
    [(event, field)] = ((event, field) for each, event, field in EVENTS if each is module)
    assert field in module.handler(event | {"redriven": True}, None)


def with_news(value: Any) -> Any:
    """Return the value with an unknown field in each of its objects."""
    if not isinstance(value, dict):
        return value
    fields = {
        key: each
        if key in {"hyperparameters", "hyperparameter_reasons", "tags"}
        else with_news(each)
        for key, each in value.items()
    }
    return fields | {"added_later": {"a": 1}}


@pytest.mark.parametrize(
    ("code", "error"),
    [("ThrottlingException", Throttled), ("ServiceQuotaExceededException", QuotaExceeded)],
)
def test_an_error_keeps_its_name_through_the_handler(
    bedrock: FakeBedrock, code: str, error: type[Exception]
) -> None:
    bedrock.throughputs.clear()
    bedrock.fail("CreateProvisionedModelThroughput", code)
    with pytest.raises(error):
        buy_throughput.handler(STATE | as_json(dataset=dataset(), training=training()), None)
