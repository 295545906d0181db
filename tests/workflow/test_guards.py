"""Reaper and guard as deployed: one bad item, one odd event, and what they do all the same."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest

from lambdas.domain.cost.quote import HOSTING
from lambdas.domain.run.names import names_of
from lambdas.domain.run.tags import ENVIRONMENT, RELEASE_BY
from local.bedrock import Fault, Scenario
from local.call_faults import CallFault
from local.rehearsal.rehearse import REGION
from tests.workflow.deployed_machine import Machine, Outcome

pytestmark = pytest.mark.usefixtures("enforced")

QUICK = Scenario(provisioning_minutes=3)
TAGS, DELETE = "ListTagsForResource", "DeleteProvisionedModelThroughput"


def add(machine: Machine, name: str, environment: str | None = "local", **tags: str) -> str:
    """Put a throughput into the account, that should have gone an hour ago."""
    bedrock, account = machine.offline.bedrock, machine.arn.split(":")[4]
    hour_ago = datetime.fromtimestamp(machine.offline.clock.time(), UTC) - timedelta(hours=1)
    own = {ENVIRONMENT: environment, RELEASE_BY: hour_ago.isoformat()} if environment else {}
    return bedrock.add_throughput(name, account=account, region=REGION, tags=own | tags)


def own_name(machine: Machine, environment: str = "local") -> str:
    arn = machine.arn.replace(":stateMachine:", ":execution:") + ":ended"
    return names_of(environment, "ended", arn).hosting


def alive(machine: Machine) -> set[str]:
    return {each["name"] for each in machine.offline.bedrock.snapshot()["throughputs"]}


def let_the_reaper_come(machine: Machine, left: set[str], seconds: float = 40) -> None:
    """Give it one pass: nothing but `left` may be there afterwards."""
    machine.offline.clock.advance(15 * 60)
    deadline = time.monotonic() + seconds
    while alive(machine) != left and time.monotonic() < deadline:
        time.sleep(0.05)
    assert alive(machine) == left


@pytest.mark.parametrize("kind", ["access_denied", "throttle"])
def test_one_unreadable_tag_of_thirty_keeps_nothing_alive(machine: Machine, kind: Any) -> None:
    for n in range(30):
        add(machine, f"local-{n}")
    theirs = add(machine, "theirs", "prod")
    newest = add(machine, own_name(machine))
    # Ours is known by its name; that of somebody else is left to them.
    machine.offline.bedrock.scenario = Scenario(
        faults=tuple(Fault(TAGS, kind, model=arn) for arn in (newest, theirs))
    )
    let_the_reaper_come(machine, left={"theirs"})


def test_a_call_that_hangs_keeps_nothing_alive(machine: Machine) -> None:
    for n in range(10):
        add(machine, f"local-{n}")
    hangs = Fault(TAGS, "slow", seconds=12, times=1, model=add(machine, "local-hangs"))
    machine.offline.bedrock.scenario = Scenario(faults=(hangs,))
    let_the_reaper_come(machine, left=set())


def test_one_that_may_not_be_deleted_keeps_no_other_alive(machine: Machine) -> None:
    for n in range(10):
        add(machine, f"local-{n}")
    denied = Fault(DELETE, "access_denied", model=add(machine, "local-denied"))
    machine.offline.bedrock.scenario = Scenario(faults=(denied,))
    let_the_reaper_come(machine, left={"local-denied"})
    machine.offline.bedrock.scenario = Scenario()
    let_the_reaper_come(machine, left=set())


def test_six_hundred_of_others_hide_nothing(machine: Machine) -> None:
    add(machine, "local-oldest")
    theirs = {f"prod-{n}" for n in range(600)}
    for name in theirs:
        add(machine, name, "prod")
    add(machine, "local-newest")
    let_the_reaper_come(machine, left=theirs)


def test_what_lost_its_tags_goes_by_its_name_and_that_of_its_neighbour_stays(
    machine: Machine,
) -> None:
    add(machine, own_name(machine), None)
    theirs = own_name(machine, "local-2")
    add(machine, theirs, None)
    let_the_reaper_come(machine, left={theirs})


def guard(machine: Machine, run: str) -> Outcome:
    """Deliver the event of a run's abnormal end."""
    execution = {"name": run.rpartition(":")[2], "arn": run, "started_at": "2026-11-23T09:30:00Z"}
    states: Any = boto3.client("stepfunctions")
    started = states.start_execution(
        stateMachineArn=f"{machine.arn}-guard",
        input=json.dumps({"execution": execution, "status": "ABORTED"}),
    )
    return machine.wait(started["executionArn"])


def test_an_event_of_a_run_that_is_under_way_ends_nothing(machine: Machine) -> None:
    machine.offline.bedrock.scenario = QUICK
    run = machine.start({"hold_minutes": 30})
    machine.wait_for_state(run, "Wait for training")
    told = guard(machine, run)
    assert told.status == "SUCCEEDED", told.cause
    ended = machine.wait(run)
    assert ended.status == "SUCCEEDED", ended.cause


def test_an_event_that_comes_twice_and_late_ends_what_is_left_once(machine: Machine) -> None:
    machine.offline.bedrock.scenario = QUICK
    run = machine.start()
    machine.wait_for_state(run, "Wait for throughput")
    boto3.client("stepfunctions").stop_execution(executionArn=run, cause="enough")
    for _ in range(2):
        assert guard(machine, run).status == "SUCCEEDED"
    assert machine.offline.bedrock.alive() == []


def test_what_the_guard_cannot_end_is_billed_at_its_most(machine: Machine) -> None:
    machine.offline.bedrock.scenario = QUICK
    machine.offline.faults.set(CallFault("access_denied", DELETE, "stop-run"))
    run = machine.start()
    machine.wait_for_state(run, "Wait for throughput")
    boto3.client("stepfunctions").stop_execution(executionArn=run, cause="enough")
    told = guard(machine, run)
    machine.offline.faults.set()
    assert told.states[1:] == ["Meter stopped run after failure", "Something is left behind"]
    assert told.error == "AccessDenied"
    assert "A CUSTOMIZATION JOB OR A THROUGHPUT MAY STILL BILL" in told.cause
    name = names_of("local", run.rpartition(":")[2], run).run
    bill = json.loads(read(machine, f"runs/{name}/cost.json"))
    quote = json.loads(read(machine, f"runs/{name}/quote.json"))
    [hosting] = (each for each in bill["items"] if each["what"] == HOSTING)
    [quoted] = (each for each in quote["items"] if each["what"] == HOSTING)
    assert (hosting["usd"], hosting["at_most"]) == (quoted["high_usd"], True)
    let_the_reaper_come(machine, left=set())


def read(machine: Machine, key: str) -> bytes:
    body: bytes = boto3.client("s3").get_object(Bucket=machine.bucket, Key=key)["Body"].read()
    return body
