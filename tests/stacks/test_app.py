"""app.py as the CDK CLI runs it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lambdas.domain.run.arns import OFFLINE_ACCOUNT
from tests.repository import ROOT as REPOSITORY

THIS_PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"


def run(context: dict[str, str], folder: Path, **more: str) -> subprocess.CompletedProcess[str]:
    # Neither credentials nor a proxy nor git on the PATH: nothing of it may be needed.
    variables = {
        "CDK_CONTEXT_JSON": json.dumps(context),
        "CDK_OUTDIR": str(folder),
        "HOME": os.environ.get("HOME", ""),
        "PATH": "",
        **more,
    }
    return subprocess.run(
        [sys.executable, "app.py"],
        cwd=REPOSITORY,
        env=variables,
        capture_output=True,
        text=True,
        check=False,
    )


def test_synthesises_with_nothing_but_python(tmp_path: Path) -> None:
    done = run({"env": "local"}, tmp_path)

    assert (done.returncode, done.stderr) == (0, "")
    stacks = sorted(path.name for path in tmp_path.glob("*.template.json"))
    assert stacks == [
        "bedrock-tuning-local-guards.template.json",
        "bedrock-tuning-local-operations.template.json",
        "bedrock-tuning-local-pipeline.template.json",
        "bedrock-tuning-local-storage.template.json",
    ]


@pytest.mark.parametrize(
    ("name", "caller", "account", "python"),
    [
        ("local", "123456789012", OFFLINE_ACCOUNT, THIS_PYTHON),  # which the CLI refuses there
        ("dev", OFFLINE_ACCOUNT, OFFLINE_ACCOUNT, THIS_PYTHON),
        ("dev", "123456789012", "unknown-account", "3.13"),
    ],
)
def test_what_runs_on_this_machine_is_deployed_to_the_offline_account_alone(
    tmp_path: Path, name: str, caller: str, account: str, python: str
) -> None:
    done = run({"env": name}, tmp_path, CDK_DEFAULT_ACCOUNT=caller)

    assert done.returncode == 0, done.stderr
    manifest = json.loads((tmp_path / "manifest.json").read_text(encoding="utf-8"))
    places = {each.get("environment") for each in manifest["artifacts"].values()} - {None}
    assert {place.split("/")[2] for place in places} == {account}
    template = (tmp_path / f"bedrock-tuning-{name}-pipeline.template.json").read_text("utf-8")
    assert f'"Runtime": "python{python}"' in template


@pytest.mark.parametrize(
    ("context", "message"),
    [
        ({}, "error: name an environment: -c env=NAME, one of dev, local, prod"),
        ({"env": "locall"}, "error: no environment 'locall': did you mean 'local'?"),
    ],
)
def test_a_wrong_environment_is_one_line(
    tmp_path: Path, context: dict[str, str], message: str
) -> None:
    done = run(context, tmp_path)

    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith(message)
    assert done.stderr.count("\n") == 1
