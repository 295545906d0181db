"""Whether the model that a run asks for can be tuned and served, here and until its end."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from lambdas.domain.models.catalogue import MODELS
from lambdas.domain.models.lookup import find_judge, find_model
from lambdas.domain.models.model import Judge, Model
from lambdas.domain.run.execution_input import ExecutionInput


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


def can_be_tuned(
    model: Model, found: ModelAvailability | None, region: str, until: datetime
) -> bool:
    """Say whether the model can be tuned and served here without a private arrangement."""
    return not [*_model_problems(model, found, region), *_lifecycle_problems(model, found, until)]


def tuning_problems(
    requested: RequestedRun,
    tuned_model: ModelAvailability | None,
    alternatives: Sequence[str],
    region: str,
) -> list[str]:
    problems = list(_model_problems(requested.model, tuned_model, region))
    if not requested.past_end_allowed:
        problems += _lifecycle_problems(requested.model, tuned_model, requested.until)
    if problems:
        problems.append(_advice(requested, alternatives, region))
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
