"""A customization job as Bedrock shows it, and what its status means for the run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from lambdas.domain.errors import (
    TrainingFailed,
    TrainingStopped,
    TrainingStuck,
    TrainingTimedOut,
)
from lambdas.domain.run.contracts import Run, Training
from lambdas.domain.run.times import duration, minutes_between

PHASES = ("Validation", "Data processing", "Training")
SHORTEST_WAIT_SECONDS = 30  # a job with bad data or a bad role fails within its first minutes
_WAIT_PER_AGE = 0.1  # polling delays the end of a job by at most ten per cent
_LONG_WAIT_SECONDS = 300
# An execution may have 25,000 events, a check is nine of them, and a job may take a week.
_WAIT_PER_LONG_AGE = 0.02
LONGEST_WAIT_SECONDS = 1800


@dataclass(frozen=True)
class Phase:
    """One entry of the job's statusDetails."""

    status: str
    began_at: datetime | None
    changed_at: datetime | None


@dataclass(frozen=True)
class Job:
    """A model customization job; all times are Bedrock's."""

    arn: str
    name: str
    status: str  # InProgress | Completed | Failed | Stopping | Stopped
    created_at: datetime
    ended_at: datetime | None = None
    custom_model_arn: str | None = None
    failure_message: str | None = None
    phases: Mapping[str, Phase] = field(default_factory=dict)  # by the names in PHASES

    @property
    def is_running(self) -> bool:
        return self.status == "InProgress"


def wait_seconds(age_minutes: float) -> int:
    """Return how long to wait before the next check of a job of this age."""
    age_seconds = age_minutes * 60
    growing = min(age_seconds * _WAIT_PER_AGE, _LONG_WAIT_SECONDS)
    growing = max(growing, age_seconds * _WAIT_PER_LONG_AGE, SHORTEST_WAIT_SECONDS)
    return round(min(growing, LONGEST_WAIT_SECONDS))


def just_started(job_arn: str) -> Training:
    """Describe a job that Bedrock has just accepted."""
    return Training(
        job_arn=job_arn,
        status="InProgress",
        phase=PHASES[0],
        phase_status="NotStarted",
        phase_age_minutes=0,
        age_minutes=0,
        done=False,
        wait_seconds=SHORTEST_WAIT_SECONDS,
        custom_model_arn=None,
    )


def training_of(job: Job, now: datetime) -> Training:
    """Describe a job that runs or has completed.

    Raises
    ------
    TrainingFailed, TrainingStopped
        The job ended without a model; the message says why and what to do.
    """
    phase, phase_status, since = _current_phase(job)
    if job.status == "Failed":
        raise TrainingFailed(_failed(job, phase))
    if job.status in {"Stopping", "Stopped"}:
        raise TrainingStopped(_stopped(job, phase))
    done = job.status == "Completed"
    age_minutes = minutes_between(job.created_at, job.ended_at or now)
    return Training(
        job_arn=job.arn,
        status="Completed" if done else "InProgress",
        phase="Completed" if done else phase,
        phase_status="Completed" if done else phase_status,
        phase_age_minutes=0 if done else minutes_between(since, now),
        age_minutes=age_minutes,
        done=done,
        wait_seconds=wait_seconds(age_minutes),
        custom_model_arn=job.custom_model_arn,
    )


def gone(training: Training, run: Run) -> TrainingFailed:
    """Return the error for a job that is not there any more."""
    return TrainingFailed(
        f"Bedrock no longer knows customization job {run.job_name} "
        f"({training.job_arn}): start a new execution"
    )


def overdue(training: Training, run: Run) -> TrainingStuck | TrainingTimedOut | None:
    """Return the error for a job that is running for too long, or None."""
    if training.done:
        return None
    settings = run.settings
    if training.age_minutes > settings.max_training_hours * 60:
        return TrainingTimedOut(
            f"customization job {run.job_name} ran for {duration(training.age_minutes)}, longer "
            f"than max_training_hours = {settings.max_training_hours:g}, and has been stopped in "
            f"phase {training.phase}. Raise max_training_hours, or train for fewer epochs or on "
            "less data"
        )
    if training.phase_age_minutes > settings.max_phase_hours * 60:
        return TrainingStuck(
            f"customization job {run.job_name} was in phase {training.phase} "
            f"({training.phase_status}) for {duration(training.phase_age_minutes)}, longer than "
            f"max_phase_hours = {settings.max_phase_hours:g}, and has been stopped. A job that "
            "waits for capacity is not billed: start again later, raise max_phase_hours, "
            "or choose a model of another region"
        )
    return None


def _current_phase(job: Job) -> tuple[str, str, datetime]:
    """Return the first phase that is not over: name, status, and since when it is the current one.

    Jobs without statusDetails count as training since their creation.
    """
    since = job.created_at
    for name in PHASES:
        phase = job.phases.get(name)
        if phase is None:
            continue
        if phase.status != "Completed":
            return name, phase.status, max(since, phase.began_at or since)
        since = max(since, phase.changed_at or since)
    return PHASES[-1], job.status, since


def _failed(job: Job, phase: str) -> str:
    reason = (job.failure_message or "Bedrock gave no reason").rstrip(". ")
    lasted = (
        f" after {duration(minutes_between(job.created_at, job.ended_at))}" if job.ended_at else ""
    )
    return (
        f"customization job {job.name} failed in phase {phase}{lasted}: {reason}. Fix what the "
        "message names (data, role or hyperparameters) and start a new execution; an internal "
        "error of Bedrock may be transient"
    )


def _stopped(job: Job, phase: str) -> str:
    return (
        f"customization job {job.name} is {job.status.lower()} in phase {phase}: somebody called "
        "StopModelCustomizationJob (CloudTrail names the caller). A stopped job cannot be resumed: "
        "start a new execution"
    )
