"""Whether a run can succeed, checked before it costs anything."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from lambdas.domain.errors import PreflightFailed
from lambdas.domain.preflight.access import ModelAccess, access_problems, answer_problems
from lambdas.domain.preflight.hosting import hosting_options, hosting_problems
from lambdas.domain.preflight.models import (
    ModelAvailability,
    RequestedRun,
    serving_problems,
    tuning_problems,
)
from lambdas.domain.preflight.names import name_problems
from lambdas.domain.preflight.quotas import InUse, Quota, problems_of, training_demands
from lambdas.domain.run.arns import Arn
from lambdas.domain.run.contracts import CheckPreflightRequest, Execution, HostingOption, Run
from lambdas.domain.run.dataset_files import REQUIRED, RUNS, run_folder, source_key
from lambdas.domain.run.execution_input import ExecutionDefaults, ExecutionInput
from lambdas.domain.run.names import ResourceNames, custom_model_of, names_of


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


@dataclass(frozen=True, kw_only=True)
class Known:
    """What AWS answered before any run, also one that judges the answers of an earlier one."""

    refusals: Mapping[str, str]  # of whom the run asks, by the id that was asked; AWS's words
    dataset_keys: frozenset[str]
    taken: Sequence[str]  # what there is under this execution's names before it makes anything


@dataclass(frozen=True, kw_only=True)
class Prerequisites(Known):
    """What else AWS answered before a run that makes its answers."""

    tuned_model: ModelAvailability | None  # None: Bedrock does not know it here
    access: ModelAccess | None  # to the tuned model; None: Bedrock does not say
    alternatives: Callable[[], Sequence[str]]  # keys of other models that can be tuned here now
    quotas: Sequence[Quota]  # of Bedrock; none: unknown
    in_use: InUse


def names_in(environment: DeployedEnvironment, execution: Execution) -> ResourceNames:
    return names_of(environment.name, execution.name, execution.arn)


def run_prefix(names: ResourceNames) -> str:
    return run_folder(names.run)


def asked_models(requested: RequestedRun, region: str) -> dict[str, str]:
    """Return the names of all models but the tuned by the id that the run asks, if it can here."""
    model, judge = requested.model, requested.judge
    asked = {model.base_inference: f"the base model {model.name}"}
    is_out_of_reach = region not in model.customization_regions  # of the function
    if is_out_of_reach or requested.settings.answers_of_run:
        asked = {}
    if judge:
        asked.setdefault(judge.inference, f"the judge {judge.name}")
    for other in requested.others:
        if other.answers_in(region):
            asked.setdefault(other.inference, f"{other.name} of also_compare")
    return {each.model_id: name for each, name in asked.items() if each.available_in(region)}


def check(
    execution: Execution,
    requested: RequestedRun,
    found: Prerequisites,
    environment: DeployedEnvironment,
) -> tuple[HostingOption, ...]:
    """Return how the tuned model can be served.

    Raises
    ------
    PreflightFailed
        Has every reason why the run cannot succeed, one a line.
    """
    region = environment.region
    options = hosting_options(requested, found.tuned_model, found.quotas, found.in_use, region)
    refuse(
        [
            *common_problems(execution, requested, found, environment),
            *_model_problems(requested, found, region),
            *_base_problems(requested, region),
            *hosting_problems(options),
            *_role_problems(environment),
        ]
    )
    return options


def common_problems(
    execution: Execution, requested: RequestedRun, found: Known, environment: DeployedEnvironment
) -> list[str]:
    """Return why no run can succeed, also one that judges the answers of an earlier one."""
    region, settings = environment.region, requested.settings
    return [
        *name_problems(execution, found.taken),
        *_judge_problems(requested, region),
        *answer_problems(asked_models(requested, region), found.refusals, region),
        *_dataset_problems(settings, found.dataset_keys, environment.bucket),
    ]


def refuse(problems: Sequence[str]) -> None:
    """Raise PreflightFailed with all problems, if there are any."""
    if problems:
        raise PreflightFailed("the run cannot succeed:\n" + "\n".join(problems))


def _model_problems(requested: RequestedRun, found: Prerequisites, region: str) -> list[str]:
    """Return why the model cannot be trained or served; one that is trained is served only."""
    model, asked = requested.model, requested.settings.hosting
    if requested.settings.tuned_by_run:
        return [*serving_problems(model, found.tuned_model, asked, region)]
    return [
        *tuning_problems(requested, found.tuned_model, found.alternatives, region),
        *access_problems(model.name, found.access, region),
        *problems_of(training_demands(found.quotas, found.in_use), region),
    ]


def _base_problems(requested: RequestedRun, region: str) -> Iterable[str]:
    model = requested.model
    # That the model cannot be tuned here is a problem of its own.
    if region in model.customization_regions and not model.base_inference.available_in(region):
        regions = ", ".join(model.base_inference.regions)
        yield f"{model.name} itself can be invoked from {regions} only, not from {region}"


def _judge_problems(requested: RequestedRun, region: str) -> Iterable[str]:
    judge = requested.judge
    if judge and not judge.inference.available_in(region):
        regions = ", ".join(judge.inference.regions)
        yield f"the judge {judge.name} can be invoked from {regions} only, not from {region}"
    for other in requested.others:
        if not other.answers_in(region):
            yield (
                f"{other.name} of also_compare can be invoked from {', '.join(other.regions)} "
                f"only, not from {region}: leave it out"
            )


_NOT_UPLOADED = "upload it (python -m dataset prepare writes it), or name another dataset"
_EXPIRED = (
    "the files of a run expire (expire_runs_after_days of the environment), and without its "
    "training data nobody can tell whether the model has seen the questions. Copy the file back if "
    "you have it, or leave {earlier} out to train again"
)


def _dataset_problems(settings: ExecutionInput, keys: frozenset[str], bucket: str) -> Iterable[str]:
    for kind in REQUIRED:
        key = source_key(kind, settings.dataset, settings.tuned_by_run, settings.answers_of_run)
        if key not in keys:
            earlier = "answers_of_run" if settings.answers_of_run else "tuned_by_run"
            expired = key.startswith(RUNS)
            why = _EXPIRED.format(earlier=earlier) if expired else _NOT_UPLOADED
            yield f"s3://{bucket}/{key} does not exist: {why}"


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


def plan(  # noqa: PLR0913  # each from another place
    request: CheckPreflightRequest,
    settings: ExecutionInput,
    defaults: ExecutionDefaults,
    environment: DeployedEnvironment,
    hosting_options: tuple[HostingOption, ...],
    *,
    tuned_model_arn: str | None = None,
) -> Run:
    """Return the run with everything that follows from its input."""
    names, tuned_by = names_in(environment, request.execution), settings.tuned_by_run
    return Run(
        name=names.run,
        execution_arn=request.execution.arn,
        environment=environment.name,
        region=environment.region,
        started_at=request.execution.started_at,
        bucket=environment.bucket,
        prefix=run_prefix(names),
        settings=settings,
        job_name=names.job,
        custom_model_name=custom_model_of(environment.name, tuned_by or names.run),
        hosting_name=names.hosting,
        client_token=names.client_token,
        approval_hours=defaults.approval_hours if settings.require_approval else None,
        fail_on_warnings=tuple(defaults.fail_on_warnings),
        min_evaluation_questions=defaults.least_questions,
        verdict_confidence=defaults.verdict_confidence,
        verdict_margin_percent=defaults.verdict_margin_percent,
        tags=dict(environment.tags),
        reap_every_minutes=environment.reap_every_minutes,
        comprehend_max_usd=environment.comprehend_max_usd,
        hosting_options=hosting_options,
        tuned_by_run=tuned_by,
        tuned_model_arn=tuned_model_arn,
    )
