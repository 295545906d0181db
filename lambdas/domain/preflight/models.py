"""Whether the model that a run asks for can be tuned and served, here and until its end."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from lambdas.domain.evaluation.metrics import needs_judge
from lambdas.domain.models.catalogue import MODELS
from lambdas.domain.models.lookup import find_judge, find_model, find_untuned
from lambdas.domain.models.model import HostingKind, Judge, Model, Untuned
from lambdas.domain.run.execution_input import (
    FEW_SHOT,
    PROVISIONING_MINUTES,
    ExecutionDefaults,
    ExecutionInput,
    Settings,
)

_LISTED_AS: Mapping[HostingKind, str] = {"provisioned": "PROVISIONED"}
_HOW = {"provisioned": "with provisioned throughput", "on-demand": "on demand"}


@dataclass(frozen=True)
class ModelAvailability:
    """From GetFoundationModel; the end of life is None while none is announced."""

    model_id: str
    status: str  # ACTIVE | LEGACY, or what AWS adds
    end_of_life: datetime | None
    customizations: frozenset[str]
    inference_types: frozenset[str]


@dataclass(frozen=True)
class RequestedRun:
    """What the execution's input asks for."""

    settings: ExecutionInput
    model: Model
    judge: Judge | None  # None: nothing asks it
    others: tuple[Untuned, ...]  # of also_compare
    past_end_allowed: bool  # by a private arrangement between AWS and the account
    until: datetime  # the latest time at which the run uses the model


def asks_judge(settings: Settings) -> bool:
    """Whether the run asks the judge model about anything."""
    return needs_judge(settings.metric) or settings.review_data


def requested_run(
    settings: ExecutionInput, defaults: ExecutionDefaults, now: datetime
) -> RequestedRun:
    """Look up the models that the settings name."""
    training_hours = 0 if settings.tuned_by_run else settings.max_training_hours
    approval_hours = defaults.approval_hours if settings.require_approval else 0
    longest = timedelta(
        hours=approval_hours + training_hours,
        minutes=max(map(settings.provisioning_minutes, PROVISIONING_MINUTES))
        + settings.hold_minutes,
    )
    return RequestedRun(
        settings=settings,
        model=find_model(settings.model),
        judge=find_judge(settings.judge_model) if asks_judge(settings) else None,
        others=tuple(find_untuned(key) for key in settings.also_compare if key != FEW_SHOT),
        past_end_allowed=settings.model in defaults.models_past_end,
        until=now + longest,
    )


def kinds_of_hosting(
    asked: str, model: Model, found: ModelAvailability | None, region: str
) -> list[HostingKind]:
    """Return the kinds by which the tuned model can be served here, of those asked for.

    Bedrock sells throughput for what it lists as PROVISIONED only, though not for all of that; its
    API has no word for deployments. `found` is None where it was not asked.
    """
    return [
        kind
        for kind, hosting in model.hosting.items()
        if asked in {"cheapest", kind}
        and region in hosting.regions
        and (found is None or _LISTED_AS.get(kind) in {None, *found.inference_types})
    ]


def can_be_tuned(
    requested: RequestedRun, model: Model, found: ModelAvailability | None, region: str
) -> bool:
    """Say whether the model can be tuned and served here instead, without an arrangement."""
    return not [
        *support_problems(model, found, requested.settings.hosting, region),
        *lifecycle_problems(model, found, requested.until),
    ]


def tuning_problems(
    requested: RequestedRun,
    found: ModelAvailability | None,
    alternatives: Callable[[], Sequence[str]],
    region: str,
) -> list[str]:
    """Return why the model cannot be tuned or served; `alternatives` is called only then."""
    model = requested.model
    problems = list(support_problems(model, found, requested.settings.hosting, region))
    if not requested.past_end_allowed:
        problems += lifecycle_problems(model, found, requested.until)
    if problems:
        problems.append(_advice(requested, alternatives(), region))
    return problems


def support_problems(
    model: Model, found: ModelAvailability | None, asked: str, region: str
) -> Iterable[str]:
    """Yield why the model cannot be tuned here, or not be served as asked."""
    if region not in model.customization_regions:
        regions = ", ".join(model.customization_regions)
        yield f"{model.name} can be tuned in {regions} only, and this environment is in {region}"
        return
    if found is None:
        yield _gone(model, region)
        return
    if "FINE_TUNING" not in found.customizations:
        yield f"{found.model_id} does not support FINE_TUNING in {region}"
    yield from serving_problems(model, found, asked, region)


def serving_problems(
    model: Model, found: ModelAvailability | None, asked: str, region: str
) -> Iterable[str]:
    """Yield why the tuned model cannot be served here as asked."""
    if kinds_of_hosting(asked, model, found, region):
        return
    model_id = model.customization_model_id
    if others := kinds_of_hosting("cheapest", model, found, region):
        yield (
            f"{model_id} cannot be served {_HOW[asked]} in {region}, but {_HOW[others[0]]}: give "
            f'"hosting": "{others[0]}"'
        )
    else:
        yield f"{model_id} cannot be served in {region} once it is tuned"


def _gone(model: Model, region: str) -> str:
    end = model.lifecycle.end_of_life
    since = f" It reached its end of life on {end}." if end else ""
    return f"Bedrock has no {model.name} ({model.customization_model_id}) in {region}.{since}"


def lifecycle_problems(
    model: Model, found: ModelAvailability | None, until: datetime
) -> Iterable[str]:
    """Yield why no job is started for the model, by AWS's pages and by Bedrock's answer."""
    if found is None:
        return
    closed = model.lifecycle.closed_on(until.date())  # Bedrock's API may say so weeks later
    if closed or found.status == "LEGACY":
        since = f" since {closed}, as AWS documents" if closed else ", as Bedrock answers"
        yield (
            f"{model.name} is LEGACY{since}: Bedrock starts no new job and sells no new throughput "
            "for it"
        )
    if found.end_of_life is not None and found.end_of_life <= until:
        yield (
            f"{model.name} ends on {found.end_of_life:%Y-%m-%d}, and may be needed until "
            f"{until:%Y-%m-%d %H:%M}"
        )


def lifecycle_warning(model: Model, until: datetime) -> str | None:
    """Say that a date which is on no page of AWS has come; None if none has."""
    day = until.date()
    if not model.lifecycle.inferred or not model.lifecycle.begun_on(day):
        return None
    return (
        f"{model.name} may be LEGACY since {model.lifecycle.begun_on(day)}: the date is inferred, "
        f"see {model.sources['lifecycle'].url}. Bedrock refuses the job, at no cost, if it is"
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
        and each.hosting
        and not each.lifecycle.closed_on(requested.until.date())
    )
    there_is = f"; there is {elsewhere}" if elsewhere else ""
    return f"no other model of the catalogue can be tuned in {region}{there_is} {past_end}"


def _quoted(names: Iterable[str]) -> str:
    return " or ".join(f'"{name}"' for name in names)
