"""Hosting of any kind, from its creation to its release."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from lambdas.domain.errors import HostingFailed
from lambdas.domain.hosting.answering import RELEASE_MINUTES
from lambdas.domain.hosting.kinds import KINDS
from lambdas.domain.hosting.terms import Hosted
from lambdas.domain.models.model import HostingKind
from lambdas.domain.run.awaited import not_found
from lambdas.domain.run.contracts import Hosting, HostModelRequest, Release, Run
from lambdas.domain.run.times import minutes_between


@dataclass(frozen=True)
class Deletion:
    """The outcome of a deletion; `at`: when AWS said that it is gone, None if it told no time."""

    found: bool
    at: datetime | None = None
    hosted: Hosted | None = None  # as it was seen before; None: unknown


def release_by(run: Run, kind: HostingKind, questions: int, created_at: datetime) -> datetime:
    """Return the time at which the run's hosting must be gone, whatever happened."""
    minutes = KINDS[kind].minutes_until_release_by(run.settings, questions)
    return created_at + timedelta(minutes=minutes)


def answering_seconds(hosting: Hosting, run: Run, now: datetime) -> float:
    """Return for how long the tuned model may be asked, so that the release comes in time."""
    minutes = KINDS[hosting.kind].minutes_afterwards(run.settings) + RELEASE_MINUTES
    return (hosting.release_by - timedelta(minutes=minutes) - now).total_seconds()


def just_created(run: Run, kind: HostingKind, arn: str, now: datetime) -> Hosted:
    """Describe hosting that Bedrock has just accepted: it may not be found yet."""
    return Hosted(kind, arn, run.hosting_name, status="Creating", created_at=now)


def created(request: HostModelRequest, hosted: Hosted) -> Hosting:
    """Describe hosting that a run has created, now or before its state was retried."""
    run, questions = request.run, request.dataset.evaluation_examples
    until = release_by(run, hosted.kind, questions, hosted.created_at)
    return hosting_of(hosted, run, request.now, release_by=until)


def hosting_of(hosted: Hosted, run: Run, now: datetime, *, release_by: datetime) -> Hosting:
    """Describe hosting that is ready or being created.

    Raises
    ------
    HostingFailed
        It ended as Failed, or is not ready after `max_provisioning_minutes`.
    """
    terms = KINDS[hosted.kind]
    age_minutes = minutes_between(hosted.created_at, now)
    ready = hosted.status == terms.ready
    if hosted.status == "Failed":
        raise HostingFailed(_failed(hosted))
    if not ready and age_minutes > run.settings.provisioning_minutes(hosted.kind):
        raise HostingFailed(_late(hosted, run, age_minutes))
    return Hosting(
        kind=hosted.kind,
        hosting_arn=hosted.arn,
        name=hosted.name,
        created_at=hosted.created_at,
        release_by=release_by,
        age_minutes=age_minutes,
        done=ready,
        wait_seconds=terms.wait_seconds(age_minutes),
    )


def looked_at(hosting: Hosting, found: Hosted | None, run: Run, now: datetime) -> Hosting:
    """Describe hosting as a look has found it, or has not.

    Raises
    ------
    HostingFailed
        As `hosting_of`, or it was not found for too long.
    """
    if found is None:
        wait_seconds = KINDS[hosting.kind].wait_seconds(hosting.age_minutes)
        return not_found(hosting, now, wait_seconds=wait_seconds, gone=_gone(hosting))
    return hosting_of(found, run, now, release_by=hosting.release_by)


def check_alive(hosting: Hosting, found: Hosted | None, run: Run, now: datetime) -> None:
    """Refuse hosting that was ready and cannot answer any more: Failed can follow Active.

    Raises
    ------
    HostingFailed
        It failed, or it is gone.
    """
    if found is None:
        raise _gone(hosting)
    hosting_of(found, run, now, release_by=hosting.release_by)


def _gone(hosting: Hosting) -> HostingFailed:
    terms = KINDS[hosting.kind]
    return HostingFailed(
        f"{terms.called} {hosting.name} is gone: somebody deleted it (CloudTrail names the caller "
        f"of {terms.delete_call})"
    )


def release_of(deletions: Sequence[Deletion], now: datetime) -> Release:
    """Describe the release that was asked for at `now`, by what was deleted of each kind.

    What was found has billed until AWS answered that it is deleted, or at most until AWS did not
    find it: a state that had to ask for an hour was entered an hour before, at `now`. Of several,
    the first is told of: what bills by the hour is.
    """
    told = next((each for each in deletions if each.found), deletions[0])
    until, hosted = max(told.at or now, now), told.hosted
    billed = told.found and hosted is not None and KINDS[hosted.kind].bills_by_the_hour
    return Release(
        found=told.found,
        kind=hosted.kind if hosted else None,
        hosting_arn=hosted.arn if hosted else None,
        billed_minutes=minutes_between(hosted.created_at, until) if hosted and billed else None,
        at=until,
    )


def _failed(hosted: Hosted) -> str:
    called = KINDS[hosted.kind].called
    reason = (hosted.failure_message or "Bedrock gave no reason").rstrip(". ")
    return (
        f"{called} {hosted.name} failed: {reason}. Try again later, or ask AWS Support with the "
        f"name of the {called}"
    )


def _late(hosted: Hosted, run: Run, age_minutes: float) -> str:
    most = run.settings.provisioning_minutes(hosted.kind)
    return (
        f"{KINDS[hosted.kind].called} {hosted.name} is still {hosted.status} after "
        f"{age_minutes:.0f} min, longer than max_provisioning_minutes = {most:g}. Try again "
        "later, or raise max_provisioning_minutes"
    )
