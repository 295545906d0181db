"""What the reaper ends: hosting past its release-by, and what an ended execution left behind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from lambdas.domain.cost.calculator import Calculator
from lambdas.domain.housekeeping.running_costs import hourly_price
from lambdas.domain.housekeeping.tagged_resources import TaggedResource
from lambdas.domain.run import mail
from lambdas.domain.run.execution_status import is_under_way
from lambdas.domain.run.times import duration, utc


@dataclass(frozen=True)
class Expired:
    """A resource to delete (a job: to stop), and why."""

    resource: TaggedResource
    reason: str


@dataclass(frozen=True)
class Undeleted:
    """An expired resource that is still there, and AWS's error."""

    expired: Expired
    error: str


def expired(resource: TaggedResource, execution: str | None, now: datetime) -> Expired | None:
    """Decide on one resource.

    Parameters
    ----------
    execution
        Status of the execution that made it; None if it is not known: then only the time counts.
    """
    kind = resource.kind
    if kind == "custom-model" or (kind == "job" and resource.status != "InProgress"):
        return None
    if resource.release_by is not None and resource.is_overdue(now):
        return Expired(resource, f"its release-by, {utc(resource.release_by)}, has passed")
    if execution is not None and not is_under_way(execution):
        return Expired(resource, f"its execution is over ({execution})")
    return None


def subject(environment: str, deleted: Sequence[Expired], undeleted: Sequence[Undeleted]) -> str:
    if undeleted:
        text = f"STILL BILLING: {undeleted[0].expired.resource.name} could not be deleted"
    else:
        text = f"deleted leftover {deleted[0].resource.name}"
    return mail.subject(f"{environment}: {text}")


def body(
    deleted: Sequence[Expired],
    undeleted: Sequence[Undeleted],
    now: datetime,
    calculator: Calculator,
) -> str:
    """Return the reaper's mail: what still bills first, then what was deleted."""
    parts = [
        *(_undeleted(each, now, calculator) for each in undeleted),
        *(_deleted(each, now, calculator) for each in deleted),
    ]
    return "\n\n".join(parts) + "\n"


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
        "throughput": "delete-provisioned-model-throughput --provisioned-model-id",
        "deployment": "delete-custom-model-deployment --custom-model-deployment-identifier",
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
