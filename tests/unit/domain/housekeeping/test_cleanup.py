"""The clean-up machine's two functions: what is listed, what goes, in which order, what stays."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lambdas.domain.errors import AccessDenied, HostingBusy, InputInvalid
from lambdas.domain.run.contracts import CleanupPlan, DeleteResourcesRequest, ListResourcesRequest
from lambdas.handlers.delete_resources import delete_resources
from lambdas.handlers.list_resources import list_resources
from tests.factories import EXECUTION, NOW, PRICES
from tests.fakes import inventory as fakes_inventory
from tests.fakes import step_functions as fakes_states
from tests.fakes.inventory import FakeInventory
from tests.fakes.s3 import client_error
from tests.fakes.step_functions import FakeStepFunctions

KEEP = {"bedrock-tuning:keep": "yes"}
DAY = 1440
EVERYTHING = ["throughput", "deployment", "job", "custom-model"]


class World:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("ENVIRONMENT", "dev")
        monkeypatch.setenv("PRICE_OVERRIDES", json.dumps(PRICES))
        self.account = fakes_inventory.install(monkeypatch, FakeInventory())
        self.states = fakes_states.install(monkeypatch, FakeStepFunctions())
        self.account.add("custom-model", "dev-old", minutes_old=40 * DAY)
        self.account.add("custom-model", "dev-new", tags={"bedrock-tuning:run": "run-2"})
        self.account.add("provisioned-model", "dev-t")
        self.account.add("custom-model-deployment", "dev-d")

    def plan(self, **given: Any) -> CleanupPlan:
        return list_resources(ListResourcesRequest(input=given, now=NOW))

    def going(self, **given: Any) -> list[str]:
        return [item.name for item in self.plan(**given).items if item.delete]

    def delete(self, plan: CleanupPlan) -> list[str]:
        return delete_resources(DeleteResourcesRequest(plan=plan, now=NOW)).deleted

    @property
    def names(self) -> set[str]:
        return {fakes_inventory._name(each) for each in self.account.things.values()}  # noqa: SLF001


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    return World(monkeypatch)


def test_the_plan_has_age_run_and_what_each_costs_a_month(world: World) -> None:
    plan = world.plan()
    assert plan.mode == "plan"
    costs = {item.name: item.usd_per_month for item in plan.items}
    assert costs == {
        "dev-t": 132 * 730,
        "dev-d": 0,
        "dev-old": 1.95,
        "dev-new": 1.95,
    }
    ages = {item.name: item.age_days for item in plan.items}
    assert ages["dev-old"] == 40
    assert "All of it costs $96,363.90 a month." in plan.summary
    assert len(world.account.things) == 4


def test_what_serves_a_model_goes_before_it(world: World) -> None:
    assert world.going(mode="delete", kinds=EVERYTHING) == ["dev-t", "dev-d", "dev-old", "dev-new"]


@pytest.mark.parametrize(
    ("given", "going"),
    [
        ({"kinds": ["custom-model"]}, ["dev-old", "dev-new"]),
        ({"runs": ["run-2"]}, ["dev-new"]),
        ({"older_than_days": 30}, ["dev-old"]),
        ({"kinds": ["throughput"], "older_than_days": 30}, []),
    ],
)
def test_filters_name_what_goes(world: World, given: dict[str, Any], going: list[str]) -> None:
    assert world.going(mode="delete", **given) == going


def test_what_is_tagged_to_keep_stays_and_says_so(world: World) -> None:
    world.account.add("custom-model", "dev-kept", tags=KEEP)
    plan = world.plan(mode="delete", kinds=EVERYTHING)
    [kept] = [item for item in plan.items if item.name == "dev-kept"]
    assert (kept.delete, kept.reason) == (False, "tagged bedrock-tuning:keep")


def test_a_tag_put_on_after_the_plan_still_keeps(world: World) -> None:
    plan = world.plan(mode="delete", kinds=["custom-model"])
    [old] = [item.arn for item in plan.items if item.name == "dev-old"]
    world.account.tags[old] |= KEEP
    world.delete(plan)
    assert "dev-old" in world.names


def test_what_a_run_uses_now_stays(world: World) -> None:
    world.states.statuses[EXECUTION.arn] = "RUNNING"
    plan = world.plan(mode="delete", kinds=EVERYTHING)
    assert plan.deletions == 0
    assert all("run is under way" in item.reason for item in plan.items)


def test_deletion_without_saying_what_is_refused(world: World) -> None:
    with pytest.raises(InputInvalid, match="choose what by kinds, runs or older_than_days"):
        world.plan(mode="delete")
    with pytest.raises(InputInvalid, match="Did you mean 'kinds'"):
        world.plan(kind=["throughput"])


def test_deletion_is_what_the_plan_named_and_can_be_repeated(world: World) -> None:
    plan = world.plan(mode="delete", kinds=EVERYTHING)
    assert world.delete(plan) == ["dev-t", "dev-d", "dev-old", "dev-new"]
    assert world.names == set()
    assert world.delete(plan) == ["dev-t", "dev-d", "dev-old", "dev-new"]


def test_what_is_busy_is_asked_again_and_holds_nothing_else_up(world: World) -> None:
    plan = world.plan(mode="delete", kinds=EVERYTHING)
    [throughput] = [item.arn for item in plan.items if item.kind == "throughput"]
    world.account.busy.add(throughput)
    with pytest.raises(HostingBusy, match="dev-t"):
        world.delete(plan)
    assert world.names == {"dev-t"}


def test_an_error_that_does_not_pass_is_the_one_that_is_told(world: World) -> None:
    plan = world.plan(mode="delete", kinds=EVERYTHING)
    [throughput] = [item.arn for item in plan.items if item.kind == "throughput"]
    world.account.busy.add(throughput)
    world.account.failures["DeleteCustomModel"] = [client_error("AccessDeniedException")]
    with pytest.raises(AccessDenied):
        world.delete(plan)
