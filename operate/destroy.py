"""Looks, before `make destroy`, whether something of the environment is under way or still bills.

Once the stacks are gone, so are the guards and the reaper: nothing would release it any more.
Exit status: 0 nothing bills, or --force; 1 something does, or it cannot be told.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import boto3

from lambdas.aws.inventory import Inventory
from lambdas.domain.cost.price_book import PriceBook
from lambdas.domain.housekeeping.tagged_resources import Owned, Tariff, bills
from operate.deployed import Deployed, find_deployed
from stacks.environment import load


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    try:
        problems = list(in_the_way(find_deployed(options.env)))
    except Exception as error:  # noqa: BLE001  # whatever it was: who destroys blindly, pays
        problems = [f"it cannot be told what still bills: {error}"]
    if not problems:
        return 0
    print("\n".join(problems), file=sys.stderr)
    if options.force:
        print("Destroying nevertheless (FORCE=1): what is above goes on billing.", file=sys.stderr)
        return 0
    print(
        f"Not destroyed. See make cleanup ENV={options.env}; what is to stay gets the tag "
        "bedrock-tuning:keep; or FORCE=1.",
        file=sys.stderr,
    )
    return 1


def in_the_way(deployed: Deployed) -> Iterator[str]:
    """Say each thing that speaks against removing the stacks."""
    states: Any = boto3.client("stepfunctions", region_name=deployed.region)
    if "StateMachineArn" in deployed.outputs:
        running = states.list_executions(
            stateMachineArn=deployed.state_machine_arn, statusFilter="RUNNING"
        )["executions"]
        yield from (f"execution {each['name']} is under way" for each in running)
    bedrock: Any = boto3.client("bedrock", region_name=deployed.region)
    tariff = Tariff(PriceBook.load(load(deployed.name).prices), deployed.region)
    for owned in Inventory(deployed.name, bedrock).everything():
        if bills(owned) and not owned.kept:
            yield f"{owned.kind} {owned.name} still bills: {_cost(owned, tariff)}"


def _cost(owned: Owned, tariff: Tariff) -> str:
    if owned.kind == "job":
        return "it is training"
    hourly, monthly = tariff.usd_per_hour(owned), tariff.usd_per_month(owned)
    if hourly:
        return f"${hourly:,.2f} an hour"
    return "at no known price" if monthly is None else f"${monthly:,.2f} a month"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make destroy", description=__doc__)
    parser.add_argument("--env", required=True)
    parser.add_argument("--force", action="store_true")
    return parser


if __name__ == "__main__":
    sys.exit(main())
