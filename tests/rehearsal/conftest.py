"""A checkout of its own for each test: what it deploys, and where its runs go, is nobody else's."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.repository import ROOT

_OWN = ("dataset", "environments", "lambdas", "local", "operate", "stacks")
_SHARED = (".venv", "build", "node_modules")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "checkout"
    folder.mkdir()
    for name in ("app.py", "cdk.json", "exit_codes.py"):
        shutil.copy2(ROOT / name, folder)
    for name in _OWN:
        shutil.copytree(ROOT / name, folder / name)
    (ROOT / "build").mkdir(exist_ok=True)
    for name in _SHARED:
        (folder / name).symlink_to(ROOT / name)
    return folder
