"""What the reaper deletes: capacity past its time, and what an ended execution left behind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from lambdas.domain.housekeeping.tagged_resources import Owned, Tariff, is_overdue
from lambdas.domain.run.execution_status import is_under_way

_MAX_SUBJECT_LENGTH = 100


@dataclass(frozen=True)
class Leftover:
    """Something to delete (a job: to stop), and why."""

    owned: Owned
    reason: str


@dataclass(frozen=True)
class Failure:
    """A leftover that is still there, and what AWS said."""

    leftover: Leftover
    error: str


def leftover(owned: Owned, execution: str | None, now: datetime) -> Leftover | None:
    """Decide on one resource.

    Parameters
    ----------
    execution
        Status of the execution that made it, or None where it could not be told: then only the
        time counts.
    """
    if owned.kind == "custom-model" or (owned.kind == "job" and owned.status != "InProgress"):
        return None
    if is_overdue(owned, now):
        return Leftover(owned, f"its release-by, {owned.release_by:%Y-%m-%d %H:%M} UTC, has passed")
    if execution is not None and not is_under_way(execution):
        return Leftover(owned, f"its execution is over ({execution})")
    return None


def subject(environment: str, deleted: Sequence[Leftover], failures: Sequence[Failure]) -> str:
    """Return the mail's subject: at most 100 ASCII characters, which is what SNS takes."""
    if failures:
        text = f"STILL BILLING: {failures[0].leftover.owned.name} could not be deleted"
    else:
        text = f"deleted what was left behind: {deleted[0].owned.name}"
    return f"[bedrock-tuning] {environment}: {text}"[:_MAX_SUBJECT_LENGTH]


def body(
    deleted: Sequence[Leftover],
    failures: Sequence[Failure],
    now: datetime,
    tariff: Tariff,
) -> str:
    """Return the reaper's mail: what still bills first, then what was deleted."""
    parts = [
        *(_failed(each, now, tariff) for each in failures),
        *(_deleted(each, now, tariff) for each in deleted),
    ]
    return "\n\n".join(parts) + "\n"


def _failed(failure: Failure, now: datetime, tariff: Tariff) -> str:
    owned = failure.leftover.owned
    return (
        f"{_what(owned)} could not be {_done(owned)} and goes on billing "
        f"{tariff.text(owned)}, {_age(owned, now)} old.\n"
        f"Why it should go: {failure.leftover.reason}.\nWhat AWS said: {failure.error}\n"
        f"The reaper tries again on its next pass. By hand: {command(owned, tariff.region)}"
    )


def _deleted(leftover: Leftover, now: datetime, tariff: Tariff) -> str:
    owned = leftover.owned
    billed = "" if owned.kind == "job" else f", which billed {tariff.text(owned)}"
    return (
        f"{_what(owned)} was {_done(owned)} when it was {_age(owned, now)} old{billed}.\n"
        f"Why: {leftover.reason}. Run: {owned.run or 'not tagged'}."
    )


def command(owned: Owned, region: str) -> str:
    """Return the AWS CLI command that ends it by hand."""
    commands = {
        "throughput": "delete-provisioned-model-throughput --provisioned-model-id",
        "deployment": "delete-custom-model-deployment --custom-model-deployment-identifier",
        "custom-model": "delete-custom-model --model-identifier",
        "job": "stop-model-customization-job --job-identifier",
    }
    return f"aws bedrock {commands[owned.kind]} {owned.arn} --region {region}"


def _done(owned: Owned) -> str:
    return "stopped" if owned.kind == "job" else "deleted"


def _what(owned: Owned) -> str:
    kinds = {
        "throughput": "Provisioned throughput",
        "deployment": "Custom model deployment",
        "custom-model": "Custom model",
        "job": "Customization job",
    }
    return f"{kinds[owned.kind]} {owned.name}"


def _age(owned: Owned, now: datetime) -> str:
    minutes = owned.age_minutes(now)
    return f"{minutes:.0f} min" if minutes < 120 else f"{minutes / 60:.1f} h"  # noqa: PLR2004  # two hours
