"""The quotas of Bedrock in one region: what the account may have, and what of it is in use.

Names and codes, read 2026-11-28: a published list of all quotas by code (L-BE77399C, L-FE44174A,
L-3632DE15 and L-C02E1E99: field reports; the last is read by its reporter as that of deployments in
creation). The codes that could not be found are made from the quotas' names, and so is the name of
the number of deployments: a caller finds a quota by what it is about.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from local.bedrock.catalogue import MODELS, ModelSpec
from local.bedrock.protocol import ServiceError
from local.bedrock.state import Region

ACROSS_CUSTOM_MODELS = "L-BE77399C"
ACROSS_BASE_MODELS = "L-FE44174A"
RUNNING_JOBS = "L-0406044C"
CUSTOM_MODELS = "L-CB5B847D"
DEPLOYMENTS_IN_CREATION = "L-C02E1E99"


@dataclass(frozen=True)
class Quota:
    """A quota as Service Quotas lists it, and how much of it is in use."""

    code: str
    name: str
    value: int
    used: int = 0

    def leaves(self, asked: int) -> bool:
        return self.used + asked <= self.value


def _invented_code(name: str) -> str:
    return f"L-{hashlib.sha256(name.encode()).hexdigest()[:8].upper()}"


_DEPLOYMENTS_NAME = "Custom model deployments per account"
DEPLOYMENTS = _invented_code(_DEPLOYMENTS_NAME)


def all_quotas(region: Region) -> list[Quota]:
    """Return every quota that the region knows."""
    scenario = region.scenario
    no_commitment = scenario.no_commitment_units
    units = "Model units no-commitment Provisioned Throughputs across"
    of_custom, of_base = (_uncommitted_units(region, custom=each) for each in (True, False))
    running = sum(job.status == "InProgress" for job in region.jobs.values())
    jobs = "(Model customization) Scheduled customization jobs"
    models = "Custom models per account"
    creating = sum(each.status == "Creating" for each in region.deployments.values())
    in_creation = "Custom models with a creating status per account"
    limit = scenario.deployments_in_creation
    return [
        Quota(ACROSS_CUSTOM_MODELS, f"{units} custom models", no_commitment, of_custom),
        Quota(ACROSS_BASE_MODELS, f"{units} base models", no_commitment, of_base),
        Quota(RUNNING_JOBS, jobs, scenario.running_jobs, running),
        Quota(CUSTOM_MODELS, models, scenario.custom_models, len(region.models)),
        Quota(DEPLOYMENTS, _DEPLOYMENTS_NAME, scenario.deployments, len(region.deployments)),
        Quota(DEPLOYMENTS_IN_CREATION, in_creation, limit, creating),
        *(of_model(region, each) for each in MODELS if each.is_sold_by_the_hour(region.name)),
    ]


def _uncommitted_units(region: Region, *, custom: bool) -> int:
    return sum(
        throughput.units
        for throughput in region.throughputs.values()
        if not throughput.committed_until and (throughput.custom is not None) == custom
    )


def of_model(region: Region, model: ModelSpec) -> Quota:
    """Return the quota of a single throughput of the model: no other throughput uses of it."""
    name = f"Model units per provisioned model for {model.quota_subject}"
    scenario = region.scenario
    value = scenario.units_of_models.get(model.key, scenario.no_commitment_units)
    return Quota(model.quota_code or _invented_code(name), name, value)


def refuse_beyond(region: Region, code: str) -> None:
    """Refuse one more of what the quota counts, where that is too many.

    Raises
    ------
    ServiceError
        AWS's ServiceQuotaExceededException.
    """
    quota = next(quota for quota in all_quotas(region) if quota.code == code)
    if not quota.leaves(1):
        raise _exceeded(
            f"Your account has reached the quota {quota.name} ({quota.code}): {quota.value}"
        )


def refuse_units(
    region: Region, base: ModelSpec, units: int, *, custom: bool, committed: bool
) -> None:
    """Refuse model units that the account does not have, in AWS's words of one and the other quota.

    Raises
    ------
    ServiceError
        AWS's ServiceQuotaExceededException.
    """
    code = ACROSS_CUSTOM_MODELS if custom else ACROSS_BASE_MODELS
    across = next(quota for quota in all_quotas(region) if quota.code == code)
    needed = [of_model(region, base), *([] if committed else [across])]
    if not all(quota.leaves(units) for quota in needed):
        raise _exceeded(
            "Your account does not currently have any no commitment model units reserved for "
            f"{base.customization_id}."
        )


def _exceeded(message: str) -> ServiceError:
    return ServiceError("ServiceQuotaExceededException", message)
