"""*Reap leftovers*: on a schedule, ends what should be gone; needs no state machine.

It relies only on the tags that each resource got in the call that created it, and on its name; for
a deployment, on how its execution ended.
Changes to the machine, its definition or its role cannot break it.
"""

from __future__ import annotations

from lambdas.aws.executions import Executions
from lambdas.aws.inventory import Inventory
from lambdas.aws.metrics import record
from lambdas.aws.topic import Topic
from lambdas.domain.errors import LeftBehind
from lambdas.domain.housekeeping import reaper
from lambdas.domain.housekeeping.executions_under_way import ExecutionsUnderWay
from lambdas.domain.housekeeping.reaper import Pass
from lambdas.domain.housekeeping.survey import Problem
from lambdas.domain.run.contracts import Reaped, ReapLeftoversRequest
from lambdas.domain.run.variables import MachineVariables, ReapLeftoversVariables
from lambdas.runtime.pricing import calculator
from lambdas.runtime.step import SecondsLeft, logger, timed_step, variables_of


def reap_leftovers(request: ReapLeftoversRequest, seconds_left: SecondsLeft) -> Reaped:
    """Make one pass.

    Raises
    ------
    LeftBehind
        Something could not be listed, looked at or deleted; the schedule comes again.
    """
    # What the mail needs is read after the pass: no price or topic can keep it from releasing.
    variables = variables_of(MachineVariables)
    environment = variables.environment
    inventory, executions = Inventory(environment), Executions()
    this = reaper.reap(
        inventory,
        environment,
        lambda: ExecutionsUnderWay.of(environment, executions.running(variables.machine_arn)),
        status=executions.status,
        now=request.now,
        seconds_left=seconds_left,
    )
    _measure(this, environment)
    _tell(this, inventory.region)
    if left := reaper.problems(this, inventory.region):
        raise LeftBehind(left)
    ages = this.throughput_minutes
    return Reaped(
        throughputs_alive=len(ages),
        oldest_throughput_minutes=max(ages, default=0),
        deleted=[each.resource.name for each in this.deleted],
    )


def _measure(this: Pass, environment: str) -> None:
    ages = this.throughput_minutes
    record(
        environment,
        {
            "ThroughputsAlive": len(ages),
            "OldestThroughputMinutes": max(ages, default=0),
            "DeploymentsAlive": this.deployments,
            "HostingOverdue": sum(each.is_overdue(this.now) for each in this.alive),
            "LeftBehind": len(this.undeleted),
        },
    )


def _tell(this: Pass, region: str) -> None:
    if not (this.leftovers or this.undeleted or this.problems):
        return
    try:
        variables = variables_of(ReapLeftoversVariables)
        text = reaper.body(this, calculator(variables, region))
        Topic(variables.topic_arn).publish(reaper.subject(variables.environment, this), text)
    except Exception as error:  # noqa: BLE001  # what was deleted stays deleted; the alarm tells
        deleted = [each.resource.name for each in this.deleted]
        logger.exception("could not mail", extra={"deleted": deleted})
        this.problems.append(Problem("mail", error))


handler = timed_step("Reap leftovers", ReapLeftoversRequest)(reap_leftovers)
