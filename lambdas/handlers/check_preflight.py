"""*Check preflight*: resolves the execution input and makes sure that the run can succeed."""

from __future__ import annotations

from lambdas.aws.artefacts import Artefacts
from lambdas.aws.customization_jobs import CustomizationJobs
from lambdas.aws.foundation_models import get_foundation_model
from lambdas.aws.quotas import bedrock_quotas
from lambdas.domain.approval import decisions as approval
from lambdas.domain.models.catalogue import MODELS
from lambdas.domain.models.model import Model
from lambdas.domain.preflight import check as preflight
from lambdas.domain.preflight.check import DeployedEnvironment
from lambdas.domain.preflight.models import (
    ModelAvailability,
    RequestedRun,
    can_be_tuned,
    requested_run,
)
from lambdas.domain.run.arns import Arn
from lambdas.domain.run.contracts import CheckPreflightRequest, Run
from lambdas.domain.run.dataset_files import dataset_prefix
from lambdas.domain.run.execution_input import resolve
from lambdas.domain.run.names import ResourceNames
from lambdas.domain.run.variables import CheckPreflightVariables
from lambdas.runtime.step import step, variables_of


def check_preflight(request: CheckPreflightRequest) -> Run:
    variables = variables_of(CheckPreflightVariables)
    defaults = variables.execution_defaults
    settings = resolve(request.input, defaults)
    requested = requested_run(settings, defaults.models_past_end, request.now)
    environment = _environment(request.execution.arn, variables)
    names = preflight.names_in(environment, request.execution)
    found = _prerequisites(requested, environment, names)
    preflight.check(request.execution, requested, found, environment)
    return preflight.plan(request, settings, defaults, environment)


def _prerequisites(
    requested: RequestedRun, environment: DeployedEnvironment, names: ResourceNames
) -> preflight.Prerequisites:
    model, region = requested.model, environment.region
    prefix = dataset_prefix(requested.settings.dataset)
    return preflight.Prerequisites(
        tuned_model=_tunable_model(model, region),
        alternatives=_alternatives(requested, region),
        base_model=_model(model.base_inference.foundation_model_id, model, region),
        judge_model=get_foundation_model(requested.judge.inference.foundation_model_id),
        dataset_keys=frozenset(Artefacts(environment.bucket).list_keys(prefix)),
        quotas=bedrock_quotas(),
        taken=_taken(names, environment.bucket),
    )


def _taken(names: ResourceNames, bucket: str) -> list[str]:
    """Return what an earlier execution of the same name has left.

    This is the first state and makes nothing: whatever there is, however new, is another's.
    """
    artefacts = Artefacts(bucket)
    job = CustomizationJobs().find(names.job)
    prefixes = (f"{preflight.run_prefix(names)}/", f"{approval.PREFIX}{names.run}/")
    keys = (key for prefix in prefixes for key in artefacts.list_keys(prefix))
    return [*([job.arn] if job else []), *map(artefacts.uri, keys)]


def _tunable_model(model: Model, region: str) -> ModelAvailability | None:
    return _model(model.customization_model_id, model, region)


def _model(model_id: str, model: Model, region: str) -> ModelAvailability | None:
    # The role allows calls for models of its own region only.
    return get_foundation_model(model_id) if region in model.customization_regions else None


def _alternatives(requested: RequestedRun, region: str) -> list[str]:
    others = (model for model in MODELS.values() if model != requested.model)
    return [
        model.key
        for model in others
        if can_be_tuned(model, _tunable_model(model, region), region, requested.until)
    ]


def _environment(execution_arn: str, variables: CheckPreflightVariables) -> DeployedEnvironment:
    execution = Arn.parse(execution_arn)
    return DeployedEnvironment(
        name=variables.environment,
        bucket=variables.artefact_bucket,
        region=execution.region,
        account=execution.account,
        service_role_arn=variables.service_role_arn,
        tags=variables.tags,
        reap_every_minutes=variables.reap_every_minutes,
        comprehend_max_usd=variables.comprehend_max_usd,
    )


handler = step("Check preflight", CheckPreflightRequest)(check_preflight)
