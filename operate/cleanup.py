"""`make cleanup ENV=name [INPUT='{…}']`: what the environment has on Bedrock, and deleting it.

Starts the environment's clean-up machine and prints what it answers. With the default input, `{}`,
nothing is changed.
Exit status: 0 done; 1 something could not be deleted, or AWS refused; 2 bad usage.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from operate.deployed import Deployed, NotDeployed, find_deployed

_POLL_SECONDS = 2.0


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    try:
        given = json.loads(options.input)
    except json.JSONDecodeError as error:
        print(f"INPUT is no JSON: {error}", file=sys.stderr)
        return 2
    try:
        return run(find_deployed(options.env), given, poll_seconds=options.poll_seconds)
    except (NotDeployed, ClientError, BotoCoreError) as error:
        print(f"Cannot clean up: {error}", file=sys.stderr)
        return 1


def run(deployed: Deployed, given: object, *, poll_seconds: float = _POLL_SECONDS) -> int:
    """Start the clean-up, wait for its end, and print what it says."""
    states: Any = boto3.client("stepfunctions", region_name=deployed.region)
    started = states.start_execution(stateMachineArn=deployed.cleanup_arn, input=json.dumps(given))[
        "executionArn"
    ]
    while (found := states.describe_execution(executionArn=started))["status"] == "RUNNING":
        time.sleep(poll_seconds)
    if found["status"] != "SUCCEEDED":
        print(f"{found.get('error', found['status'])}: {found.get('cause', '')}", file=sys.stderr)
        return 1
    print(_said(json.loads(found["output"]), deployed.name))
    return 0


def _said(output: dict[str, Any], environment: str) -> str:
    if output.get("mode") == "plan":
        hint = (
            f"Nothing was changed. To delete: make cleanup ENV={environment} "
            """INPUT='{"mode": "delete", "kinds": ["custom-model"], "older_than_days": 30}'"""
        )
        return f"{output['summary']}\n{hint}"
    deleted = ", ".join(output.get("deleted") or []) or "nothing: the filters name nothing"
    return f"Deleted: {deleted}\nLeft:\n{output['summary']}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make cleanup", description=__doc__)
    parser.add_argument("--env", required=True)
    parser.add_argument("--input", default="{}", metavar="JSON")
    parser.add_argument("--poll-seconds", type=float, default=_POLL_SECONDS, help=argparse.SUPPRESS)
    return parser


if __name__ == "__main__":
    sys.exit(main())
