"""*Check training*: the job's status; stops it when it is stuck or takes too long."""

from __future__ import annotations

from lambdas.aws.customization_jobs import CustomizationJobs
from lambdas.domain.run.awaited import not_found
from lambdas.domain.run.contracts import CheckTrainingRequest, Training
from lambdas.domain.training.jobs import SHORTEST_WAIT_SECONDS, gone, overdue, training_of
from lambdas.runtime.step import step


def check_training(request: CheckTrainingRequest) -> Training:
    jobs, started = CustomizationJobs(), request.training
    job = jobs.find(started.job_arn)
    if job is None:
        return not_found(
            started,
            request.now,
            wait_seconds=SHORTEST_WAIT_SECONDS,
            gone=gone(started, request.run),
        )
    training = training_of(job, request.now)
    if error := overdue(training, request.run):
        jobs.stop(job.arn)
        raise error
    return training


handler = step("Check training", CheckTrainingRequest)(check_training)
