"""Both sides are synthesised by their own code, of whatever age."""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

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
    monkeypatch.setattr(command, "_SIDE", tmp_path / SIDE)
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
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str
) -> str:
    monkeypatch.setattr(sys, "argv", ["review", *arguments])
    command.main()
    return capsys.readouterr().out


def test_each_side_speaks_for_itself(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    base = commit(repository, {SIDE: printing(1)})
    (repository / SIDE).write_text(printing(2))  # not committed: the working tree
    assert "budget: 1 → 2" in run(monkeypatch, capsys, "--base", base)

    head = commit(repository, {SIDE: printing(3)})
    (repository / SIDE).write_text("raise SystemExit(1)")
    assert "budget: 1 → 3" in run(monkeypatch, capsys, "--base", base, "--head", head)
    assert git(repository, "worktree", "list").count("\n") == 1


def test_a_checkout_from_before_the_review_is_read(tmp_path: Path) -> None:
    early = {
        "environments/dev.toml": "budget = 1",
        "stacks/environment.py": (
            "from types import SimpleNamespace\n"
            "def load(name): return SimpleNamespace(name=name, region='us-east-1')"
        ),
        "stacks/snapshot.py": "def synthesise(environment, folder): return {}",
        "lambdas/domain/__init__.py": "",
    }
    for name, text in early.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    found = subprocess.check_output(
        [sys.executable, "-P", ROOT / SIDE], cwd=tmp_path, env={"PYTHONPATH": str(tmp_path)}
    )
    dev = json.loads(found)["dev"]
    assert dev["settings"] == {"budget": 1}
    assert dev["stacks"] == {}
    assert dev["quote"]["error"].startswith("ModuleNotFoundError: No module named 'lambdas")


def test_an_unknown_base_is_one_line(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    commit(repository, {SIDE: printing(1)})
    with pytest.raises(SystemExit, match="error: git worktree: fatal: invalid reference: none"):
        run(monkeypatch, capsys, "--base", "none")


def test_a_side_that_fails_says_why(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    base = commit(repository, {SIDE: "raise ValueError('no such thing')"})
    with pytest.raises(SystemExit, match="1"):
        run(monkeypatch, capsys, "--base", base)
    _, _, line = capsys.readouterr().out.splitlines()
    assert line == f"⚠ {base} cannot be synthesised: ValueError: no such thing"


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
