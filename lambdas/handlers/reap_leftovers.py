"""*Reap leftovers*: on a schedule, ends what bills and should be gone; needs no state machine.

It relies only on the tags that each resource got in the call that created it: the environment, the
release-by, the execution. Changes to the machine, its definition or its role cannot break it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime

from lambdas.aws.executions import Executions
from lambdas.aws.inventory import Inventory
from lambdas.aws.metrics import record
from lambdas.aws.topic import Topic
from lambdas.domain.errors import LeftBehind
from lambdas.domain.housekeeping import reaper
from lambdas.domain.housekeeping.reaper import Expired, Undeleted
from lambdas.domain.housekeeping.tagged_resources import TaggedResource
from lambdas.domain.run.contracts import Reaped, ReapLeftoversRequest
from lambdas.domain.run.variables import EnvironmentVariables, ReapLeftoversVariables
from lambdas.runtime.pricing import calculator
from lambdas.runtime.step import logger, step, variables_of


@dataclass
class Pass:
    """One pass: every step is tried, whatever became of the others."""

    now: datetime
    inventory: Inventory
    executions: Executions
    alive: list[TaggedResource] = field(default_factory=list)
    deleted: list[Expired] = field(default_factory=list)
    undeleted: list[Undeleted] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def run(self) -> None:
        # Throughputs first: they bill by the hour.
        for listing in (
            self.inventory.throughputs,
            self.inventory.deployments,
            self.inventory.running_jobs,
        ):
            self._reap(listing)

    def _reap(self, listing: Callable[[], Iterable[TaggedResource]]) -> None:
        try:
            for resource in listing():
                self.alive.append(resource)
                self._reap_one(resource)
        except Exception as error:  # noqa: BLE001  # the next kind must still be looked at
            logger.exception("could not list")
            self.errors.append(str(error))

    def _reap_one(self, resource: TaggedResource) -> None:
        found = reaper.expired(resource, self._execution(resource), self.now)
        if found is None:
            return
        try:
            self.inventory.end(resource)
        except Exception as error:  # noqa: BLE001  # the next one must still be tried
            logger.exception("left behind", extra={"resource": resource.name})
            self.undeleted.append(Undeleted(found, str(error)))
        else:
            self.deleted.append(found)

    def _execution(self, resource: TaggedResource) -> str | None:
        """Return the execution's status; None leaves the release-by to decide."""
        if resource.execution_arn is None:
            return None
        try:
            return self.executions.status(resource.execution_arn)
        except Exception as error:  # noqa: BLE001  # the tags may say enough
            logger.exception("could not look at the execution", extra={"resource": resource.name})
            self.errors.append(str(error))
            return None


def reap_leftovers(request: ReapLeftoversRequest) -> Reaped:
    """Make one pass.

    Raises
    ------
    LeftBehind
        Something could not be listed, looked at or deleted; the schedule comes again.
    """
    # What the mail needs is read after the pass: no price or topic can keep it from releasing.
    environment = variables_of(EnvironmentVariables).environment
    this = Pass(request.now, Inventory(environment), Executions())
    this.run()
    _measure(this, environment)
    _tell(this)
    if this.undeleted or this.errors:
        raise LeftBehind(_problems(this))
    return _reaped(this)


def _measure(this: Pass, environment: str) -> None:
    ages = [each.age_minutes(this.now) for each in this.alive if each.kind == "throughput"]
    record(
        environment,
        {
            "ThroughputsAlive": len(ages),
            "OldestThroughputMinutes": max(ages, default=0),
            "HostingOverdue": sum(each.is_overdue(this.now) for each in this.alive),
            "LeftBehind": len(this.undeleted),
        },
    )


def _tell(this: Pass) -> None:
    if not (this.deleted or this.undeleted):
        return
    try:
        variables = variables_of(ReapLeftoversVariables)
        prices = calculator(variables, this.inventory.region)
        text = reaper.body(this.deleted, this.undeleted, this.now, prices)
        subject = reaper.subject(variables.environment, this.deleted, this.undeleted)
        Topic(variables.topic_arn).publish(subject, text)
    except Exception as error:  # noqa: BLE001  # what was deleted stays deleted; the alarm tells
        deleted = [each.resource.name for each in this.deleted]
        logger.exception("could not mail", extra={"deleted": deleted})
        this.errors.append(str(error))


def _problems(this: Pass) -> str:
    resources = ((each.expired.resource, each.error) for each in this.undeleted)
    left = (
        f"{resource.name} ({error}); by hand: {reaper.command(resource, this.inventory.region)}"
        for resource, error in resources
    )
    return "; ".join([*left, *this.errors])


def _reaped(this: Pass) -> Reaped:
    ages = [each.age_minutes(this.now) for each in this.alive if each.kind == "throughput"]
    return Reaped(
        throughputs_alive=len(ages),
        oldest_throughput_minutes=max(ages, default=0),
        deleted=[each.resource.name for each in this.deleted],
    )


handler = step("Reap leftovers", ReapLeftoversRequest)(reap_leftovers)
