"""What the reaper ends: hosting past its release-by, and what an ended execution left behind.

A deployment that a run has kept after its success is not left behind: it stays until its
release-by.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from lambdas.domain.cost.calculator import Calculator
from lambdas.domain.hosting import deployment, throughput
from lambdas.domain.housekeeping.executions_under_way import ExecutionsUnderWay
from lambdas.domain.housekeeping.running_costs import bills, hourly_price
from lambdas.domain.housekeeping.survey import (
    END_SECONDS,
    KINDS,
    READ_SECONDS,
    Account,
    Problem,
    look,
    told,
)
from lambdas.domain.housekeeping.tagged_resources import Kind, TaggedResource
from lambdas.domain.parallel import each_alone
from lambdas.domain.run.execution_status import has_failed
from lambdas.domain.run.tags import ENVIRONMENT
from lambdas.domain.run.times import duration, utc

_MOST_MAILED = 100  # a message of SNS has 256 KB at most
_REAPED: tuple[Kind, ...] = ("throughput", "deployment", "job")
_LONGEST_MINUTES: Mapping[Kind, float] = {
    "throughput": throughput.LONGEST_HOSTING_MINUTES,
    "deployment": deployment.LONGEST_HOSTING_MINUTES,
}


@dataclass(frozen=True)
class Expired:
    """A resource to delete (a job: to stop), and why."""

    resource: TaggedResource
    reason: str
    is_planned: bool = False  # a run that has ended kept it until now, and said so in its mail


@dataclass(frozen=True)
class Undeleted:
    """An expired resource that is still there, and AWS's error."""

    expired: Expired
    error: str


@dataclass
class Pass:
    """What one pass found and did: `alive` is as it was before."""

    now: datetime
    alive: list[TaggedResource]
    problems: list[Problem]
    deleted: list[Expired] = field(default_factory=list)
    undeleted: list[Undeleted] = field(default_factory=list)

    @property
    def throughput_minutes(self) -> list[float]:
        """Ages of the throughputs that were alive."""
        return [each.age_minutes(self.now) for each in self.alive if each.kind == "throughput"]

    @property
    def leftovers(self) -> list[Expired]:
        """What was deleted and nobody had planned: that is worth a mail."""
        return [each for each in self.deleted if not each.is_planned]

    @property
    def deployments(self) -> int:
        """How many deployments were alive."""
        return sum(each.kind == "deployment" for each in self.alive)


def reap(  # noqa: PLR0913  # keyword-only from `status` on
    account: Account,
    environment: str,
    under_way: Callable[[], ExecutionsUnderWay],
    *,
    status: Callable[[str], str],
    now: datetime,
    seconds_left: Callable[[], float],
) -> Pass:
    """Make one pass: everything is tried, whatever became of the rest.

    Parameters
    ----------
    under_way
        Lists the executions; if it fails, only the time decides.
    status
        Asks for the status of one that has ended, by its ARN.
    """
    survey = look(account, environment, kinds=_REAPED, seconds_left=seconds_left)
    this = Pass(now, survey.own, survey.problems)
    # Listed after the resources: whoever made one of them had begun by then.
    try:
        running = under_way()
    except Exception as error:  # noqa: BLE001  # release-bys may say enough
        this.problems.append(Problem("executions under way", error))
        running = None
    kept = _kept(this, running, status, may_begin=lambda: seconds_left() > READ_SECONDS)
    found = (expired(each, None if each.arn in kept else running, now) for each in this.alive)
    due = sorted(filter(None, found), key=lambda each: _urgency(each.resource, now))
    answers = each_alone(
        lambda each: account.end(each.resource),
        due,
        may_begin=lambda: seconds_left() > END_SECONDS,
    )
    for each, answer in zip(due, answers, strict=True):
        if isinstance(answer, Exception):
            this.undeleted.append(Undeleted(each, str(answer)))
        else:
            this.deleted.append(each)
    return this


def _kept(
    this: Pass,
    running: ExecutionsUnderWay | None,
    status: Callable[[str], str],
    may_begin: Callable[[], bool],
) -> set[str]:
    """Return the ARNs of deployments that an ended run has kept, or may have kept.

    Where nobody says how it ended, that is the cheap side: nothing is billed while nobody asks.
    """
    left = [
        each
        for each in this.alive
        if each.kind == "deployment"
        and running is not None
        and running.left(each)
        and not each.is_overdue(this.now)
    ]

    def failed(deployment: TaggedResource) -> bool:
        return deployment.execution_arn is not None and has_failed(status(deployment.execution_arn))

    answers = each_alone(failed, left, may_begin=may_begin)
    return {each.arn for each, answer in zip(left, answers, strict=True) if answer is not True}


def _urgency(resource: TaggedResource, now: datetime) -> tuple[int, bool, datetime]:
    """Order what goes: what bills by the hour, of that what is overdue, of that the oldest."""
    return KINDS.index(resource.kind), not resource.is_overdue(now), resource.created_at


def expired(
    resource: TaggedResource, running: ExecutionsUnderWay | None, now: datetime
) -> Expired | None:
    """Decide on one resource; where `running` is not known, only the time counts.

    Of what has no `release-by` either, or an unreadable one, that is its age.
    """
    kind = resource.kind
    if kind == "custom-model" or (kind == "job" and resource.status != "InProgress"):
        return None
    if resource.release_by is not None and resource.is_overdue(now):
        has_ended = running is not None and running.left(resource)
        reason = f"its release-by, {utc(resource.release_by)}, has passed"
        return Expired(resource, reason, is_planned=kind == "deployment" and has_ended)
    if running is not None and running.left(resource):
        return Expired(resource, f"{_whose(resource)}no execution under way made it")
    too_old = resource.age_minutes(now) > _LONGEST_MINUTES.get(kind, math.inf)
    if running is None and resource.release_by is None and too_old:
        return Expired(resource, f"{_whose(resource)}no run hosts for so long")
    return None


def _whose(resource: TaggedResource) -> str:
    if resource.unreadable:
        return "its tags could not be read, its name is of this environment, and "
    if ENVIRONMENT not in resource.tags:
        return "its tags are gone, its name is of this environment, and "
    return ""


def subject(environment: str, this: Pass) -> str:
    if this.undeleted:
        resource = this.undeleted[0].expired.resource
        state = "BILLING" if bills(resource) else "THERE"
        text = f"STILL {state}: {resource.name} could not be deleted"
    elif this.leftovers:
        text = f"deleted leftover {this.leftovers[0].resource.name}"
    else:
        text = f"MAY STILL BILL: could not look at {this.problems[0].what}"
    return f"{environment}: {text}"


def body(this: Pass, calculator: Calculator) -> str:
    """Return the reaper's mail: what still bills first, then what was deleted, then the rest."""
    parts = [
        *(_undeleted(each, this.now, calculator) for each in this.undeleted[:_MOST_MAILED]),
        *(_deleted(each, this.now, calculator) for each in this.deleted[:_MOST_MAILED]),
    ]
    if this.problems:
        parts.append(
            "Could not be looked at, and is tried again on the next pass: "
            f"{told(this.problems)}.\nWhat there is: make cleanup"
        )
    return "\n\n".join(parts) + "\n"


def problems(this: Pass, region: str) -> str:
    """Return all that the pass leaves to the next one, with what a person can do; "" if nothing."""
    resources = ((each.expired.resource, each.error) for each in this.undeleted)
    left = [
        f"{resource.name} ({error}); by hand: {command(resource, region)}"
        for resource, error in resources
    ]
    return told([*left, *this.problems])


def _undeleted(failure: Undeleted, now: datetime, calculator: Calculator) -> str:
    resource = failure.expired.resource
    return (
        f"{_title(resource)} could not be {_ended(resource)} and is still billed "
        f"{hourly_price(resource, calculator)}, {duration(resource.age_minutes(now))} old.\n"
        f"Why it should go: {failure.expired.reason}.\nAWS's error: {failure.error}\n"
        "The reaper tries again on its next pass. By hand: "
        f"{command(resource, calculator.region)}"
    )


def _deleted(deleted: Expired, now: datetime, calculator: Calculator) -> str:
    resource = deleted.resource
    billed = "" if resource.kind == "job" else f", billing {hourly_price(resource, calculator)}"
    return (
        f"{_title(resource)} was {_ended(resource)} when it was "
        f"{duration(resource.age_minutes(now))} old{billed}.\n"
        f"Why: {deleted.reason}. Run: {resource.run or 'not tagged'}."
    )


def command(resource: TaggedResource, region: str) -> str:
    """Return the AWS CLI command that ends it by hand."""
    commands = {
        "throughput": throughput.THROUGHPUT.delete_command,
        "deployment": deployment.DEPLOYMENT.delete_command,
        "custom-model": "delete-custom-model --model-identifier",
        "job": "stop-model-customization-job --job-identifier",
    }
    return f"aws bedrock {commands[resource.kind]} {resource.arn} --region {region}"


def _ended(resource: TaggedResource) -> str:
    return "stopped" if resource.kind == "job" else "deleted"


def _title(resource: TaggedResource) -> str:
    kinds = {
        "throughput": "Provisioned throughput",
        "deployment": "Custom model deployment",
        "custom-model": "Custom model",
        "job": "Customization job",
    }
    return f"{kinds[resource.kind]} {resource.name}"
