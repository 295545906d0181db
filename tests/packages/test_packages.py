"""Each function imports with its own layers and Lambda's boto3 alone, as on AWS."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest

from stacks.constructs.layers import build, layer_hash
from stacks.constructs.step import Step
from stacks.constructs.target import this_machine
from stacks.guards.steps import GUARD_STEPS
from stacks.pipeline.steps import PIPELINE_STEPS
from tests.repository import ROOT

STEPS = (*PIPELINE_STEPS, *GUARD_STEPS)
# What AWS's Python runtimes bring along.
RUNTIME = ("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "urllib3", "six")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The layers as they are published, the runtime's packages, and nothing else."""
    base = tmp_path_factory.mktemp("packages")
    for layer in ("core", "arrays", "plotting", "similarity"):
        target = this_machine()
        archive = build(layer, target, expected_hash=layer_hash(layer, target))
        with zipfile.ZipFile(archive) as zipped:
            zipped.extractall(base / layer)
    (base / "runtime").mkdir()
    for name in RUNTIME:
        spec = find_spec(name)
        assert spec
        assert spec.origin
        origin = Path(spec.origin)
        source = origin.parent if origin.name == "__init__.py" else origin
        (base / "runtime" / source.name).symlink_to(source)
    return {"base": base, "core": base / "core" / "python", "runtime": base / "runtime"}


def imports(step: Step, folders: dict[str, Path]) -> subprocess.CompletedProcess[str]:
    layers = [str(folders["base"] / layer / "python") for layer in step.layers]
    path = [str(ROOT), *layers, str(folders["runtime"])]
    code = (
        f"import sys; sys.path = {path!r} + [each for each in sys.path if each]; "
        f"import lambdas.handlers.{step.module} as it; assert callable(it.handler)"
    )
    # -S leaves the virtual environment's packages out, -E its variables.
    return subprocess.run(
        [sys.executable, "-S", "-E", "-c", code],
        capture_output=True,
        text=True,
        check=False,
        cwd=folders["base"],
    )


@pytest.mark.parametrize("step", STEPS, ids=[step.slug for step in STEPS])
def test_a_function_imports_with_what_is_deployed(step: Step, folders: dict[str, Path]) -> None:
    done = imports(step, folders)
    assert done.returncode == 0, done.stderr


def test_a_missing_layer_is_noticed(folders: dict[str, Path]) -> None:
    (step,) = (each for each in STEPS if each.name == "Read loss curves")
    done = imports(replace(step, layers=("core",)), folders)
    assert "No module named" in done.stderr
