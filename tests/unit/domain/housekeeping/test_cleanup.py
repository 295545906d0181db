"""The clean-up machine's two functions: what is listed, what goes, in which order, what stays."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from lambdas.domain.errors import HostingBusy, InputInvalid, LeftBehind, Throttled
from lambdas.domain.run.contracts import CleanupPlan, DeleteResourcesRequest, ListResourcesRequest
from lambdas.domain.run.names import names_of
from lambdas.handlers.delete_resources import delete_resources
from lambdas.handlers.list_resources import list_resources
from tests.factories import EXECUTION, NOW, PRICES
from tests.fakes import inventory as fakes_inventory
from tests.fakes import step_functions as fakes_states
from tests.fakes.function import plenty
from tests.fakes.inventory import FakeInventory
from tests.fakes.s3 import client_error
from tests.fakes.step_functions import FakeStepFunctions

KEEP = {"bedrock-tuning:keep": "yes"}
DAY = 1440
EVERYTHING = ["throughput", "deployment", "job", "custom-model"]


class World:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("ENVIRONMENT", "dev")
        monkeypatch.setenv("MACHINE_ARN", "machine")
        monkeypatch.setenv("PRICE_OVERRIDES", json.dumps(PRICES))
        self.account = fakes_inventory.install(monkeypatch, FakeInventory())
        self.states = fakes_states.install(monkeypatch, FakeStepFunctions())
        self.account.add("custom-model", "dev-old", minutes_old=40 * DAY)
        self.account.add("custom-model", "dev-new", tags={"bedrock-tuning:run": "run-2"})
        self.account.add("provisioned-model", "dev-t")
        self.account.add("custom-model-deployment", "dev-d")

    def under_way(self, arn: str, status: str = "RUNNING", **given: Any) -> None:
        self.states.statuses[arn] = status
        self.states.started[arn] = (given, NOW)

    def plan(self, **given: Any) -> CleanupPlan:
        return list_resources(ListResourcesRequest(input=given, now=NOW), plenty)

    def going(self, **given: Any) -> list[str]:
        return [item.name for item in self.plan(**given).items if item.delete]

    def delete(self, plan: CleanupPlan) -> list[str]:
        return delete_resources(DeleteResourcesRequest(plan=plan, now=NOW), plenty).deleted

    @property
    def names(self) -> set[str]:
        return {fakes_inventory.each_name(each) for each in self.account.things.values()}


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
    world.under_way(EXECUTION.arn)
    plan = world.plan(mode="delete", kinds=EVERYTHING)
    assert plan.deletions == 0
    assert all("a run under way uses it" in item.reason for item in plan.items)


def test_the_model_that_another_run_uses_now_stays(world: World) -> None:
    world.under_way("arn:of:another", tuned_by_run="old")
    plan = world.plan(mode="delete", kinds=EVERYTHING)
    assert [item.name for item in plan.items if not item.delete] == ["dev-old"]
    world.under_way("arn:of:another", status="SUCCEEDED", tuned_by_run="old")
    assert "dev-old" in world.going(mode="delete", kinds=EVERYTHING)


def test_where_an_execution_cannot_be_described_models_stay(world: World) -> None:
    world.under_way("arn:of:another", tuned_by_run="old")
    world.states.fail("DescribeExecution", "AccessDeniedException")
    plan = world.plan(mode="delete", kinds=EVERYTHING)
    assert plan.deletions == 0
    assert "executions under way" in plan.problems


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


def test_one_that_is_denied_does_not_end_the_attempts_on_one_that_is_busy(world: World) -> None:
    plan = world.plan(mode="delete", kinds=EVERYTHING)
    [throughput] = [item.arn for item in plan.items if item.kind == "throughput"]
    world.account.busy.add(throughput)
    world.account.failures["DeleteCustomModel"] = [client_error("AccessDeniedException")] * 3
    with pytest.raises(HostingBusy, match="AccessDenied"):
        world.delete(plan)
    world.account.busy.clear()
    with pytest.raises(LeftBehind, match=r"dev-old: .*AccessDenied"):
        world.delete(plan)
    assert world.names == {"dev-old"}


def test_what_cannot_be_read_is_listed_by_its_name_and_a_model_of_it_stays(world: World) -> None:
    """A person may have tagged it to be kept."""
    ours = names_of("dev", "x", EXECUTION.arn).hosting
    for kind in ("provisioned-model", "custom-model"):
        made = world.account.add(kind, ours)
        world.account.unreadable[made] = client_error("AccessDeniedException")
    plan = world.plan(mode="delete", kinds=EVERYTHING)
    going = {item.kind: item.delete for item in plan.items if item.name == ours}
    assert going == {"throughput": True, "custom-model": False}
    assert f"{ours}: could not read the tags" in plan.problems
    assert plan.problems in plan.summary
    with pytest.raises(LeftBehind, match=ours):
        world.delete(plan)
    assert world.names == {ours}
    assert [*world.account.called("DeleteCustomModel")] != []


def test_what_has_lost_its_tags_is_listed_and_deleted(world: World) -> None:
    ours = world.account.add("custom-model", names_of("dev", "x", EXECUTION.arn).custom_model)
    theirs = world.account.add("custom-model", names_of("dev-2", "x", EXECUTION.arn).custom_model)
    world.account.tags[ours] = world.account.tags[theirs] = {}
    world.delete(world.plan(mode="delete", kinds=EVERYTHING))
    assert [*world.account.things] == [theirs]


def test_a_kind_that_cannot_be_listed_is_told_and_does_not_count_as_deleted(world: World) -> None:
    plan = world.plan(mode="delete", kinds=EVERYTHING)
    world.account.fail("list_custom_models", "ThrottlingException")
    with pytest.raises(Throttled, match="list of custom-models"):
        world.delete(plan)
    assert world.names == {"dev-old", "dev-new"}
    world.account.fail("list_custom_models", "ThrottlingException")
    assert "list of custom-models" in world.plan().summary


def test_keep_excuses_a_model_and_no_capacity(world: World) -> None:
    world.account.add("provisioned-model", "dev-dear", tags=KEEP)
    assert "dev-dear" in world.going(mode="delete", kinds=["throughput"])


def test_a_plan_of_six_hundred_fits_into_a_state_and_repeats_until_all_is_gone(
    world: World,
) -> None:
    for n in range(600):
        name = names_of("dev", f"{'a-long-name-of-a-run' * 2}{n}", str(n)).custom_model
        world.account.add("custom-model", name)
    plan = world.plan(mode="delete", kinds=["custom-model"])
    assert (plan.deletions, len(plan.items)) == (200, 200)
    assert len(plan.model_dump_json()) < 256_000 / 2
    assert "and 404 more: start the clean-up again" in plan.summary
    world.delete(plan)
    assert len(world.names) == 404


def test_where_executions_cannot_be_listed_what_is_overdue_still_goes(world: World) -> None:
    overdue = {"bedrock-tuning:release-by": (NOW - timedelta(minutes=1)).isoformat()}
    world.account.add("provisioned-model", "dev-late", tags=overdue)
    world.states.fail("ListExecutions", "AccessDeniedException")
    plan = world.plan(mode="delete", kinds=["throughput"])
    assert [item.name for item in plan.items if item.delete] == ["dev-late"]
    assert "executions under way" in plan.problems
    kept = {item.name: item.reason for item in plan.items}
    assert kept["dev-t"] == "Step Functions did not say whether its run is under way"


def test_a_run_is_found_by_its_name_where_its_tags_are_gone(world: World) -> None:
    names = names_of("dev", "first", "arn")
    world.account.tags[world.account.add("provisioned-model", names.hosting)] = {}
    assert world.going(mode="delete", runs=[names.run]) == [names.hosting]


def test_what_got_a_keep_tag_since_the_plan_is_not_called_deleted(world: World) -> None:
    plan = world.plan(mode="delete", kinds=["custom-model"])
    [kept] = [item.arn for item in plan.items if item.name == "dev-new"]
    world.account.tags[kept] |= KEEP
    assert world.delete(plan) == ["dev-old"]
    assert "dev-new" in world.names


@pytest.mark.parametrize("code", ["ConflictException", "ValidationException"])
def test_a_model_whose_deployment_is_not_gone_yet_is_tried_again(world: World, code: str) -> None:
    """Its deployment was deleted a moment ago, and AWS names no error for that."""
    plan = world.plan(mode="delete", kinds=["deployment", "custom-model"])
    world.account.fail("DeleteCustomModel", code, code)
    with pytest.raises(HostingBusy):
        world.delete(plan)
    assert world.delete(plan) == ["dev-d", "dev-old", "dev-new"]
    assert world.names == {"dev-t"}
