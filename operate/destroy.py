"""Before `make destroy`: check that nothing of the environment is running or still billed.

The guards and the reaper go with the stacks: nothing would release it any more.
Exit status: 0 nothing is billed, or --force; 1 something is; 2 bad usage, or the check failed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import boto3

from exit_codes import ExitCode
from lambdas.aws.inventory import Inventory
from lambdas.domain.cost.calculator import Calculator
from lambdas.domain.cost.price_book import PriceBook
from lambdas.domain.housekeeping.running_costs import bills, usd_per_hour, usd_per_month
from lambdas.domain.housekeeping.tagged_resources import TaggedResource
from lambdas.domain.run.tags import KEEP
from operate.deployed import Deployed, find_deployed
from stacks.environment import load


def main(arguments: Sequence[str] | None = None) -> ExitCode:
    parser = argparse.ArgumentParser(prog="make destroy", description=__doc__)
    parser.add_argument("--env", required=True, metavar="NAME")
    parser.add_argument("--force", action="store_true", help="destroy in any case")
    options = parser.parse_args(arguments)
    try:
        problems = list(obstacles(find_deployed(options.env)))
    except Exception as error:  # noqa: BLE001  # whatever it was, something may still be billed
        print(f"error: could not check what is still billed: {error}", file=sys.stderr)
        advice, status = "Fix the cause and run it again.", ExitCode.ERROR
    else:
        if not problems:
            return ExitCode.OK
        print("\n".join(problems), file=sys.stderr)
        advice = f"To delete these: make cleanup ENV={options.env}. To keep one, tag it {KEEP}."
        status = ExitCode.FAILED
    if options.force:
        print("Destroying anyway (FORCE=1): what still bills goes on billing.", file=sys.stderr)
        return ExitCode.OK
    print(f"Not destroyed. {advice} To destroy anyway: FORCE=1.", file=sys.stderr)
    return status


def obstacles(deployed: Deployed) -> Iterator[str]:
    """Yield each reason not to remove the stacks."""
    states: Any = boto3.client("stepfunctions", region_name=deployed.region)
    if "StateMachineArn" in deployed.outputs:
        running = states.list_executions(
            stateMachineArn=deployed.state_machine_arn, statusFilter="RUNNING"
        )["executions"]
        yield from (f"execution {execution['name']} is running" for execution in running)
    bedrock: Any = boto3.client("bedrock", region_name=deployed.region)
    prices = Calculator(PriceBook.load(load(deployed.name).prices), deployed.region)
    for resource in Inventory(deployed.name, bedrock).everything():
        if bills(resource) and not resource.kept:
            yield f"{resource.kind} {resource.name} is still billed: {_cost(resource, prices)}"


def _cost(resource: TaggedResource, prices: Calculator) -> str:
    if resource.kind == "job":
        return "it is training"
    hourly, monthly = usd_per_hour(resource, prices), usd_per_month(resource, prices)
    if hourly:
        return f"${hourly:,.2f} an hour"
    return "price unknown" if monthly is None else f"${monthly:,.2f} a month"


if __name__ == "__main__":
    sys.exit(main())
