"""What the clean-up machine deletes: what its filters match, in the order that AWS accepts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from lambdas.domain.cost.calculator import Calculator
from lambdas.domain.housekeeping.running_costs import usd_per_month
from lambdas.domain.housekeeping.tagged_resources import Kind, TaggedResource
from lambdas.domain.run.contracts import CleanupItem, CleanupPlan
from lambdas.domain.run.execution_status import is_under_way
from lambdas.domain.run.tags import KEEP

# A model that is being served cannot be deleted: what serves it goes first.
_ORDER: tuple[Kind, ...] = ("throughput", "deployment", "job", "custom-model")
MAX_DELETIONS = 200  # of one execution, so that no plan outgrows a state's 256 KB
_MINUTES_PER_DAY = 1440
_TITLES = ("kind", "name", "status", "age", "a month", "")


class CleanupInput(BaseModel):
    """Input of the clean-up machine; `{}` lists everything and deletes nothing."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mode: Literal["plan", "delete"] = Field(
        default="plan", description='"plan" changes nothing.', examples=["plan"]
    )
    kinds: list[Kind] = Field(
        default_factory=list,
        description="Kinds to delete; all if none is given.",
        examples=[["throughput"]],
    )
    runs: list[str] = Field(
        default_factory=list,
        description="Names of runs; all if none is given.",
        examples=[["first-1a2b3c"]],
    )
    older_than_days: float | None = Field(
        default=None, ge=0, description="Only what is at least this old.", examples=[30]
    )

    @model_validator(mode="after")
    def _has_a_filter(self) -> Self:
        if self.mode == "delete" and not (
            self.kinds or self.runs or self.older_than_days is not None
        ):
            every = ", ".join(f'"{kind}"' for kind in _ORDER)
            raise ValueError(
                "mode is delete: choose what by kinds, runs or older_than_days; everything is "
                f'"kinds": [{every}]'
            )
        return self


def plan(
    asked: CleanupInput,
    found: Iterable[TaggedResource],
    executions: Mapping[str, str],
    now: datetime,
    calculator: Calculator,
) -> CleanupPlan:
    """Decide on each resource; `executions` has the status of those that are known, by ARN."""
    ranked = sorted(found, key=lambda it: (_ORDER.index(it.kind), it.created_at))
    items: list[CleanupItem] = []
    for resource in ranked:
        stays = next(_reasons_to_stay(asked, resource, executions, now), None)
        if stays is None and sum(item.delete for item in items) >= MAX_DELETIONS:
            stays = f"at most {MAX_DELETIONS} at a time: start the clean-up again"
        items.append(_item(resource, stays, now, usd_per_month(resource, calculator)))
    return CleanupPlan(
        mode=asked.mode,
        items=items,
        deletions=sum(item.delete for item in items),
        usd_per_month=sum(item.usd_per_month or 0 for item in items),
        summary=table(asked.mode, items),
    )


def _reasons_to_stay(
    asked: CleanupInput,
    resource: TaggedResource,
    executions: Mapping[str, str],
    now: datetime,
) -> Iterator[str]:
    if resource.kept:
        yield f"tagged {KEEP}"
    if asked.kinds and resource.kind not in asked.kinds:
        yield f"not of kinds {', '.join(asked.kinds)}"
    if asked.runs and resource.run not in asked.runs:
        yield "of another run"
    days = resource.age_minutes(now) / _MINUTES_PER_DAY
    if asked.older_than_days is not None and days < asked.older_than_days:
        yield f"younger than {asked.older_than_days:g} days"
    if is_under_way(executions.get(resource.execution_arn or "", "")):
        yield "its run is under way: stop the execution first"
    if resource.commitment:
        yield f"bought with a commitment ({resource.commitment}): AWS deletes it only after its end"


def _item(
    resource: TaggedResource, stays: str | None, now: datetime, usd: float | None
) -> CleanupItem:
    return CleanupItem(
        kind=resource.kind,
        name=resource.name,
        arn=resource.arn,
        status=resource.status,
        run=resource.run,
        age_days=round(resource.age_minutes(now) / _MINUTES_PER_DAY, 2),
        usd_per_month=None if usd is None else round(usd, 2),
        delete=stays is None,
        reason=stays or "matched by the filters",
    )


def table(mode: str, items: Sequence[CleanupItem]) -> str:
    """Return the plan as a table for a terminal, and what it all costs."""
    if not items:
        return "Nothing of this environment is on Bedrock."
    rows = [_TITLES, *(_row(mode, each) for each in items)]
    widths = [max(len(row[n]) for row in rows) for n in range(len(_TITLES))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in rows
    ]
    total = sum(each.usd_per_month or 0 for each in items)
    unknown = sum(each.usd_per_month is None for each in items)
    more = f", and {unknown} at an unknown price" if unknown else ""
    return "\n".join(
        [*(line.rstrip() for line in lines), f"All of it costs ${total:,.2f} a month{more}."]
    )


def _row(mode: str, item: CleanupItem) -> tuple[str, ...]:
    going = "delete" if mode == "delete" else "would be deleted"
    usd = "unknown" if item.usd_per_month is None else f"${item.usd_per_month:,.2f}"
    age = f"{item.age_days:.1f} d"
    return (
        item.kind,
        item.name,
        item.status,
        age,
        usd,
        going if item.delete else f"stays: {item.reason}",
    )
