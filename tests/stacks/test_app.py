"""app.py as the CDK CLI runs it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.repository import ROOT as REPOSITORY


def run(context: dict[str, str], folder: Path) -> subprocess.CompletedProcess[str]:
    # Neither credentials nor a proxy nor git on the PATH: nothing of it may be needed.
    variables = {
        "CDK_CONTEXT_JSON": json.dumps(context),
        "CDK_OUTDIR": str(folder),
        "HOME": os.environ.get("HOME", ""),
        "PATH": "",
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
