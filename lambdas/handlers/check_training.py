"""*Check training*: the job's status; stops it when it is stuck or takes too long."""

from __future__ import annotations

from lambdas.aws.customization_jobs import CustomizationJobs
from lambdas.domain.errors import TrainingFailed
from lambdas.domain.run.contracts import CheckTrainingRequest, Training
from lambdas.domain.training.jobs import overdue, training_of
from lambdas.runtime.step import step


def check_training(request: CheckTrainingRequest) -> Training:
    jobs = CustomizationJobs()
    job = jobs.find(request.training.job_arn)
    if job is None:
        raise TrainingFailed(
            f"Bedrock no longer knows customization job {request.run.job_name} "
            f"({request.training.job_arn}): start a new execution"
        )
    training = training_of(job, request.now)
    if error := overdue(training, request.run):
        jobs.stop(job.arn)
        raise error
    return training


handler = step("Check training", CheckTrainingRequest)(check_training)
