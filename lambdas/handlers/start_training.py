"""*Start training*: one customization job per run, however often this is retried."""

from __future__ import annotations

from lambdas.aws.artefacts import Artefacts
from lambdas.aws.billing import Billing
from lambdas.aws.customization_jobs import CustomizationJobs
from lambdas.aws.frozen_files import require_unchanged
from lambdas.domain.cost.quote import TRAINING
from lambdas.domain.models.lookup import find_model
from lambdas.domain.run.contracts import StartTrainingRequest, Training
from lambdas.domain.run.variables import StartTrainingVariables
from lambdas.domain.training.jobs import Job, just_started, training_of
from lambdas.runtime.step import step, variables_of


def start_training(request: StartTrainingRequest) -> Training:
    run, variables = request.run, variables_of(StartTrainingVariables)
    artefacts = Artefacts(run.bucket)
    require_unchanged(artefacts, request.dataset.files)
    billing = Billing(artefacts, run.prefix)
    with billing.creating(TRAINING, "CreateModelCustomizationJob", request.now):
        started = CustomizationJobs().start(
            request,
            base_model_id=find_model(run.settings.model).customization_model_id,
            role_arn=variables.service_role_arn,
            kms_key_arn=variables.model_kms_key_arn,
        )
    if isinstance(started, Job):
        return training_of(started, request.now)
    return just_started(started)


handler = step("Start training", StartTrainingRequest)(start_training)
