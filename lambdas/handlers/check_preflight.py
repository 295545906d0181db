"""*Check preflight*: resolves the execution input and makes sure that the run can succeed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial

from lambdas.aws.artefacts import Artefacts
from lambdas.aws.clients import client
from lambdas.aws.custom_models import CustomModels
from lambdas.aws.customization_jobs import CustomizationJobs
from lambdas.aws.earlier_runs import find_answers
from lambdas.aws.foundation_models import FoundationModels, refusal_of
from lambdas.aws.inventory import Inventory
from lambdas.aws.quotas import bedrock_quotas
from lambdas.domain.approval import decisions as approval
from lambdas.domain.housekeeping.survey import KINDS
from lambdas.domain.housekeeping.tagged_resources import TaggedResource
from lambdas.domain.models.catalogue import MODELS
from lambdas.domain.models.model import Model
from lambdas.domain.parallel import in_parallel
from lambdas.domain.preflight import check as preflight
from lambdas.domain.preflight.check import DeployedEnvironment, asked_models
from lambdas.domain.preflight.judging_again import (
    answers_given,
    judging_again,
    problems_of_answers,
    with_settings_of,
)
from lambdas.domain.preflight.models import (
    ModelAvailability,
    RequestedRun,
    can_be_tuned,
    lifecycle_warning,
    requested_run,
)
from lambdas.domain.preflight.quotas import in_use
from lambdas.domain.run.arns import Arn
from lambdas.domain.run.contracts import CheckPreflightRequest, Run
from lambdas.domain.run.dataset_files import FILE_NAMES, source_key
from lambdas.domain.run.execution_input import ExecutionDefaults, ExecutionInput, resolve
from lambdas.domain.run.names import ResourceNames, custom_model_of
from lambdas.domain.run.tuned_model import TunedModel, tuned_model
from lambdas.domain.run.variables import CheckPreflightVariables
from lambdas.runtime.step import logger, step, variables_of

_ANSWER_SECONDS = 20.0  # ample for one token


def check_preflight(request: CheckPreflightRequest) -> Run:
    variables = variables_of(CheckPreflightVariables)
    defaults = variables.execution_defaults
    settings = resolve(request.input, defaults)
    environment = _environment(request.execution.arn, variables)
    if settings.answers_of_run:
        return _judging_again(request, settings, defaults, environment)
    tuned = _tuned_model(request, settings.tuned_by_run, environment.name)
    if tuned:
        settings = resolve({**request.input, "model": tuned.base.key}, defaults)
    requested = requested_run(settings, defaults, request.now)
    names = preflight.names_in(environment, request.execution)
    if warning := lifecycle_warning(requested.model, requested.until):
        logger.warning(warning)
    found = _prerequisites(requested, environment, names)
    options = preflight.check(request.execution, requested, found, environment)
    return preflight.plan(
        request,
        settings,
        defaults,
        environment,
        options,
        tuned_model_arn=tuned.arn if tuned else None,
    )


def _judging_again(
    request: CheckPreflightRequest,
    asked: ExecutionInput,
    defaults: ExecutionDefaults,
    environment: DeployedEnvironment,
) -> Run:
    name, models = str(asked.answers_of_run), CustomModels(environment.name)
    earlier = find_answers(Artefacts(environment.bucket), name)
    given = answers_given(name, earlier, known=lambda: [*models.runs()])
    settings = with_settings_of(given.run, asked)
    requested = requested_run(settings, defaults, request.now)
    names = preflight.names_in(environment, request.execution)
    found = preflight.Known(
        refusals=_refusals(asked_models(requested, environment.region)),
        dataset_keys=frozenset(_dataset_keys(settings, environment.bucket)),
        taken=_taken_keys(names, environment.bucket),
    )
    common = preflight.common_problems(request.execution, requested, found, environment)
    preflight.refuse([*common, *problems_of_answers(given, request.input)])
    model = models.find(custom_model_of(environment.name, given.run.tuned_by))
    run = preflight.plan(
        request, settings, defaults, environment, (), tuned_model_arn=model.arn if model else None
    )
    return judging_again(run, given)


def _tuned_model(
    request: CheckPreflightRequest, run: str | None, environment: str
) -> TunedModel | None:
    if run is None:
        return None
    models = CustomModels(environment)
    found = models.find(custom_model_of(environment, run))
    return tuned_model(
        run, environment, found, asked=request.input.get("model"), known=lambda: [*models.runs()]
    )


def _prerequisites(
    requested: RequestedRun, environment: DeployedEnvironment, names: ResourceNames
) -> preflight.Prerequisites:
    model, region = requested.model, environment.region
    models, inventory = FoundationModels(), Inventory(environment=None)
    tunable = _tunable_model(models, model, region)
    resources = [each for kind in KINDS for each in inventory.listed(kind)]
    return preflight.Prerequisites(
        tuned_model=tunable,
        access=models.access(model.model_id) if tunable else None,
        alternatives=lambda: _alternatives(models, requested, region),
        refusals=_refusals(asked_models(requested, region)),
        dataset_keys=frozenset(_dataset_keys(requested.settings, environment.bucket)),
        quotas=bedrock_quotas(),
        in_use=in_use(resources),
        taken=_taken(names, resources, environment.bucket),
    )


def _dataset_keys(settings: ExecutionInput, bucket: str) -> Iterator[str]:
    for kind in FILE_NAMES:
        key = source_key(kind, settings.dataset, settings.tuned_by_run, settings.answers_of_run)
        yield from Artefacts(bucket).list_keys(key)


def _taken(names: ResourceNames, resources: Iterable[TaggedResource], bucket: str) -> list[str]:
    """Return what an earlier execution of the same name has left.

    This is the first state and makes nothing: whatever there is, however new, is another's.
    """
    job = CustomizationJobs().find(names.job)
    own = {names.job, names.custom_model, names.hosting}
    found = [*([job.arn] if job else []), *(each.arn for each in resources if each.name in own)]
    return [*dict.fromkeys(found), *_taken_keys(names, bucket)]


def _taken_keys(names: ResourceNames, bucket: str) -> list[str]:
    artefacts = Artefacts(bucket)
    prefixes = (f"{preflight.run_prefix(names)}/", f"{approval.PREFIX}{names.run}/")
    return [artefacts.uri(key) for prefix in prefixes for key in artefacts.list_keys(prefix)]


def _tunable_model(models: FoundationModels, model: Model, region: str) -> ModelAvailability | None:
    # The role allows calls for models of its own region only.
    here = region in model.customization_regions
    return models.find(model.customization_model_id) if here else None


def _alternatives(models: FoundationModels, requested: RequestedRun, region: str) -> list[str]:
    others = (model for model in MODELS.values() if model != requested.model)
    return [
        model.key
        for model in others
        if can_be_tuned(requested, model, _tunable_model(models, model, region), region)
    ]


def _refusals(model_ids: Iterable[str]) -> dict[str, str]:
    runtime = client("bedrock-runtime", _ANSWER_SECONDS)
    asked = [*model_ids]
    refusals = in_parallel(partial(refusal_of, runtime=runtime), asked)
    return {model_id: refusal for model_id, refusal in zip(asked, refusals, strict=True) if refusal}


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
