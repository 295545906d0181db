"""*Stop training*: a failed run leaves no job behind; nothing to stop is success."""

from __future__ import annotations

from lambdas.aws.customization_jobs import CustomizationJobs
from lambdas.domain.run.contracts import StateRequest, TrainingStop
from lambdas.runtime.step import step


def stop_job(name: str, jobs: CustomizationJobs | None = None) -> TrainingStop:
    """Stop the job called `name` if it runs."""
    jobs = jobs or CustomizationJobs()
    job = jobs.find(name)
    if job is None:
        return TrainingStop(stopped=False, status=None)
    return TrainingStop(stopped=job.is_running and jobs.stop(job), status=job.status)


def stop_training(request: StateRequest) -> TrainingStop:
    return stop_job(request.run.job_name)


handler = step("Stop training", StateRequest)(stop_training)
