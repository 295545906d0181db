"""*Check training*: the job's status; stops it when it is stuck or takes too long."""

from __future__ import annotations

from lambdas.aws.customization_jobs import CustomizationJobs
from lambdas.domain.run.contracts import CheckTrainingRequest, Training
from lambdas.domain.training.jobs import not_found, overdue, training_of
from lambdas.runtime.step import step


def check_training(request: CheckTrainingRequest) -> Training:
    jobs = CustomizationJobs()
    job = jobs.find(request.training.job_arn)
    if job is None:
        return not_found(request.training, request.run, request.now)
    training = training_of(job, request.now)
    if error := overdue(training, request.run):
        jobs.stop(job.arn)
        raise error
    return training


handler = step("Check training", CheckTrainingRequest)(check_training)
