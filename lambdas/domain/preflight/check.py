"""Whether a run can succeed, checked before it costs anything."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from lambdas.domain.errors import PreflightFailed
from lambdas.domain.models.model import Judge, Model
from lambdas.domain.preflight.models import ModelAvailability, RequestedRun, tuning_problems
from lambdas.domain.preflight.names import name_problems
from lambdas.domain.preflight.quotas import Quota, across_custom_models, of_model
from lambdas.domain.run.arns import Arn
from lambdas.domain.run.contracts import CheckPreflightRequest, Execution, HostingOption, Run
from lambdas.domain.run.dataset_files import EVALUATION, TRAINING, dataset_prefix
from lambdas.domain.run.execution_input import ExecutionDefaults, ExecutionInput
from lambdas.domain.run.names import ResourceNames, names_of


@dataclass(frozen=True)
class DeployedEnvironment:
    """The environment that the functions belong to, and its place on AWS."""

    name: str
    bucket: str
    region: str
    account: str
    service_role_arn: str
    tags: Mapping[str, str]  # its own, for what the run makes
    reap_every_minutes: int
    comprehend_max_usd: float


@dataclass(frozen=True)
class Prerequisites:
    """What AWS answered before the run; a model is None if Bedrock does not know it."""

    tuned_model: ModelAvailability | None
    alternatives: Sequence[str]  # keys of other models that can be tuned here now
    base_model: ModelAvailability | None
    judge_model: ModelAvailability | None
    dataset_keys: frozenset[str]
    quotas: Sequence[Quota]  # of Bedrock; none: unknown
    taken: Sequence[str]  # what there is under this execution's names before it makes anything


def names_in(environment: DeployedEnvironment, execution: Execution) -> ResourceNames:
    return names_of(environment.name, execution.name, execution.arn)


def run_prefix(names: ResourceNames) -> str:
    return f"runs/{names.run}"


def check(
    execution: Execution,
    requested: RequestedRun,
    found: Prerequisites,
    environment: DeployedEnvironment,
) -> None:
    """Raise PreflightFailed with every reason why the run cannot succeed, one a line."""
    problems = [
        *name_problems(execution, found.taken),
        *tuning_problems(requested, found.tuned_model, found.alternatives, environment.region),
        *_base_problems(requested.model, found.base_model, environment.region),
        *_judge_problems(requested.judge, found.judge_model, environment.region),
        *_dataset_problems(requested.settings, found.dataset_keys, environment.bucket),
        *_quota_problems(requested, found.quotas, environment.region),
        *_role_problems(environment),
    ]
    if problems:
        raise PreflightFailed("the run cannot succeed:\n" + "\n".join(problems))


def _base_problems(model: Model, found: ModelAvailability | None, region: str) -> Iterable[str]:
    inference = model.base_inference
    if region not in model.customization_regions:
        return  # already a problem of its own
    if not inference.available_in(region):
        regions = ", ".join(inference.regions)
        yield f"{model.name} itself can be invoked from {regions} only, not from {region}"
    elif found is None:
        yield (
            f"Bedrock has no {inference.foundation_model_id} in {region}, so the tuned model "
            "would have no base model to be compared with"
        )


def _judge_problems(judge: Judge, found: ModelAvailability | None, region: str) -> Iterable[str]:
    inference = judge.inference
    if not inference.available_in(region):
        regions = ", ".join(inference.regions)
        yield f"the judge {judge.name} can be invoked from {regions} only, not from {region}"
    elif found is None:
        yield (
            f"Bedrock has no {judge.name} ({inference.foundation_model_id}) in {region}: choose "
            "another judge_model"
        )


def _dataset_problems(settings: ExecutionInput, keys: frozenset[str], bucket: str) -> Iterable[str]:
    prefix = dataset_prefix(settings.dataset)
    for name in (TRAINING, EVALUATION):
        if prefix + name not in keys:
            yield (
                f"s3://{bucket}/{prefix}{name} does not exist: upload it (python -m dataset "
                "prepare writes it), or name another dataset"
            )


def _quota_problems(requested: RequestedRun, quotas: Sequence[Quota], region: str) -> Iterable[str]:
    units = requested.settings.model_units
    for quota in (across_custom_models(quotas), of_model(quotas, requested.model)):
        if quota is not None and quota.value < units:
            yield (
                f"the quota {quota.name!r} ({quota.code}) is {quota.value:g} in {region}, and the "
                f"run needs {units}: request an increase in Service Quotas, which can take days"
            )


def _role_problems(environment: DeployedEnvironment) -> Iterable[str]:
    arn = environment.service_role_arn
    try:
        role = Arn.parse(arn)
    except ValueError:
        role = None
    if role is None or role.service != "iam":
        yield f"SERVICE_ROLE_ARN is {arn!r}, which is not the ARN of a role: deploy again"
    elif role.account != environment.account:
        yield (
            f"Bedrock's service role is in account {role.account} and the run in "
            f"{environment.account}: deploy this environment to its own account"
        )


def plan(
    request: CheckPreflightRequest,
    settings: ExecutionInput,
    defaults: ExecutionDefaults,
    environment: DeployedEnvironment,
) -> Run:
    """Return the run with everything that follows from its input."""
    names = names_in(environment, request.execution)
    return Run(
        name=names.run,
        execution_arn=request.execution.arn,
        environment=environment.name,
        region=environment.region,
        started_at=request.execution.started_at,
        bucket=environment.bucket,
        prefix=run_prefix(names),
        settings=settings,
        hyperparameters=settings.all_hyperparameters(),
        job_name=names.job,
        custom_model_name=names.custom_model,
        hosting_name=names.hosting,
        client_token=names.client_token,
        approval_hours=defaults.approval_hours if settings.require_approval else None,
        fail_on_warnings=tuple(defaults.fail_on_warnings),
        min_evaluation_questions=defaults.min_evaluation_questions,
        tags=dict(environment.tags),
        reap_every_minutes=environment.reap_every_minutes,
        comprehend_max_usd=environment.comprehend_max_usd,
        hosting_options=(HostingOption(kind="provisioned"),),
    )
