"""*Reap leftovers*: on a schedule, ends what bills and should be gone; needs no state machine.

It goes by the tags that each resource got in the call that created it: this environment's, and a
release-by that has passed or an execution that is over. Nothing it does depends on the machine,
its definition or its role as they are now.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime

from lambdas.aws.clients import client
from lambdas.aws.executions import Executions
from lambdas.aws.inventory import Inventory
from lambdas.aws.metrics import record
from lambdas.aws.topic import Topic
from lambdas.domain.errors import LeftBehind
from lambdas.domain.housekeeping import reaper as leftovers
from lambdas.domain.housekeeping.reaper import Failure, Leftover
from lambdas.domain.housekeeping.tagged_resources import Owned, is_overdue
from lambdas.domain.run.contracts import Reaped, ReapLeftoversRequest
from lambdas.runtime.pricing import tariff
from lambdas.runtime.step import logger, setting, step


@dataclass
class Pass:
    """One pass: every step is tried, whatever became of the others."""

    now: datetime
    inventory: Inventory
    executions: Executions
    alive: list[Owned] = field(default_factory=list)
    deleted: list[Leftover] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def run(self) -> None:
        # Throughputs first: they bill by the hour.
        for listing in (
            self.inventory.throughputs,
            self.inventory.deployments,
            self.inventory.running_jobs,
        ):
            self._reap(listing)

    def _reap(self, listing: Callable[[], Iterable[Owned]]) -> None:
        try:
            for owned in listing():
                self.alive.append(owned)
                self._judge(owned)
        except Exception as error:  # noqa: BLE001  # the next kind must still be looked at
            logger.exception("could not list")
            self.errors.append(str(error))

    def _judge(self, owned: Owned) -> None:
        found = leftovers.leftover(owned, self._execution(owned), self.now)
        if found is None:
            return
        try:
            self.inventory.end(owned)
        except Exception as error:  # noqa: BLE001  # the next one must still be tried
            logger.exception("left behind", extra={"resource": owned.name})
            self.failures.append(Failure(found, str(error)))
        else:
            self.deleted.append(found)

    def _execution(self, owned: Owned) -> str | None:
        """Return the execution's status; that it cannot be told leaves the release-by to decide."""
        if owned.execution_arn is None:
            return None
        try:
            return self.executions.status(owned.execution_arn)
        except Exception as error:  # noqa: BLE001  # the tags may say enough
            logger.exception("could not look at the execution", extra={"resource": owned.name})
            self.errors.append(str(error))
            return None


def reap_leftovers(request: ReapLeftoversRequest) -> Reaped:
    """Make one pass.

    Raises
    ------
    LeftBehind
        Something could not be listed, looked at or deleted; the schedule comes again.
    """
    this = Pass(request.now, Inventory(setting("ENVIRONMENT")), Executions())
    this.run()
    _measure(this)
    _tell(this)
    if this.failures or this.errors:
        raise LeftBehind(_problems(this))
    return _reaped(this)


def _measure(this: Pass) -> None:
    ages = [each.age_minutes(this.now) for each in this.alive if each.kind == "throughput"]
    record(
        setting("ENVIRONMENT"),
        {
            "ThroughputsAlive": len(ages),
            "OldestThroughputMinutes": max(ages, default=0),
            "HostingOverdue": sum(is_overdue(each, this.now) for each in this.alive),
            "LeftBehind": len(this.failures),
        },
    )


def _tell(this: Pass) -> None:
    if not (this.deleted or this.failures):
        return
    text = leftovers.body(this.deleted, this.failures, this.now, tariff())
    subject = leftovers.subject(setting("ENVIRONMENT"), this.deleted, this.failures)
    try:
        Topic(setting("TOPIC_ARN")).publish(subject, text)
    except Exception as error:  # noqa: BLE001  # what was deleted stays deleted; the alarm tells
        logger.exception("could not mail", extra={"mail": text})
        this.errors.append(str(error))


def _problems(this: Pass) -> str:
    region: str = client("bedrock").meta.region_name
    left = (
        f"{each.leftover.owned.name} ({each.error}); by hand: "
        f"{leftovers.command(each.leftover.owned, region)}"
        for each in this.failures
    )
    return "; ".join([*left, *this.errors])


def _reaped(this: Pass) -> Reaped:
    ages = [each.age_minutes(this.now) for each in this.alive if each.kind == "throughput"]
    return Reaped(
        throughputs_alive=len(ages),
        oldest_throughput_minutes=max(ages, default=0),
        deleted=[each.owned.name for each in this.deleted],
    )


handler = step("Reap leftovers", ReapLeftoversRequest)(reap_leftovers)
