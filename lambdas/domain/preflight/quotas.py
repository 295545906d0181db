"""What a run needs of Bedrock's quotas, beside what the account has in use.

A quota that Service Quotas does not list is not checked: the call itself would be refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from lambdas.domain.housekeeping.tagged_resources import TaggedResource
from lambdas.domain.models.model import HostingKind, Model
from lambdas.domain.run.console import bedrock_quotas_url

# Codes: field reports of 2026, read 2026-11-23 and, of custom models, 2026-11-28. The two of
# throughput start at 0, and a purchase needs both.
_CUSTOM_MODEL_UNITS = "L-BE77399C"
_JOBS = "L-0406044C"  # (Model customization) Scheduled customization jobs
_CUSTOM_MODELS = "L-CB5B847D"  # Custom models per account
_IN_CREATION = "L-C02E1E99"  # Custom models with a creating status per account
_PER_MODEL = "model units per provisioned model for"
# Quotas on the rate of requests have the same words.
_RATES = ("per minute", "per second", "per day", "requests", "tokens")


@dataclass(frozen=True)
class Quota:
    """A quota of Bedrock as Service Quotas lists it."""

    code: str
    name: str
    value: float


@dataclass(frozen=True)
class InUse:
    """What the account has in the region, by Bedrock's lists, which may lag by some seconds."""

    throughput_units: int = 0  # for custom models and without commitment; others count elsewhere
    deployments: int = 0
    custom_models: int = 0
    running_jobs: int = 0


def in_use(resources: Iterable[TaggedResource]) -> InUse:
    """Count what quotas limit, whosever it is; what has failed counts until it is deleted."""
    of = list(resources)
    return InUse(
        throughput_units=sum(each.model_units for each in of if _counts_as_units(each)),
        deployments=sum(each.kind == "deployment" for each in of),
        custom_models=sum(each.kind == "custom-model" for each in of),
        running_jobs=sum(each.kind == "job" for each in of),
    )


def _counts_as_units(resource: TaggedResource) -> bool:
    of_custom_model = ":custom-model/" in (resource.model_arn or "")
    return resource.kind == "throughput" and of_custom_model and not resource.commitment


@dataclass(frozen=True)
class Demand:
    """What a run needs of one quota, which is None where Service Quotas lists none."""

    of: str
    quota: Quota | None
    needs: int = 1
    used: int = 0

    def problem(self, region: str) -> str | None:
        """Say that the quota does not leave what the run needs, and what to do; None if it does."""
        quota = self.quota
        if quota is None or self.used + self.needs <= quota.value:
            return None
        used = f" and {self.used:g} in use ({self.of})" if self.used else ""
        free = "wait for some to end, make cleanup, or " if self.needs <= quota.value else ""
        return (
            f"the quota {quota.name!r} ({quota.code}) is {quota.value:g} in {region}{used}, and "
            f"the run needs {self.needs}: {free}request an increase in Service Quotas "
            f"({bedrock_quotas_url(region)}), which can take days"
        )


def problems_of(demands: Iterable[Demand], region: str) -> list[str]:
    """Return what quotas do not leave, one text each."""
    return [problem for each in demands if (problem := each.problem(region))]


def hosting_demands(
    kind: HostingKind, model: Model, units: int, quotas: Sequence[Quota], used: InUse
) -> list[Demand]:
    """Return what serving the tuned model by this kind needs.

    What is being created now does not count: it will have ended when the run has trained.
    """
    match kind:
        case "provisioned":
            across = _by_code(quotas, _CUSTOM_MODEL_UNITS)
            own = _of_model(quotas, model)
            return [
                Demand(
                    "model units of throughput for custom models",
                    across,
                    units,
                    used.throughput_units,
                ),
                Demand(f"model units of one throughput for {model.name}", own, units),
            ]
        case "on-demand":
            created = _deployments(quotas, in_creation=True) or _by_code(quotas, _IN_CREATION)
            return [
                Demand("deployments", _deployments(quotas), used=used.deployments),
                Demand("deployments being created", created),
            ]


def training_demands(quotas: Sequence[Quota], used: InUse) -> list[Demand]:
    """Return what training needs, however the model is served."""
    models = used.custom_models + used.running_jobs
    return [
        Demand("customization jobs that run", _by_code(quotas, _JOBS), used=used.running_jobs),
        Demand(
            "custom models and jobs that make one", _by_code(quotas, _CUSTOM_MODELS), used=models
        ),
    ]


def _by_code(quotas: Sequence[Quota], code: str) -> Quota | None:
    return next((quota for quota in quotas if quota.code == code), None)


def _of_model(quotas: Sequence[Quota], model: Model) -> Quota | None:
    """Return the quota of a single throughput of the model by its name, for lack of a known code.

    Of several, such as one per context length, the highest: what may work is not refused.
    """
    return _highest(quotas, lambda name: name.startswith(_PER_MODEL) and model.name.lower() in name)


def _deployments(quotas: Sequence[Quota], *, in_creation: bool = False) -> Quota | None:
    """Return a quota of deployments by its name: no page has their codes."""

    def matches(name: str) -> bool:
        of_deployments = "custom model" in name and "deployment" in name
        being_created = "progress" in name or "creat" in name
        is_rate = any(word in name for word in _RATES)
        return of_deployments and being_created == in_creation and not is_rate

    return _highest(quotas, matches)


def _highest(quotas: Sequence[Quota], matches: Callable[[str], bool]) -> Quota | None:
    named = [quota for quota in quotas if matches(quota.name.lower())]
    return max(named, key=lambda quota: quota.value, default=None)
