"""The kinds of hosting that a run can have, and what keeps the account from each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from lambdas.domain.models.model import HostingKind
from lambdas.domain.preflight.models import (
    ModelAvailability,
    RequestedRun,
    kinds_of_hosting,
    lifecycle_problems,
)
from lambdas.domain.preflight.quotas import InUse, Quota, hosting_demands, problems_of
from lambdas.domain.run.contracts import HostingOption


def hosting_options(
    requested: RequestedRun,
    tuned_model: ModelAvailability | None,
    quotas: Sequence[Quota],
    used: InUse,
    region: str,
) -> tuple[HostingOption, ...]:
    """Return the kinds that input, model, region and Bedrock's answer allow.

    Each has as its problem why the account cannot have it now, and what to do.
    """

    def problem(kind: HostingKind) -> str | None:
        units = requested.settings.model_units
        demands = hosting_demands(kind, requested.model, units, quotas, used)
        closed = _closed(requested, tuned_model) if kind == "provisioned" else []
        return "; ".join([*closed, *problems_of(demands, region)]) or None

    kinds = kinds_of_hosting(requested.settings.hosting, requested.model, tuned_model, region)
    return tuple(HostingOption(kind=kind, problem=problem(kind)) for kind in kinds)


def _closed(requested: RequestedRun, tuned_model: ModelAvailability | None) -> list[str]:
    """Return why no throughput is sold any more; a model that is tuned can still be deployed.

    Of a model that is yet to be tuned these are problems of their own.
    """
    if requested.past_end_allowed or not requested.settings.tuned_by_run:
        return []
    return [*lifecycle_problems(requested.model, tuned_model, requested.until)]


def hosting_problems(options: Sequence[HostingOption]) -> Iterable[str]:
    """Yield why the run can have no hosting; a kind without a problem is enough.

    That there is no kind at all is a problem of the model.
    """
    problems = [option.problem for option in options if option.problem]
    if len(problems) == len(options):
        yield from problems
