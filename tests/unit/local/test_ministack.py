"""The patches of MiniStack: what each says of itself, and how one that is outdated is noticed."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from local.ministack import upstream
from local.ministack.upgrades import pins
from local.ministack.upstream import PatchOutdated, check_version, is_there
from tests.repository import ROOT

SAYS = """
from pathlib import Path
from local.ministack.patches import PATCHES
for patch in PATCHES:
    module, name = patch.test.split(".")
    found = f"def {name}(" in Path(f"tests/workflow/ministack/{module}.py").read_text()
    print(found and not patch.missing(), "stepfunctions" in patch.names)
"""


@pytest.mark.slow
def test_each_patch_finds_what_it_replaces_and_has_a_contract_test() -> None:
    variables = {**os.environ, "GATEWAY_PORT": "1"}  # MiniStack reads it on import
    told = subprocess.check_output([sys.executable, "-c", SAYS], cwd=ROOT, env=variables, text=True)
    lines = [line.split() for line in told.splitlines()]
    assert [fits for fits, _ in lines] == ["True"] * len(lines)
    assert len(lines) <= 12
    assert sum(of_states == "True" for _, of_states in lines) <= 2


def test_a_name_that_is_gone_is_noticed() -> None:
    assert is_there("core.arn.parse_arn")
    assert not is_there("core.arn.no_such_name")
    assert not is_there("core.no_such_module.name")


def test_another_version_is_refused_unless_it_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upstream, "version", lambda _: "9.9.9")
    with pytest.raises(PatchOutdated, match=r"ministack 9\.9\.9 is installed"):
        check_version()
    monkeypatch.setenv("TRIED_MINISTACK", "9.9.9")
    check_version()


def test_an_upgrade_tells_which_pins_stand_in_its_way() -> None:
    constraints = "boto3==1.0\nboto3-stubs==1.0\nministack==2.0  # the offline AWS\nrich==3\n"
    found = {"boto3": "1.1", "boto3_stubs": "1.0", "ministack": "2.1"}
    assert [*pins(found, constraints)] == [
        "pin: constraints.txt has boto3==1.0, 1.1 is tried",
        "pin: constraints.txt has ministack==2.0, 2.1 is tried",
    ]


@pytest.mark.slow
def test_who_looks_at_executions_does_not_start_ministack() -> None:
    """It reads the environment as it is imported, which the server has to make before."""
    look = "import sys, local.ministack.state_machines; sys.exit('ministack.app' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", look], cwd=ROOT, check=False).returncode == 0
