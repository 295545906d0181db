"""Check preflight: resolve the execution input and make sure that the run can succeed."""

from __future__ import annotations

from lambdas.aws.artefacts import Artefacts
from lambdas.aws.foundation_models import get_foundation_model
from lambdas.aws.quotas import bedrock_quota
from lambdas.domain.models.catalogue import MODELS
from lambdas.domain.models.model import Model
from lambdas.domain.run import preflight
from lambdas.domain.run.contracts import CheckPreflightRequest, Run
from lambdas.domain.run.execution_input import ExecutionDefaults, resolve
from lambdas.domain.run.preflight import FoundationModel
from lambdas.runtime.step import setting, step


def check_preflight(request: CheckPreflightRequest) -> Run:
    defaults = ExecutionDefaults.model_validate_json(setting("EXECUTION_DEFAULTS"))
    settings = resolve(request.input, defaults)
    choice = preflight.choose(settings, defaults.models_past_end, request.now)
    place = _place(request.execution.arn)
    facts = _facts(choice, place)
    preflight.check(choice, facts, place)
    return preflight.plan(request, settings, defaults, place, facts.dataset_keys)


def _facts(choice: preflight.Choice, place: preflight.Place) -> preflight.Facts:
    prefix = preflight.dataset_prefix(choice.settings)
    return preflight.Facts(
        tuned_model=_tunable_model(choice.model, place.region),
        alternatives=_alternatives(choice, place.region),
        base_model=_base_model(choice.model, place.region),
        judge_model=get_foundation_model(choice.judge.foundation_model_id),
        dataset_keys=frozenset(Artefacts(place.bucket).list_keys(prefix)),
        throughput_quota=bedrock_quota(preflight.THROUGHPUT_QUOTA),
    )


def _tunable_model(model: Model, region: str) -> FoundationModel | None:
    if region not in model.customization_regions:
        return None  # the function may ask for models of its own region only
    return get_foundation_model(model.customization_model_id)


def _base_model(model: Model, region: str) -> FoundationModel | None:
    if region not in model.customization_regions:
        return None
    return get_foundation_model(model.base_inference.foundation_model_id)


def _alternatives(choice: preflight.Choice, region: str) -> list[str]:
    others = (model for model in MODELS.values() if model != choice.model)
    return [
        model.key
        for model in others
        if preflight.can_be_tuned(model, _tunable_model(model, region), region, choice.until)
    ]


def _place(execution_arn: str) -> preflight.Place:
    _, _, _, region, account, *_ = execution_arn.split(":")
    return preflight.Place(
        environment=setting("ENVIRONMENT"),
        bucket=setting("ARTEFACT_BUCKET"),
        region=region,
        account=account,
        service_role_arn=setting("SERVICE_ROLE_ARN"),
    )


handler = step("Check preflight", CheckPreflightRequest)(check_preflight)
