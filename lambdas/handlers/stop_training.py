"""*Stop training*: a failed run leaves no job behind; nothing to stop is success."""

from __future__ import annotations

from lambdas.aws.customization_jobs import CustomizationJobs
from lambdas.domain.run.contracts import GiveBackRequest, TrainingStop
from lambdas.runtime.step import step


def stop_training(request: GiveBackRequest) -> TrainingStop:
    return CustomizationJobs().stop_by_name(request.run.job_name)


handler = step("Stop training", GiveBackRequest)(stop_training)
