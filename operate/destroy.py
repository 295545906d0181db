"""`make destroy ENV=name [YES=1] [FORCE=1]`: remove an environment, what guards its money last.

Looks; removes the pipeline, so that nothing is bought any more; looks until nothing bills; then
removes guards, operations and storage.
Exit status: 0 destroyed; 1 something runs or bills; 2 bad usage, or AWS refused.
"""

from __future__ import annotations

import argparse
import math
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import boto3
from botocore.exceptions import ClientError

from exit_codes import ExitCode
from lambdas.aws.executions import Executions
from lambdas.aws.inventory import Inventory
from lambdas.domain.cost.calculator import Calculator
from lambdas.domain.cost.price_book import PriceBook
from lambdas.domain.housekeeping.running_costs import bills, usd_per_hour, usd_per_month
from lambdas.domain.housekeeping.survey import look
from lambdas.domain.housekeeping.tagged_resources import TaggedResource
from lambdas.domain.run.tags import KEEP
from operate.credentials import explained
from operate.deployed import STACKS, Deployed, find_deployed
from stacks.environment import load
from stacks.names import Names

_ROOT = Path(__file__).parents[1]
_CDK = ("node", "node_modules/aws-cdk/bin/cdk", "destroy", "--exclusively", "--force")
_SETTLED_SECONDS = 180  # a function that an execution had just called may still buy
_POLL_SECONDS = 30
_LOOKS = 240  # two hours: AWS may refuse for one to delete what is being created


class Obstacle(NamedTuple):
    """A reason not to remove the guards."""

    text: str
    passes: bool  # the guards end it


class Refused(Exception):
    """The environment, or what is left of it, stays; says why and what to do."""


def main(arguments: Sequence[str] | None = None) -> ExitCode:
    parser = argparse.ArgumentParser(prog="make destroy", description=__doc__)
    parser.add_argument("--env", required=True, metavar="NAME")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument("--force", action="store_true", help="destroy though something bills")
    options = parser.parse_args(arguments)
    if not options.yes and not sys.stdin.isatty():
        print("error: there is no terminal to ask at: YES=1 destroys unasked.", file=sys.stderr)
        return ExitCode.ERROR
    try:
        _destroy(options.env, force=options.force, ask=not options.yes)
    except Refused as refused:
        print(f"Not destroyed. {refused}", file=sys.stderr)
        return ExitCode.FAILED
    except Exception as error:  # noqa: BLE001  # whatever it was, something may still be billed
        print(f"error: not everything was destroyed: {explained(error)}", file=sys.stderr)
        return ExitCode.ERROR
    return ExitCode.OK


def _destroy(environment: str, *, force: bool, ask: bool) -> None:
    region = load(environment).region
    cloudformation: Any = boto3.client("cloudformation", region_name=region)
    _check_protection(cloudformation, Names(environment))
    if ask and input(f"Destroy {environment} in {region}? [y/N] ").lower() not in {"y", "yes"}:
        raise Refused("Nothing was changed.")
    if force:
        print("Destroying anyway (FORCE=1): what still bills goes on billing.", file=sys.stderr)
        _remove(environment, "pipeline")
    else:
        _check(environment)
        began = time.monotonic()
        _remove(environment, "pipeline")
        time.sleep(max(0, began + _SETTLED_SECONDS - time.monotonic()))
        _wait(environment)
    _unprotect(cloudformation, Names(environment).of("guards"))
    _remove(environment, "guards", "operations", "storage")


def _check(environment: str) -> None:
    if found := list(obstacles(find_deployed(environment))):
        raise Refused(_advice(environment, found))


def _wait(environment: str) -> None:
    """Look until nothing bills: an execution may have begun after the first look."""
    deployed = find_deployed(environment)
    for _ in range(_LOOKS):
        found = list(obstacles(deployed))
        if not any(each.passes for each in found):
            break
        print(f"Waiting for the guards: {_listed(found)}", file=sys.stderr)
        time.sleep(_POLL_SECONDS)
    if found:
        raise Refused(
            f"The pipeline is gone; guards, operations and storage are there. "
            f"{_advice(environment, found)}"
        )


def _listed(found: Sequence[Obstacle]) -> str:
    return "; ".join(each.text for each in found)


def _advice(environment: str, found: Sequence[Obstacle]) -> str:
    return (
        f"{_listed(found)}. To delete: make cleanup ENV={environment}; to keep a model, tag it "
        f"{KEEP}. Then run it again, or destroy anyway: FORCE=1."
    )


def obstacles(deployed: Deployed) -> Iterator[Obstacle]:
    """Yield each reason not to remove the guards: what runs, bills, or could not be looked at."""
    states = boto3.client("stepfunctions", region_name=deployed.region)
    if "StateMachineArn" in deployed.outputs:
        for name in Executions(states).running(deployed.state_machine_arn).values():
            yield Obstacle(f"execution {name} is running", passes=True)
    bedrock: Any = boto3.client("bedrock", region_name=deployed.region)
    survey = look(Inventory(deployed.name, bedrock), deployed.name, seconds_left=lambda: math.inf)
    prices = Calculator(PriceBook.load(load(deployed.name).prices), deployed.region)
    for resource in survey.own:
        if (bills(resource) or resource.is_hosting) and not resource.kept:
            yield _obstacle(resource, prices)
    for problem in survey.problems:
        yield Obstacle(f"could not look at {problem}", passes=problem.passes)


def _obstacle(resource: TaggedResource, prices: Calculator) -> Obstacle:
    state = "is still billed" if bills(resource) else "is there"
    text = f"{resource.kind} {resource.name} {state}: {_cost(resource, prices)}"
    return Obstacle(text, passes=resource.kind != "custom-model")


def _cost(resource: TaggedResource, prices: Calculator) -> str:
    if resource.kind == "job":
        return "it is training"
    if resource.kind == "deployment":
        return "by the token, for whoever calls it"
    hourly, monthly = usd_per_hour(resource, prices), usd_per_month(resource, prices)
    if hourly:
        return f"${hourly:,.2f} an hour"
    return "price unknown" if monthly is None else f"${monthly:,.2f} a month"


def _check_protection(cloudformation: Any, names: Names) -> None:  # noqa: ANN401  # boto3's own
    """Refuse before anything is removed: half an environment is worse than all of it."""
    protected = [
        stack
        for stack in (names.of(each) for each in STACKS if each != "guards")
        if _is_protected(cloudformation, stack)
    ]
    if protected:
        raise Refused(
            f"Protected from deletion: {', '.join(protected)}. Lift it from each: aws "
            "cloudformation update-termination-protection --no-enable-termination-protection "
            "--stack-name NAME"
        )


def _is_protected(cloudformation: Any, stack: str) -> bool:  # noqa: ANN401  # boto3's own
    try:
        [described] = cloudformation.describe_stacks(StackName=stack)["Stacks"]
    except ClientError as error:
        if "does not exist" in str(error):
            return False
        raise
    return bool(described.get("EnableTerminationProtection"))


def _unprotect(cloudformation: Any, stack: str) -> None:  # noqa: ANN401  # boto3's own
    """Lift what keeps a `cdk destroy` that nobody looked before from removing the guards."""
    if _is_protected(cloudformation, stack):
        cloudformation.update_termination_protection(
            StackName=stack, EnableTerminationProtection=False
        )


def _remove(environment: str, *stacks: str) -> None:
    names = [Names(environment).of(stack) for stack in stacks]
    subprocess.run([*_CDK, *names, "-c", f"env={environment}"], cwd=_ROOT, check=True)


if __name__ == "__main__":
    sys.exit(main())
