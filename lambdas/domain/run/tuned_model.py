"""The model of an earlier run, for a run with `tuned_by_run`, which trains none of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from lambdas.domain.errors import PreflightFailed
from lambdas.domain.models.catalogue import MODELS
from lambdas.domain.models.lookup import unknown
from lambdas.domain.models.model import Model
from lambdas.domain.run.names import custom_model_of, is_name_of
from lambdas.domain.run.tags import ENVIRONMENT


@dataclass(frozen=True)
class CustomModel:
    """From GetCustomModel, with its tags."""

    arn: str
    name: str
    status: str  # Active | Creating | Failed
    base_model_arn: str
    tags: Mapping[str, str]


class TunedModel(NamedTuple):
    """A custom model that a run can host, and what it was tuned from."""

    arn: str
    base: Model


def tuned_model(
    run: str,
    environment: str,
    found: CustomModel | None,
    asked: object,
    known: Callable[[], Sequence[str]],
) -> TunedModel:
    """Return the model of an earlier run.

    Parameters
    ----------
    asked
        The input's `model`, None if it has none.
    known
        Lists the environment's runs whose models there are; called only if this is none of them.

    Raises
    ------
    PreflightFailed
        It cannot be used: says why, and what to do.
    """
    if found is None or not _is_own(environment, found):
        raise PreflightFailed(_unknown(run, environment, known()))
    if found.status != "Active":
        raise PreflightFailed(
            f"the custom model {found.name} of tuned_by_run is {found.status}, not Active: wait "
            "until the training of that run is over, or leave tuned_by_run out"
        )
    base = _base(found)
    if base is None:
        raise PreflightFailed(
            f"the custom model {found.name} of tuned_by_run was tuned from {found.base_model_arn}, "
            "which is not in the catalogue: leave tuned_by_run out"
        )
    if asked not in {None, base.key}:
        raise PreflightFailed(
            f"model is {asked!r}, and run {run} tuned {base.key!r}: leave model out, or leave "
            f"tuned_by_run out to tune {asked!r}"
        )
    return TunedModel(found.arn, base)


def _base(found: CustomModel) -> Model | None:
    base = found.base_model_arn.rpartition("/")[2]  # it may lack the context
    return next(
        (it for it in MODELS.values() if base in {it.customization_model_id, it.model_id}), None
    )


def _is_own(environment: str, found: CustomModel) -> bool:
    owner = found.tags.get(ENVIRONMENT, environment)  # tags can be lost, a name cannot
    return owner == environment and is_name_of(environment, found.name)


def _unknown(run: str, environment: str, known: Sequence[str]) -> str:
    said = unknown("run with a model", run, known) if known else "No run here has one."
    return (
        f"tuned_by_run: there is no custom model {custom_model_of(environment, run)} of this "
        f"environment; it may have been deleted. {said} Leave tuned_by_run out to train one"
    )
