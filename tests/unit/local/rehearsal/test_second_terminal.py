"""The commands that a person copies: they parse as meant, and nothing of the shell leads astray."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from local.rehearsal.second_terminal import SecondTerminal

INPUT = json.dumps({"run": "first", "reason": 'it\'s $5 "only"'})
MACHINE = "arn:aws:states:us-east-1:000000000000:stateMachine:m"
TERMINAL = SecondTerminal("http://127.0.0.1:4999", "us-east-1")
REAL = {"AWS_PROFILE": "production", "AWS_ENDPOINT_URL_STATES": "https://states.example.com"}
OFFLINE = {
    "AWS_ACCESS_KEY_ID": "000000000000",
    "AWS_SECRET_ACCESS_KEY": "offline",
    "AWS_ENDPOINT_URL": "http://127.0.0.1:4999",
    "AWS_DEFAULT_REGION": "us-east-1",
}
SHOW = "import json, os, sys; print(json.dumps([sys.argv[1:], dict(os.environ)]))"


def commands() -> tuple[str, str]:
    text = TERMINAL.calls("stepfunctions", "start_execution", stateMachineArn=MACHINE, input=INPUT)
    cli, _, python = text.splitlines()
    return cli, python


def run(command: str) -> str:
    """Run it in a shell that is set to a real account."""
    done = subprocess.run(
        ["bash", "-c", command],
        env={**os.environ, **REAL},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def test_the_cli_gets_each_parameter_and_the_offline_account_alone() -> None:
    cli, _ = commands()
    arguments, variables = json.loads(run(cli.replace(" aws ", f" {sys.executable} -c '{SHOW}' ")))
    given = ["--state-machine-arn", MACHINE, "--input", INPUT]
    assert arguments == ["stepfunctions", "start-execution", *given]
    assert {name: each for name, each in variables.items() if name.startswith("AWS")} == OFFLINE


@pytest.mark.slow
def test_boto3_reads_the_same_parameters() -> None:
    """It gets as far as the socket."""
    _, python = commands()
    with pytest.raises(subprocess.CalledProcessError) as refused:
        run(python)
    assert 'Could not connect to the endpoint URL: "http://127.0.0.1:4999/' in refused.value.stderr
