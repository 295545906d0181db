"""The workflows run the README's command, and a stranger's pull request gains nothing by them."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.repository import ROOT

WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))


def parsed(path: Path) -> dict[Any, Any]:
    found: dict[Any, Any] = yaml.safe_load(path.read_text("utf-8"))
    return found


@pytest.mark.parametrize("linter", [["zizmor", "--offline", "--quiet"], ["actionlint"]])
def test_linters_find_nothing(linter: list[str]) -> None:
    command = [Path(sys.executable).with_name(linter[0]), *linter[1:], *WORKFLOWS]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


def test_there_are_workflows() -> None:
    assert [path.stem for path in WORKFLOWS] == ["check", "comment", "review"]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_rights_are_given_to_jobs_only_and_actions_are_pinned(path: Path) -> None:
    workflow = parsed(path)
    assert workflow["permissions"] == {}
    assert "concurrency" in workflow
    for job in workflow["jobs"].values():
        assert {*job["permissions"].items()} <= {
            ("contents", "read"),
            ("actions", "read"),
            ("pull-requests", "write"),
        }
        for step in job["steps"]:
            assert re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", step.get("uses", f"a/b@{'0' * 40}"))
    assert "pull_request_target" not in path.read_text("utf-8")


def test_the_tests_are_those_of_the_readme() -> None:
    runs = [
        step.get("run")
        for step in parsed(ROOT / ".github/workflows/check.yml")["jobs"]["test"]["steps"]
    ]
    assert "make test" in runs
    assert "\nmake test " in (ROOT / "README.md").read_text("utf-8")


@pytest.mark.parametrize("name", ["review", "comment"])
def test_a_job_that_may_write_runs_no_code_of_the_branch(name: str) -> None:
    jobs = parsed(ROOT / f".github/workflows/{name}.yml")["jobs"].values()
    writing = [job for job in jobs if "write" in job["permissions"].values()]
    assert writing
    for job in writing:
        text = yaml.safe_dump(job)
        assert "checkout" not in text
        assert "make " not in text
        assert "python" not in text


def test_both_update_the_one_comment_that_has_the_marker() -> None:
    steps = [
        job["steps"][0]
        for name in ("review", "comment")
        for job in [parsed(ROOT / f".github/workflows/{name}.yml")["jobs"]["comment"]]
    ]
    [marker] = {step["env"]["MARKER"] for step in steps}
    assert re.fullmatch("<!-- [a-z ]+ -->", marker)
    for step in steps:
        assert "startswith(env.MARKER)" in step["run"]
        assert '.user.login == "github-actions[bot]"' in step["run"]
        assert "--edit-last" not in step["run"]
