"""`make cleanup ENV=name [INPUT='{…}']`: list what the environment has on Bedrock, or delete it.

Starts the environment's clean-up machine and prints its answer. The default input, {}, changes
nothing.
Exit status: 0 done; 1 the clean-up failed, or could not list or delete something; 2 bad usage, or
AWS refused.
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

from exit_codes import ExitCode
from lambdas.domain.errors import InputInvalid
from lambdas.domain.housekeeping.cleanup import CleanupInput
from lambdas.domain.run.execution_input import parse_input
from operate.credentials import explained
from operate.deployed import Deployed, NotDeployed, find_deployed
from stacks.environment import EnvironmentInvalid

_POLL_SECONDS = 2.0


def main(arguments: Sequence[str] | None = None) -> ExitCode:
    parser = argparse.ArgumentParser(prog="make cleanup", description=__doc__)
    parser.add_argument("--env", required=True, metavar="NAME")
    parser.add_argument("--input", default="{}", metavar="JSON")
    options = parser.parse_args(arguments)
    try:
        request = _checked(options.input)
        return run(find_deployed(options.env), request)
    except (InputInvalid, EnvironmentInvalid, NotDeployed, ClientError, BotoCoreError) as error:
        print(f"error: {explained(error)}", file=sys.stderr)
        return ExitCode.ERROR


def _checked(text: str) -> dict[str, Any]:
    """Return the machine's input, which the machine checks too: its errors before AWS is asked."""
    try:
        given = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputInvalid(f"INPUT is not JSON: {error}") from error
    if not isinstance(given, dict):
        raise InputInvalid('INPUT is not an object: give for example {"mode": "plan"}')
    parse_input(CleanupInput, given, "clean-up")
    return given


def run(deployed: Deployed, request: object) -> ExitCode:
    """Start the clean-up, wait for its end, and print its answer."""
    states: Any = boto3.client("stepfunctions", region_name=deployed.region)
    execution = states.start_execution(
        stateMachineArn=deployed.cleanup_arn, input=json.dumps(request)
    )["executionArn"]
    while (found := states.describe_execution(executionArn=execution))["status"] == "RUNNING":
        time.sleep(_POLL_SECONDS)
    if found["status"] != "SUCCEEDED":
        cause = f"{found.get('error', found['status'])}: {found.get('cause', '')}"
        print(f"error: {cause}", file=sys.stderr)
        return ExitCode.FAILED
    output = json.loads(found["output"])
    print(_answer_text(output, deployed.name))
    return ExitCode.FAILED if output.get("problems") else ExitCode.OK


def _answer_text(output: dict[str, Any], environment: str) -> str:
    if output.get("mode") == "plan":
        hint = (
            f"Nothing was changed. To delete: make cleanup ENV={environment} "
            """INPUT='{"mode": "delete", "kinds": ["custom-model"], "older_than_days": 30}'"""
        )
        return f"{output['summary']}\n{hint}"
    deleted = ", ".join(output.get("deleted") or []) or "nothing: no resource matches the filters"
    return f"Deleted: {deleted}\nLeft:\n{output['summary']}"


if __name__ == "__main__":
    sys.exit(main())
