"""Provisioned throughput, which bills by the hour, from purchase to release."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from lambdas.domain.errors import HostingFailed
from lambdas.domain.run.console import bedrock_quotas_url
from lambdas.domain.run.contracts import Hosting, Release, Run
from lambdas.domain.run.times import is_gone, minutes_between

EXPECTED_PROVISIONING_MINUTES = 20  # AWS's Haiku notebook says 20 to 30
# AWS deletes no throughput that is still being created, and does not say for how long that may be:
# four times the longest that its notebook names is assumed.
LONGEST_CREATION_MINUTES = 120
# Of any input: its longest provisioning and hold, and the margin; no run hosts for longer.
LONGEST_HOSTING_MINUTES = 240 + 1440 + 60
REAPER_PASS_MINUTES = 5  # the time-out of *Reap leftovers*
RELEASE_MARGIN_MINUTES = 60  # for answering, and for release attempts that AWS refuses at first
_RELEASE_MINUTES = 15  # of these: when so little is left before the release-by, asking has to end
# Throughput that is ready before anyone notices bills for nothing: at $60 an hour, 15 s are $0.25,
# and a check costs less than $0.0001. So check often when it is due, and every 45 s otherwise.
_RELAXED_WAIT_SECONDS = 45
_TIGHT_WAIT_SECONDS = 15
_TIGHT_FROM_MINUTES = EXPECTED_PROVISIONING_MINUTES - 12
_TIGHT_UNTIL_MINUTES = EXPECTED_PROVISIONING_MINUTES + 20


@dataclass(frozen=True)
class ProvisionedThroughput:
    """A provisioned throughput as Bedrock shows it."""

    arn: str
    name: str
    status: str  # Creating | InService | Updating | Failed
    created_at: datetime
    failure_message: str | None = None

    @property
    def is_changing(self) -> bool:
        return self.status in {"Creating", "Updating"}


@dataclass(frozen=True)
class Deletion:
    """The outcome of a deletion; `at`: when AWS said that it is gone, None if it told no time."""

    found: bool
    at: datetime | None = None
    throughput: ProvisionedThroughput | None = None  # as it was seen before; None: unknown


def wait_seconds(age_minutes: float) -> int:
    """Return how long to wait before the next check of hosting of this age."""
    due = _TIGHT_FROM_MINUTES <= age_minutes < _TIGHT_UNTIL_MINUTES
    return _TIGHT_WAIT_SECONDS if due else _RELAXED_WAIT_SECONDS


def release_by(run: Run, created_at: datetime) -> datetime:
    """Return the time at which the run's hosting must be gone, whatever happened."""
    return created_at + timedelta(minutes=_minutes_until_release_by(run))


def most_minutes(run: Run) -> float:
    """Return how long the run's hosting can bill at most.

    Its release-by has passed, or AWS lets it go at last; the reaper has just looked, the next pass
    fails and is repeated until the one after it is due, which takes its time.
    """
    until = max(_minutes_until_release_by(run), LONGEST_CREATION_MINUTES)
    return until + 2 * run.reap_every_minutes + REAPER_PASS_MINUTES


def _minutes_until_release_by(run: Run) -> float:
    provisioning = run.settings.provisioning_minutes("provisioned")
    return provisioning + run.settings.hold_minutes + RELEASE_MARGIN_MINUTES


def answering_seconds(hosting: Hosting, run: Run, now: datetime) -> float:
    """Return for how long the tuned model may be asked, so that the release comes in time."""
    minutes = run.settings.hold_minutes + _RELEASE_MINUTES
    return (hosting.release_by - timedelta(minutes=minutes) - now).total_seconds()


def hosting_of(throughput: ProvisionedThroughput, run: Run, now: datetime) -> Hosting:
    """Describe hosting that is in service or being created.

    Raises
    ------
    HostingFailed
        It ended as Failed, or is not in service after `max_provisioning_minutes`.
    """
    age_minutes = minutes_between(throughput.created_at, now)
    most_minutes = run.settings.provisioning_minutes("provisioned")
    ready = throughput.status == "InService"
    if throughput.status == "Failed":
        raise HostingFailed(_failed(throughput))
    if not ready and age_minutes > most_minutes:
        raise HostingFailed(
            f"provisioned throughput {throughput.name} is still {throughput.status} after "
            f"{age_minutes:.0f} min, longer than max_provisioning_minutes = "
            f"{most_minutes:g}. The model {run.custom_model_name} is kept: start "
            "again later, or raise max_provisioning_minutes"
        )
    return Hosting(
        hosting_arn=throughput.arn,
        name=throughput.name,
        status="InService" if ready else "Creating",
        created_at=throughput.created_at,
        release_by=release_by(run, throughput.created_at),
        age_minutes=age_minutes,
        ready=ready,
        wait_seconds=wait_seconds(age_minutes),
    )


def not_found(hosting: Hosting, now: datetime) -> Hosting:
    """Describe hosting that Bedrock does not find: an answer may be older than the purchase.

    Raises
    ------
    HostingFailed
        It was not found for too long for that.
    """
    since = hosting.missing_since or now
    if is_gone(since, now):
        raise HostingFailed(
            f"provisioned throughput {hosting.name} is gone: somebody deleted it (CloudTrail names "
            "the caller of DeleteProvisionedModelThroughput). Start a new execution"
        )
    return hosting.model_copy(
        update={
            "missing_since": since,
            "ready": False,
            "age_minutes": minutes_between(hosting.created_at, now),
            "wait_seconds": _TIGHT_WAIT_SECONDS,
        }
    )


def release_of(deletion: Deletion, now: datetime) -> Release:
    """Describe a release that was asked for at `now`.

    The throughput has billed until AWS answered that it is deleted, or at most until AWS did not
    find it: a state that had to ask for an hour was entered an hour before, at `now`.
    """
    throughput = deletion.throughput
    until = max(deletion.at or now, now)
    return Release(
        found=deletion.found,
        hosting_arn=throughput.arn if throughput else None,
        billed_minutes=minutes_between(throughput.created_at, until)
        if throughput and deletion.found
        else None,
        at=until,
    )


def quota_advice(model_name: str, region: str) -> str:
    """Return which quotas a purchase needs and how to request them."""
    return (
        "Two quotas of Amazon Bedrock, both 0 in a new account, must allow it: L-BE77399C (Model "
        "units no-commitment Provisioned Throughputs across custom models) and Model units per "
        f"provisioned model for {model_name}. Request both in the Service Quotas console of "
        f"{region} ({bedrock_quotas_url(region)}) or with `aws service-quotas "
        "request-service-quota-increase --service-code bedrock --quota-code L-BE77399C "
        "--desired-value N`; approval can take days. The trained model is kept"
    )


def _failed(throughput: ProvisionedThroughput) -> str:
    reason = (throughput.failure_message or "Bedrock gave no reason").rstrip(". ")
    return (
        f"provisioned throughput {throughput.name} failed: {reason}. The custom model is kept: "
        "start again later, or ask AWS Support with the name of the throughput"
    )
