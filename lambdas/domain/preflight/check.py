"""Whether a run can succeed, checked before it costs anything."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from lambdas.domain.errors import PreflightFailed
from lambdas.domain.models.catalogue import MODELS
from lambdas.domain.models.lookup import find_judge, find_model
from lambdas.domain.models.model import Judge, Model
from lambdas.domain.preflight.quotas import Quota, across_custom_models, of_model
from lambdas.domain.run.arns import Arn
from lambdas.domain.run.contracts import CheckPreflightRequest, Execution, HostingOption, Run
from lambdas.domain.run.dataset_files import EVALUATION, TRAINING, dataset_prefix
from lambdas.domain.run.execution_input import ExecutionDefaults, ExecutionInput
from lambdas.domain.run.names import ResourceNames, can_be_found_by, names_of


@dataclass(frozen=True)
class ModelAvailability:
    """From GetFoundationModel; the end of life is None while none is announced."""

    model_id: str
    status: str  # ACTIVE | LEGACY
    end_of_life: datetime | None
    customizations: frozenset[str]
    inference_types: frozenset[str]


@dataclass(frozen=True)
class RequestedRun:
    """What the execution's input asks for."""

    settings: ExecutionInput
    model: Model
    judge: Judge
    past_end_allowed: bool  # by a private arrangement between AWS and the account
    until: datetime  # the latest time at which the run uses the model


def requested_run(
    settings: ExecutionInput, models_past_end: Sequence[str], now: datetime
) -> RequestedRun:
    """Look up the models that the settings name."""
    longest = timedelta(
        hours=settings.max_training_hours,
        minutes=settings.max_provisioning_minutes + settings.hold_minutes,
    )
    return RequestedRun(
        settings=settings,
        model=find_model(settings.model),
        judge=find_judge(settings.judge_model),
        past_end_allowed=settings.model in models_past_end,
        until=now + longest,
    )


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


def can_be_tuned(
    model: Model, found: ModelAvailability | None, region: str, until: datetime
) -> bool:
    """Say whether the model can be tuned and served here without a private arrangement."""
    return not [*_model_problems(model, found, region), *_lifecycle_problems(model, found, until)]


def check(
    execution: Execution,
    requested: RequestedRun,
    found: Prerequisites,
    environment: DeployedEnvironment,
) -> None:
    """Raise PreflightFailed with every reason why the run cannot succeed, one a line."""
    problems = [
        *_name_problems(execution, found.taken),
        *_tuning_problems(requested, found, environment.region),
        *_base_problems(requested.model, found.base_model, environment.region),
        *_judge_problems(requested.judge, found.judge_model, environment.region),
        *_dataset_problems(requested.settings, found.dataset_keys, environment.bucket),
        *_quota_problems(requested, found.quotas, environment.region),
        *_role_problems(environment),
    ]
    if problems:
        raise PreflightFailed("the run cannot succeed:\n" + "\n".join(problems))


def _name_problems(execution: Execution, taken: Sequence[str]) -> Iterable[str]:
    if not can_be_found_by(execution.name):
        yield (
            f"the name {execution.name!r} does not fit into the tag by which reaper and clean-up "
            "see that a run is under way: start a new execution, and leave its name to Step "
            "Functions or make it of A-Z a-z 0-9 . _ = + @ - only"
        )
    if taken:
        more = f" and {len(taken) - 1} more" if len(taken) > 1 else ""
        yield (
            f"the name {execution.name!r} was an earlier execution's, of which there is still "
            f"{taken[0]}{more}; a run takes over nobody's approval, job or answers: start a new "
            "execution, and leave its name to Step Functions or choose another"
        )


def _tuning_problems(requested: RequestedRun, found: Prerequisites, region: str) -> list[str]:
    problems = list(_model_problems(requested.model, found.tuned_model, region))
    if not requested.past_end_allowed:
        problems += _lifecycle_problems(requested.model, found.tuned_model, requested.until)
    if problems:
        problems.append(_advice(requested, found.alternatives, region))
    return problems


def _model_problems(model: Model, found: ModelAvailability | None, region: str) -> Iterable[str]:
    if region not in model.customization_regions:
        regions = ", ".join(model.customization_regions)
        yield f"{model.name} can be tuned in {regions} only, and this environment is in {region}"
        return
    if found is None:
        yield _gone(model, region)
        return
    if "FINE_TUNING" not in found.customizations:
        yield f"{found.model_id} does not support FINE_TUNING in {region}"
    # Bedrock lists some bases as PROVISIONED without selling throughput: the guide is right.
    if "provisioned" not in model.hosting or "PROVISIONED" not in found.inference_types:
        yield f"{found.model_id} cannot be served with provisioned throughput in {region}"


def _gone(model: Model, region: str) -> str:
    end = model.lifecycle.end_of_life
    since = f" It reached its end of life on {end}." if end else ""
    return f"Bedrock has no {model.name} ({model.customization_model_id}) in {region}.{since}"


def _lifecycle_problems(
    model: Model, found: ModelAvailability | None, until: datetime
) -> Iterable[str]:
    if found is None:
        return
    closed = model.lifecycle.closed_on(until.date())  # Bedrock's API may say so weeks later
    if closed or found.status != "ACTIVE":
        since = f"LEGACY since {closed}, as AWS documents" if closed else ""
        yield (
            f"{model.name} is {since or found.status}: Bedrock starts no new job and sells no new "
            "throughput for it"
        )
    if found.end_of_life is not None and found.end_of_life <= until:
        yield (
            f"{model.name} ends on {found.end_of_life:%Y-%m-%d}, and this run may need it until "
            f"{until:%Y-%m-%d %H:%M}"
        )


def _advice(requested: RequestedRun, alternatives: Sequence[str], region: str) -> str:
    model = requested.model
    past_end = f'or, with a private arrangement, list "{model.key}" in models_past_end'
    if alternatives:
        return f'choose a model that can be tuned in {region}, "model": {_quoted(alternatives)}'
    elsewhere = _quoted(
        f"{each.key} in {', '.join(each.customization_regions)}"
        for each in MODELS.values()
        if each.key != model.key
        and region not in each.customization_regions
        and "provisioned" in each.hosting
        and not each.lifecycle.closed_on(requested.until.date())
    )
    return (
        f"no other model of the catalogue can be tuned in {region}; there is {elsewhere} {past_end}"
    )


def _quoted(names: Iterable[str]) -> str:
    return " or ".join(f'"{name}"' for name in names)


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
