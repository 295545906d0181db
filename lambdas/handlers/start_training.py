"""*Start training*: one customization job per run, however often this is retried."""

from __future__ import annotations

import os

from lambdas.aws.customization_jobs import CustomizationJobs
from lambdas.domain.models.lookup import find_model
from lambdas.domain.run.contracts import StateRequest, Training
from lambdas.domain.training.jobs import Job, just_started, training_of
from lambdas.runtime.step import setting, step


def start_training(request: StateRequest) -> Training:
    run = request.run
    started = CustomizationJobs().start(
        run,
        base_model_id=find_model(run.settings.model).customization_model_id,
        role_arn=setting("SERVICE_ROLE_ARN"),
        kms_key_arn=os.environ.get("MODEL_KMS_KEY_ARN", ""),
    )
    if isinstance(started, Job):
        return training_of(started, request.now)
    return just_started(started)


handler = step("Start training", StateRequest)(start_training)
