"""The reaper: what it ends, what it leaves alone, and that nothing stops it half-way."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import timedelta

import pytest
from botocore.exceptions import ReadTimeoutError

from lambdas.aws.inventory import Inventory
from lambdas.domain.errors import LeftBehind
from lambdas.domain.hosting.answering import margin_minutes
from lambdas.domain.hosting.deployment import LONGEST_HOSTING_MINUTES as MOST_KEPT_MINUTES
from lambdas.domain.hosting.throughput import LONGEST_HOSTING_MINUTES, RELEASE_MARGIN_MINUTES
from lambdas.domain.housekeeping.executions_under_way import ExecutionsUnderWay
from lambdas.domain.housekeeping.reaper import reap
from lambdas.domain.housekeeping.survey import END_SECONDS, READ_SECONDS
from lambdas.domain.run.contracts import Reaped, ReapLeftoversRequest
from lambdas.domain.run.execution_input import ExecutionInput
from lambdas.domain.run.names import names_of
from lambdas.handlers.reap_leftovers import reap_leftovers
from tests.factories import EXECUTION, NAMES, NOW, PRICES
from tests.fakes import bedrock as fakes_bedrock
from tests.fakes import inventory as fakes_inventory
from tests.fakes import step_functions as fakes_states
from tests.fakes.bedrock import TOPIC_ARN, FakeSns
from tests.fakes.function import plenty
from tests.fakes.inventory import FakeInventory, each_name
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


ENDED = {"bedrock-tuning:execution": "arn:of:another"}
MACHINE = EXECUTION.arn.rpartition(":")[0]


class World:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name, value in {
            "ENVIRONMENT": "dev",
            "MACHINE_ARN": "machine",
            "TOPIC_ARN": TOPIC_ARN,
            "PRICE_OVERRIDES": json.dumps(PRICES),
        }.items():
            monkeypatch.setenv(name, value)
        self.account = fakes_inventory.install(monkeypatch, FakeInventory())
        self.sns = FakeSns()
        fakes_bedrock.install(monkeypatch, sns=self.sns)
        self.states = fakes_states.install(monkeypatch, FakeStepFunctions())
        self.states.statuses[EXECUTION.arn] = "RUNNING"

    def reap(self) -> Reaped:
        return reap_leftovers(ReapLeftoversRequest(now=NOW), plenty)

    @property
    def left(self) -> list[str]:
        return [each_name(each) for each in self.account.things.values()]

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
    """None: its machine was deleted."""
    world.states.statuses = {EXECUTION.arn: status} if status else {}
    world.account.add(THROUGHPUT, "dev-a", tags=AHEAD)
    world.account.add(JOB, "dev-b")
    assert world.reap().deleted == ["dev-a", "dev-b"]
    assert "$132.00 an hour" in world.mails[0]
    assert "no execution under way made it" in world.mails[0]


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


def test_a_listing_that_fails_does_not_keep_the_others(world: World) -> None:
    world.account.fail("list_provisioned_model_throughputs", "ThrottlingException")
    world.account.add(DEPLOYMENT, "dev-d", tags=PAST)
    with pytest.raises(LeftBehind, match="list of throughputs: could not list"):
        world.reap()
    assert "dev-d was deleted" in world.mails[0]
    assert "Could not be looked at" in world.mails[0]


def test_what_could_not_be_looked_at_is_mailed_though_nothing_else_is_to_tell(
    world: World,
) -> None:
    world.account.fail("list_custom_model_deployments", "AccessDeniedException")
    with pytest.raises(LeftBehind, match="list of deployments"):
        world.reap()
    [mail] = world.sns.called("Publish")
    assert "MAY STILL BILL: could not look at list of deployments" in mail["Subject"]
    assert "is tried again on the next pass: list of deployments" in mail["Message"]


HANGS = ReadTimeoutError(endpoint_url="bedrock")


@pytest.mark.parametrize(
    "error", [client_error("AccessDeniedException"), client_error("ThrottlingException"), HANGS]
)
def test_one_unreadable_tag_of_many_keeps_nothing_else_alive(
    world: World, error: Exception
) -> None:
    """The newest is listed first: on it, the pass used to end."""
    name = NAMES.hosting
    world.account.unreadable[world.account.add(THROUGHPUT, name, tags=AHEAD)] = error
    overdue = [f"dev-{n}" for n in range(20)]
    for each in overdue:
        world.account.add(THROUGHPUT, each, tags=PAST)
    with pytest.raises(LeftBehind, match=name):
        world.reap()
    assert sorted(world.left) == [name]
    assert world.mails[0].count("was deleted") == len(overdue)
    assert f"{name}: could not read the tags" in world.mails[0]


def test_what_is_neither_readable_nor_named_as_ours_is_left_in_peace(world: World) -> None:
    world.account.unreadable[world.account.add(THROUGHPUT, "theirs")] = HANGS
    assert world.reap().deleted == []
    assert world.left == ["theirs"]


@pytest.mark.parametrize("status", ["FAILED", "ABORTED", "TIMED_OUT", None])
def test_a_deployment_that_a_failed_run_left_goes_at_once(world: World, status: str | None) -> None:
    """None: its machine was deleted."""
    world.states.statuses = {EXECUTION.arn: status} if status else {}
    world.account.add(DEPLOYMENT, "dev-a", tags=AHEAD)
    assert world.reap().deleted == ["dev-a"]
    assert "no execution under way made it" in world.mails[0]


@pytest.mark.parametrize("status", ["SUCCEEDED", "RUNNING"])
def test_a_deployment_that_a_run_has_kept_stays_until_its_release_by(
    world: World, status: str
) -> None:
    """RUNNING: the list does not show it, and one of the two answers is out of date."""
    world.states.statuses = {EXECUTION.arn: status}
    world.states.unlisted = True
    world.account.add(DEPLOYMENT, "dev-kept", tags=AHEAD)
    world.account.add(DEPLOYMENT, "dev-over", tags=PAST)
    assert world.reap().deleted == ["dev-over"]
    assert "kept" not in "".join(world.mails)


def test_what_a_run_has_kept_goes_in_its_time_without_a_mail(world: World) -> None:
    """Else every run on demand would end in a mail of a leftover, and nobody would read them."""
    world.states.statuses = {EXECUTION.arn: "SUCCEEDED"}
    world.account.add(DEPLOYMENT, "dev-kept", tags=PAST)
    assert world.reap().deleted == ["dev-kept"]
    assert world.mails == []
    world.account.add(DEPLOYMENT, "dev-kept", tags=PAST)
    world.account.add(THROUGHPUT, "dev-left", tags=PAST)
    assert set(world.reap().deleted) == {"dev-kept", "dev-left"}
    [mail] = world.sns.called("Publish")
    assert mail["Subject"].endswith("deleted leftover dev-left")


@pytest.mark.parametrize("code", ["AccessDeniedException", "ThrottlingException"])
def test_a_deployment_about_whose_run_nobody_says_anything_stays_until_its_release_by(
    world: World, code: str
) -> None:
    world.states.statuses = {EXECUTION.arn: "FAILED"}
    world.states.fail("DescribeExecution", code, code)
    world.account.add(DEPLOYMENT, "dev-a", tags=AHEAD)
    world.account.add(DEPLOYMENT, "dev-b", tags=PAST)
    world.account.add(THROUGHPUT, "dev-c", tags=AHEAD)
    assert set(world.reap().deleted) == {"dev-b", "dev-c"}
    assert world.left == ["dev-a"]
    assert world.reap().deleted == []
    assert world.reap().deleted == ["dev-a"], "it could be asked again"


@pytest.mark.parametrize("lost", ["gone", "unreadable"])
def test_a_deployment_without_tags_goes_when_no_run_keeps_one_so_long(
    world: World, lost: str
) -> None:
    for minutes in (MOST_KEPT_MINUTES - 1, MOST_KEPT_MINUTES + 1):
        name = names_of("dev", f"{minutes}", "arn").hosting
        made = world.account.add(DEPLOYMENT, name, minutes_old=minutes)
        if lost == "gone":
            world.account.tags[made] = {}
        else:
            world.account.unreadable[made] = client_error("AccessDeniedException")
    with suppress(LeftBehind):
        world.reap()
    assert world.left == [names_of("dev", f"{MOST_KEPT_MINUTES - 1}", "arn").hosting]


@pytest.mark.parametrize("kind", [THROUGHPUT, JOB])
@pytest.mark.parametrize("lost", ["gone", "unreadable"])
def test_what_lost_its_tags_is_known_by_its_name(world: World, kind: str, lost: str) -> None:
    arn = f"{MACHINE}:ended"
    ours = world.account.add(kind, names_of("dev", "ended", arn).hosting)
    theirs = world.account.add(kind, names_of("dev-2", "ended", arn).hosting)
    by_hand = world.account.add(kind, "dev-by-hand-0123456789ab")
    for each in (ours, theirs, by_hand):
        if lost == "gone":
            world.account.tags[each] = {}
        else:
            world.account.unreadable[each] = client_error("AccessDeniedException")
    with suppress(LeftBehind):
        world.reap()
    assert set(world.account.things) == {theirs, by_hand}


@pytest.mark.parametrize("lost", ["gone", "unreadable"])
@pytest.mark.parametrize("execution", ["first-try", "live(1)", "läuft noch"])
def test_what_a_run_under_way_made_stays_though_its_tags_are_lost(
    world: World, lost: str, execution: str
) -> None:
    """Bedrock takes no tag with "(": what "live(1)" made never had its execution's ARN."""
    arn = f"{MACHINE}:{execution}"
    world.states.statuses[arn] = "RUNNING"
    names = names_of("dev", execution, arn)
    made = world.account.add(THROUGHPUT, names.hosting)
    if lost == "gone":
        world.account.tags[made] = {}
    else:
        world.account.unreadable[made] = HANGS
    tagged = world.account.add(JOB, "renamed", tags={"bedrock-tuning:run": names.run} | AHEAD)
    world.account.tags[tagged].pop("bedrock-tuning:execution")
    with suppress(LeftBehind):
        world.reap()
    assert len(world.left) == 2


def test_where_neither_tags_nor_executions_can_be_read_age_alone_ends_it(world: World) -> None:
    """Four faults at once, and no release-by: nobody else would ever end it."""
    for minutes in (LONGEST_HOSTING_MINUTES - 1, LONGEST_HOSTING_MINUTES + 1):
        name = names_of("dev", f"{minutes}", "arn").hosting
        made = world.account.add(THROUGHPUT, name, minutes_old=minutes)
        world.account.unreadable[made] = client_error("AccessDeniedException")
    world.states.fail("ListExecutions", "AccessDeniedException")
    with pytest.raises(LeftBehind):
        world.reap()
    assert world.left == [names_of("dev", f"{LONGEST_HOSTING_MINUTES - 1}", "arn").hosting]


def test_no_input_hosts_for_longer_than_the_longest() -> None:
    fields = ExecutionInput.model_json_schema()["properties"]
    provisioning, _null = fields["max_provisioning_minutes"]["anyOf"]
    most = provisioning["maximum"] + fields["hold_minutes"]["maximum"]
    margin = margin_minutes(10**9, RELEASE_MARGIN_MINUTES)
    assert most + margin == LONGEST_HOSTING_MINUTES
    kept = provisioning["maximum"] + fields["keep_hours"]["maximum"] * 60
    assert kept + margin == MOST_KEPT_MINUTES


def test_a_purchase_by_hand_without_an_execution_stays_until_its_time(world: World) -> None:
    made = world.account.add(THROUGHPUT, "dev-by-hand", tags=AHEAD)
    world.account.tags[made].pop("bedrock-tuning:execution")
    assert world.reap().deleted == []


def test_one_that_may_not_be_deleted_keeps_nothing_else_alive(world: World) -> None:
    world.account.fail("DeleteProvisionedModelThroughput", "AccessDeniedException")
    for n in range(10):
        world.account.add(THROUGHPUT, f"dev-{n}", tags=PAST)
    with pytest.raises(LeftBehind, match=r"AccessDenied.*by hand"):
        world.reap()
    assert len(world.left) == 1


def test_six_hundred_are_looked_at_and_what_is_overdue_goes_first(world: World) -> None:
    for n in range(590):
        theirs = {"bedrock-tuning:environment": "prod"}
        world.account.add(THROUGHPUT, f"prod-{n}", tags=theirs, minutes_old=900)
    for n in range(5):
        world.account.add(DEPLOYMENT, f"dev-d{n}", tags=PAST, minutes_old=800)
        world.account.add(THROUGHPUT, f"dev-t{n}", tags=AHEAD | ENDED, minutes_old=700)
        world.account.add(THROUGHPUT, f"dev-o{n}", tags=PAST, minutes_old=100)
    assert [name[4] for name in world.reap().deleted] == [*"ooooo", *"ttttt", *"ddddd"]


def test_a_pass_that_runs_out_of_time_names_what_is_left(world: World) -> None:
    """Bedrock is slow: what has our name is read and ended as long as there is time."""
    for n in range(30):
        world.account.add(THROUGHPUT, f"dev-{n:02}", tags=PAST, minutes_old=100 - n)
    left = iter([END_SECONDS + 1.0] * 10)
    result = reap(
        Inventory("dev", world.account),
        "dev",
        lambda: ExecutionsUnderWay.of("dev", {}),
        status=lambda _: "FAILED",
        now=NOW,
        seconds_left=lambda: READ_SECONDS + 1 if unread(world) else next(left, END_SECONDS),
    )
    assert [each.resource.name for each in result.deleted] == [f"dev-{n:02}" for n in range(10)]
    assert {each.error for each in result.undeleted} == {
        "the function ran out of time before it came to this"
    }
    assert len(result.undeleted) == 20


def unread(world: World) -> bool:
    return len(world.account.called("ListTagsForResource")) < 30


def test_where_the_execution_cannot_be_looked_at_the_time_decides(world: World) -> None:
    world.states.fail("ListExecutions", "AccessDeniedException")
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
