"""Runs that are hosted on demand, as deployed: kept, asked, reaped; released where they fail.

`local` tunes a model that is served by throughput only: here its model can be deployed, and its
machine takes what was quoted for a quote on demand. All else is as deployed.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import boto3
import pytest

from local.bedrock import Scenario
from local.call_faults import CallFault
from tests.workflow.deployed_machine import Machine

pytestmark = pytest.mark.usefixtures("enforced")

QUICK = Scenario(provisioning_minutes=3, deployment_minutes=3)
_QUOTED = "$quote.hosting = 'on-demand'"
CREATED = ["Create deployment", "Wait for deployment", "Check deployment"]


@pytest.fixture(autouse=True)
def _deployable(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "local.bedrock.hosting.deployments._model"
    monkeypatch.setattr(name, lambda place, arn: place.models[arn])


@contextmanager
def quoted_on_demand(machine: Machine) -> Iterator[Machine]:
    """Executions that begin meanwhile are hosted on demand."""
    states: Any = boto3.client("stepfunctions")
    stock = states.describe_state_machine(stateMachineArn=machine.arn)["definition"]
    assert _QUOTED in stock
    for definition in (stock.replace(_QUOTED, "true"), stock):
        states.update_state_machine(stateMachineArn=machine.arn, definition=definition)
        if definition != stock:
            yield machine


@pytest.fixture
def on_demand(machine: Machine) -> Iterator[Machine]:
    machine.offline.bedrock.scenario = QUICK
    with quoted_on_demand(machine):
        yield machine


def deployments(machine: Machine) -> list[Any]:
    found: list[Any] = machine.offline.bedrock.snapshot()["deployments"]
    return found


def wait_until_reaped(machine: Machine, hours: float, seconds: float = 120) -> None:
    machine.offline.clock.advance(hours * 3600)
    deadline = time.monotonic() + seconds
    while deployments(machine) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert deployments(machine) == []


def test_a_deployment_is_kept_asked_by_hand_and_reaped_after_its_release_by(
    on_demand: Machine,
) -> None:
    ended = on_demand.run({"keep_hours": 1})
    assert ended.status == "SUCCEEDED", ended.cause
    assert [state for state in ended.states if state in CREATED][:3] == CREATED
    assert "Keep deployment" in ended.states
    assert not {"Buy throughput", "Release hosting"} & {*ended.states}
    assert on_demand.offline.bedrock.snapshot()["purchases"] == 0
    on_demand.offline.clock.advance(2 * 3600)
    [kept] = deployments(on_demand)

    said = ended.output["afterwards"]
    assert kept["arn"] in said
    runtime: Any = boto3.client("bedrock-runtime")
    question = {"role": "user", "content": [{"text": "What is provisioned throughput?"}]}
    answer = runtime.converse(modelId=kept["arn"], messages=[question])
    assert answer["output"]["message"]["content"][0]["text"]

    wait_until_reaped(on_demand, hours=8)


@pytest.mark.parametrize(
    ("scenario", "faults", "failed_in"),
    [
        (Scenario(deployment_outcome="fail"), [], "Serve tuned model"),
        (Scenario(deployment_minutes=90), [], "Serve tuned model"),
        (QUICK, [CallFault("access_denied", "Converse", "judge-answers")], "Judge answers"),
        (QUICK, [CallFault("access_denied", "Publish", "notify")], "Notify"),
    ],
    ids=["fails", "is-never-ready-in-time", "not-judged", "not-mailed"],
)
def test_a_run_that_fails_keeps_no_deployment(
    on_demand: Machine, scenario: Scenario, faults: list[CallFault], failed_in: str
) -> None:
    on_demand.offline.bedrock.scenario = scenario
    on_demand.offline.faults.set(*faults)
    ended = on_demand.run()
    assert ended.status == "FAILED"
    assert f"{failed_in}: " in ended.cause
    assert "Release hosting after failure" in ended.states
    assert deployments(on_demand) == []


def test_runs_of_both_kinds_at_once_do_not_disturb_each_other(machine: Machine) -> None:
    # The second one's preflight looks for a unit, too, before it is quoted on demand.
    machine.offline.bedrock.scenario = replace(QUICK, no_commitment_units=2)
    by_the_hour = machine.start()
    machine.wait_for_state(by_the_hour, "Buy throughput", seconds=120)
    with quoted_on_demand(machine):
        on_demand = machine.start()
        outcomes = [machine.wait(by_the_hour), machine.wait(on_demand)]
    assert [each.status for each in outcomes] == ["SUCCEEDED", "SUCCEEDED"]
    assert [each.output["afterwards"] is None for each in outcomes] == [True, False]
    seen = machine.offline.bedrock.snapshot()
    assert (seen["purchases"], seen["throughputs"], len(seen["deployments"])) == (1, [], 1)
