"""What the clean-up machine deletes: what its filters match, in the order that AWS accepts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from itertools import chain
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from lambdas.domain.cost.calculator import Calculator
from lambdas.domain.errors import LeftBehind
from lambdas.domain.housekeeping.executions_under_way import ExecutionsUnderWay
from lambdas.domain.housekeeping.running_costs import usd_per_month
from lambdas.domain.housekeeping.survey import (
    END_SECONDS,
    KINDS,
    Account,
    Problem,
    Survey,
    look,
    told,
)
from lambdas.domain.housekeeping.tagged_resources import Kind, TaggedResource
from lambdas.domain.parallel import each_alone
from lambdas.domain.run.contracts import CleanupItem, CleanupPlan, Deletions
from lambdas.domain.run.tags import KEEP

MAX_ITEMS = 200  # of one plan, which must not outgrow a state's 256 KB
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
            every = ", ".join(f'"{kind}"' for kind in KINDS)
            raise ValueError(
                "mode is delete: choose what by kinds, runs or older_than_days; everything is "
                f'"kinds": [{every}]'
            )
        return self


def plan(
    asked: CleanupInput,
    survey: Survey,
    running: ExecutionsUnderWay | None,
    now: datetime,
    calculator: Calculator,
) -> CleanupPlan:
    """Decide on each resource.

    Where `running` is not known, only what is overdue goes.
    """
    ranked = sorted(survey.own, key=lambda it: (KINDS.index(it.kind), it.created_at))
    items = [
        _item(
            resource,
            next(
                chain(
                    _protections(resource, running, now),
                    _unmatched(asked, resource, survey.environment, now),
                ),
                None,
            ),
            now,
            usd_per_month(resource, calculator),
        )
        for resource in ranked
    ]
    listed = sorted(items, key=lambda item: not item.delete)[:MAX_ITEMS]
    return CleanupPlan(
        mode=asked.mode,
        items=listed,
        deletions=sum(item.delete for item in listed),
        usd_per_month=sum(item.usd_per_month or 0 for item in items),
        problems=told(survey.problems),
        summary=table(asked.mode, items, survey.problems),
    )


def delete(
    account: Account, plan: CleanupPlan, environment: str, seconds_left: Callable[[], float]
) -> Deletions:
    """Delete what the plan names, kind by kind, each even if others fail.

    Raises
    ------
    HostingBusy, Throttled, ServiceUnavailable
        AWS refuses some of it for now: the machine asks again.
    LeftBehind
        All that is left is what AWS refuses for good; names each with its reason.
    """
    wanted = [item for item in plan.items if item.delete]
    # Looked at again: the plan is some time old, and what is gone is not a failure.
    survey = look(
        account,
        environment,
        kinds=[kind for kind in KINDS if any(item.kind == kind for item in wanted)],
        arns={item.arn for item in wanted},
        seconds_left=seconds_left,
    )
    problems = survey.problems
    stay = {it.arn for it in survey.own if it.kept or _hides_a_keep(it)}
    for kind in KINDS:
        there = [it for it in survey.own if it.kind == kind and it.arn not in stay]
        answers = each_alone(account.end, there, may_begin=lambda: seconds_left() > END_SECONDS)
        problems += [
            Problem(resource.name, answer)
            for resource, answer in zip(there, answers, strict=True)
            if isinstance(answer, Exception)
        ]
    if problems:
        # One that AWS refuses for good must not end the attempts on the others.
        passing = next((type(each.error) for each in problems if each.passes), LeftBehind)
        raise passing(told(problems))
    return Deletions(deleted=[item.name for item in wanted if item.arn not in stay])


def _hides_a_keep(resource: TaggedResource) -> bool:
    return resource.kind == "custom-model" and resource.unreadable is not None


def _protections(
    resource: TaggedResource, running: ExecutionsUnderWay | None, now: datetime
) -> Iterator[str]:
    if resource.kept:
        yield f"tagged {KEEP}"
    if _hides_a_keep(resource):
        yield f"its tags, of which one may be {KEEP}, could not be read"
    if running is None:
        if not resource.is_overdue(now):
            yield "Step Functions did not say whether its run is under way"
    elif running.use(resource):
        yield "a run under way uses it: stop the execution first"
    if resource.commitment:
        yield f"bought with a commitment ({resource.commitment}): AWS deletes it only after its end"


def _unmatched(
    asked: CleanupInput, resource: TaggedResource, environment: str, now: datetime
) -> Iterator[str]:
    if asked.kinds and resource.kind not in asked.kinds:
        yield f"not of kinds {', '.join(asked.kinds)}"
    if asked.runs and resource.runs(environment).isdisjoint(asked.runs):
        yield "of another run"
    days = resource.age_minutes(now) / _MINUTES_PER_DAY
    if asked.older_than_days is not None and days < asked.older_than_days:
        yield f"younger than {asked.older_than_days:g} days"


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


def table(mode: str, items: Sequence[CleanupItem], problems: Sequence[Problem]) -> str:
    """Return the plan as a table for a terminal, what it all costs, and what it does not know."""
    unknown = [f"Could not be looked at: {told(problems)}"] if problems else []
    if not items:
        return "\n".join(unknown or ["Nothing of this environment is on Bedrock."])
    shown = sorted(items, key=lambda item: not item.delete)[:MAX_ITEMS]
    rows = [_TITLES, *(_row(mode, each) for each in shown)]
    widths = [max(len(row[n]) for row in rows) for n in range(len(_TITLES))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in rows
    ]
    more = len(items) - len(shown)
    rest = [f"and {more} more: start the clean-up again for the rest"] if more else []
    return "\n".join([*(line.rstrip() for line in lines), *rest, _total(items), *unknown])


def _total(items: Sequence[CleanupItem]) -> str:
    total = sum(each.usd_per_month or 0 for each in items)
    unknown = sum(each.usd_per_month is None for each in items)
    more = f", and {unknown} at an unknown price" if unknown else ""
    return f"All of it costs ${total:,.2f} a month{more}."


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
