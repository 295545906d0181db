"""The reaper: what it ends, what it leaves alone, and that nothing stops it half-way."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from lambdas.domain.errors import LeftBehind
from lambdas.domain.run.contracts import Reaped, ReapLeftoversRequest
from lambdas.handlers.reap_leftovers import reap_leftovers
from tests.factories import EXECUTION, NOW, PRICES
from tests.fakes import bedrock as fakes_bedrock
from tests.fakes import inventory as fakes_inventory
from tests.fakes import step_functions as fakes_states
from tests.fakes.bedrock import FakeSns
from tests.fakes.inventory import FakeInventory
from tests.fakes.s3 import client_error
from tests.fakes.step_functions import FakeStepFunctions

THROUGHPUT, DEPLOYMENT, JOB = (
    "provisioned-model",
    "custom-model-deployment",
    "model-customization-job",
)
PAST = {"bedrock-tuning:release-by": (NOW - timedelta(minutes=1)).isoformat()}
AT_ONCE = {"bedrock-tuning:release-by": NOW.isoformat()}
AHEAD = {"bedrock-tuning:release-by": (NOW + timedelta(minutes=1)).isoformat()}


class World:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name, value in {
            "ENVIRONMENT": "dev",
            "TOPIC_ARN": "topic",
            "PRICE_OVERRIDES": json.dumps(PRICES),
        }.items():
            monkeypatch.setenv(name, value)
        self.account = fakes_inventory.install(monkeypatch, FakeInventory())
        self.sns = FakeSns()
        fakes_bedrock.install(monkeypatch, sns=self.sns)
        self.states = fakes_states.install(monkeypatch, FakeStepFunctions())
        self.states.statuses[EXECUTION.arn] = "RUNNING"

    def reap(self) -> Reaped:
        return reap_leftovers(ReapLeftoversRequest(now=NOW))

    @property
    def mails(self) -> list[str]:
        return [each["Message"] for each in self.sns.called("Publish")]


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    return World(monkeypatch)


@pytest.mark.parametrize("kind", [THROUGHPUT, DEPLOYMENT])
def test_hosting_past_its_release_by_goes_though_its_run_goes_on(world: World, kind: str) -> None:
    world.account.add(kind, "dev-a", tags=PAST)
    assert world.reap().deleted == ["dev-a"]
    assert world.account.things == {}
    [mail] = world.mails
    assert "release-by, 2026-11-23 09:29 UTC, has passed" in mail


def test_hosting_goes_at_its_release_by(world: World) -> None:
    world.account.add(THROUGHPUT, "dev-a", tags=AT_ONCE)
    assert world.reap().deleted == ["dev-a"]


def test_hosting_of_a_run_under_way_stays_until_its_time(world: World) -> None:
    world.account.add(THROUGHPUT, "dev-a", tags=AHEAD, minutes_old=90)
    world.account.add(JOB, "dev-a")
    reaped = world.reap()
    assert (reaped.deleted, reaped.throughputs_alive) == ([], 1)
    assert reaped.oldest_throughput_minutes == 90
    assert world.mails == []


@pytest.mark.parametrize("status", ["FAILED", "ABORTED", "TIMED_OUT", "SUCCEEDED", None])
def test_what_an_ended_execution_left_goes_at_once(world: World, status: str | None) -> None:
    """None: there is no such execution, for its machine was deleted."""
    world.states.statuses = {EXECUTION.arn: status} if status else {}
    world.account.add(THROUGHPUT, "dev-a", tags=AHEAD)
    world.account.add(JOB, "dev-b")
    assert world.reap().deleted == ["dev-a", "dev-b"]
    assert "$132.00 an hour" in world.mails[0]
    assert f"({status or 'gone'})" in world.mails[0]


def test_nothing_of_others_is_touched(world: World) -> None:
    other = {"bedrock-tuning:environment": "prod", **PAST}
    world.account.add(THROUGHPUT, "prod-a", tags=other)
    untagged = world.account.add(THROUGHPUT, "dev-by-hand", tags=PAST)
    world.account.tags[untagged] = {}
    assert world.reap().deleted == []
    assert len(world.account.things) == 2


def test_a_custom_model_is_never_reaped(world: World) -> None:
    world.states.statuses = {}
    world.account.add("custom-model", "dev-a", tags=PAST)
    assert world.reap().deleted == []


def test_what_cannot_be_deleted_is_reported_with_its_price_and_the_rest_still_goes(
    world: World,
) -> None:
    world.account.busy.add(world.account.add(THROUGHPUT, "dev-a", tags=PAST))
    world.account.add(THROUGHPUT, "dev-b", tags=PAST)
    with pytest.raises(LeftBehind, match=r"dev-a .*delete-provisioned-model-throughput"):
        world.reap()
    assert len(world.account.things) == 1
    [mail] = world.mails
    assert "dev-a could not be deleted and is still billed at $132.00 an hour" in mail
    assert "dev-b was deleted" in mail
    assert "STILL BILLING" in world.sns.called("Publish")[0]["Subject"]


def test_a_commitment_is_not_asked_to_go_and_says_until_when(world: World) -> None:
    until = NOW + timedelta(days=30)
    world.account.add(
        THROUGHPUT,
        "dev-a",
        tags=PAST,
        commitmentDuration="OneMonth",
        commitmentExpirationTime=until,
    )
    with pytest.raises(LeftBehind, match=r"commitment \(OneMonth\) that ends 2026-12-23"):
        world.reap()
    assert world.account.called("DeleteProvisionedModelThroughput") == []


@pytest.mark.parametrize("operation", ["list_provisioned_model_throughputs", "ListTagsForResource"])
def test_a_listing_that_fails_does_not_keep_the_others(world: World, operation: str) -> None:
    if operation == "list_provisioned_model_throughputs":
        world.account.fail(operation, "ThrottlingException")
    else:
        world.account.add(THROUGHPUT, "dev-first", tags=AHEAD)
        world.account.fail(operation, "InternalServerException")
    world.account.add(DEPLOYMENT, "dev-d", tags=PAST)
    with pytest.raises(LeftBehind):
        world.reap()
    assert "dev-d was deleted" in world.mails[0]


def test_where_the_execution_cannot_be_looked_at_the_time_decides(world: World) -> None:
    world.states.failures["DescribeExecution"] = [client_error("AccessDeniedException")] * 2
    world.account.add(THROUGHPUT, "dev-a", tags=PAST)
    world.account.add(THROUGHPUT, "dev-b", tags=AHEAD)
    with pytest.raises(LeftBehind, match="AccessDenied"):
        world.reap()
    assert [each["provisionedModelName"] for each in world.account.things.values()] == ["dev-b"]


def test_a_mail_that_fails_stops_nothing_and_is_not_hidden(world: World) -> None:
    world.account.add(THROUGHPUT, "dev-a", tags=PAST)
    world.sns.fail("Publish", "InternalError")
    with pytest.raises(LeftBehind, match="publish"):
        world.reap()
    assert world.account.things == {}


@pytest.mark.parametrize(("name", "value"), [("PRICE_OVERRIDES", "{"), ("TOPIC_ARN", None)])
def test_what_only_the_mail_needs_cannot_keep_it_from_releasing(
    world: World, monkeypatch: pytest.MonkeyPatch, name: str, value: str | None
) -> None:
    monkeypatch.setenv(name, value) if value else monkeypatch.delenv(name)
    world.account.add(THROUGHPUT, "dev-a", tags=PAST)
    with pytest.raises(LeftBehind, match=name):
        world.reap()
    assert world.account.things == {}


def test_figures_reach_the_dashboard_even_when_a_pass_fails(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.account.busy.add(world.account.add(THROUGHPUT, "dev-a", tags=PAST, minutes_old=200))
    with pytest.raises(LeftBehind):
        world.reap()
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "_aws" in line]
    figures = lines[0]
    assert (figures["ThroughputsAlive"], figures["LeftBehind"]) == ([1], [1])
    assert (figures["OldestThroughputMinutes"], figures["HostingOverdue"]) == ([200], [1])
