"""The command itself, as a person runs it, with an environment that points at real accounts."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.repository import ROOT

HOSTILE = {
    "AWS_PROFILE": "production",
    "AWS_ACCESS_KEY_ID": "AKIAREALREALREALREAL",
    "AWS_SECRET_ACCESS_KEY": "real",
    "AWS_ENDPOINT_URL_S3": "https://s3.example.com",
    "AWS_ENDPOINT_URL_BEDROCK": "https://bedrock.example.com",
    "AWS_REGION": "eu-west-1",
}


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    folder = tmp_path / "tmp"
    folder.mkdir()
    return folder


@pytest.fixture
def runs() -> Iterator[set[Path]]:
    """What `rehearsals/` held before; what a test adds is removed again."""
    folder = ROOT / "rehearsals"
    before = set(folder.glob("*"))
    yield before
    for added in set(folder.glob("*")) - before:
        shutil.rmtree(added)


def start(scratch: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "local.rehearsal.rehearse", *arguments],
        cwd=ROOT,
        env={**os.environ, **HOSTILE, "TMPDIR": str(scratch)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def left_in(scratch: Path) -> list[str]:
    return [path.name for path in scratch.glob("offline-aws-*")]


def test_a_rehearsal_ends_with_a_verdict_and_its_files(scratch: Path, runs: set[Path]) -> None:
    process = start(scratch)
    printed, _ = process.communicate(timeout=300)
    assert process.returncode == 0, printed
    assert printed.startswith("REHEARSAL")
    assert "Verdict: BETTER" in printed
    assert "Still running: nothing." in printed
    [run] = set((ROOT / "rehearsals").glob("*")) - runs
    made = {path.name for path in run.iterdir()}
    assert {"report.html", "manifest.json", "losses.svg", "losses.png", "verdict.json"} <= made
    assert json.loads((run / "manifest.json").read_text())["model"]["key"] == "claude-3-haiku"
    assert left_in(scratch) == []


def test_stopping_it_leaves_nothing_behind(scratch: Path, runs: set[Path]) -> None:
    process = start(scratch)
    assert process.stdout
    before = ""
    for line in process.stdout:
        before += line
        if "Start training" in line:
            break
    process.send_signal(signal.SIGINT)
    printed, _ = process.communicate(timeout=60)
    assert process.returncode == 130, before + printed
    assert "Interrupted" in printed
    assert left_in(scratch) == []
    assert set((ROOT / "rehearsals").glob("*")) == runs


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--input", "{oops"], "INPUT is not JSON"),
        (["--input", '{"require_approval": true}'], "nobody can decide within this command"),
        (["--input", "[1]"], "INPUT is neither a JSON object nor a file"),
        (["--input", '{"model": "nova-mcro"}'], "Did you mean 'nova-micro'?"),
        (["--dataset", "nowhere"], "nowhere cannot be read: No such file"),
        (["--prompt-key", "Frage"], "--prompt-key and --completion-key go together"),
        (["--split", "80/10/10"], "--split and --seed are for a SOURCE that is one file"),
    ],
)
def test_what_cannot_be_rehearsed_is_refused_before_anything_starts(
    scratch: Path, arguments: list[str], said: str
) -> None:
    process = start(scratch, *arguments)
    printed, _ = process.communicate(timeout=60)
    assert process.returncode == 2
    assert said in printed
    assert left_in(scratch) == []
