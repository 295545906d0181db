"""Both sides are synthesised by their own code."""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from exit_codes import ExitCode
from stacks.environment import Environment
from stacks.review import __main__ as command
from stacks.review.side import quote
from tests.repository import ROOT

SIDE = "stacks/review/side.py"


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty repository that the command takes for its own."""
    git(tmp_path, "init", "--quiet", "--initial-branch=main")
    (tmp_path / SIDE).parent.mkdir(parents=True)
    (tmp_path / ".gitignore").write_text(
        "__pycache__/\n"
    )  # or the bytecode of one side is another's
    monkeypatch.setattr(command, "_REPOSITORY", tmp_path)
    return tmp_path


def git(folder: Path, *arguments: str) -> str:
    who = ["-c", "user.name=test", "-c", "user.email=test@example.com"]
    return subprocess.check_output(["git", "-C", folder, *who, *arguments], text=True)


def commit(repository: Path, files: Mapping[str, str]) -> str:
    for name, text in files.items():
        (repository / name).parent.mkdir(parents=True, exist_ok=True)
        (repository / name).write_text(text)
    git(repository, "add", "--all")
    git(repository, "commit", "--quiet", "--allow-empty", "--message", "change")
    return git(repository, "rev-parse", "HEAD").strip()


def printing(budget: int) -> str:
    dev = {"region": "us-east-1", "stacks": {}, "quote": {"items": {}}}
    dev["settings"] = {"budget": budget}
    return f"print({json.dumps(json.dumps({'dev': dev}))})"


def run(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    code: ExitCode,
    *arguments: str,
) -> str:
    monkeypatch.setattr(sys, "argv", ["review", *arguments])
    assert command.main() is code
    return capsys.readouterr().out


def test_each_side_speaks_for_itself(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    base = commit(repository, {SIDE: printing(1)})
    (repository / SIDE).write_text(printing(2))  # not committed: the working tree
    assert "budget: 1 → 2" in run(monkeypatch, capsys, ExitCode.OK, "--base", base)

    head = commit(repository, {SIDE: printing(3)})
    (repository / SIDE).write_text("raise SystemExit(1)")
    text = run(monkeypatch, capsys, ExitCode.OK, "--base", base, "--head", head)
    assert "budget: 1 → 3" in text
    assert git(repository, "worktree", "list").count("\n") == 1


def test_a_base_from_before_the_review_is_one_line(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    base = commit(repository, {"app.py": ""})
    commit(repository, {SIDE: printing(1)})
    _, _, line = run(monkeypatch, capsys, ExitCode.ERROR, "--base", base).splitlines()
    assert line == f"⚠ {base} predates the review: compare with a later commit"


def test_an_unknown_base_is_one_line(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    commit(repository, {SIDE: printing(1)})
    text = run(monkeypatch, capsys, ExitCode.ERROR, "--base", "none")
    assert "⚠ git worktree failed: fatal: invalid reference: none" in text


def test_a_side_that_fails_says_why(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    base = commit(repository, {SIDE: "raise ValueError('no such thing')"})
    _, _, line = run(monkeypatch, capsys, ExitCode.ERROR, "--base", base).splitlines()
    assert line == f"⚠ synthesising {base} failed: ValueError: no such thing"


def test_the_quote_follows_a_price(
    environments: Mapping[str, Environment], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    dev = environments["dev"]
    dearer = dev.model_copy(update={"prices": {"nova-micro": {"training_usd_per_1k_tokens": 1.0}}})
    before, after = quote(dev), quote(dearer)
    assert 0 < before["expected"] < after["expected"]
    assert before["items"].keys() == after["items"].keys()
    assert before["items"]["Training"] != after["items"]["Training"]
