"""`make upgrades [MINISTACK=version] [BOTO3=version]`: what stands in the way of newer ones.

It installs them, the newest if no version is given, into a virtual environment of their own beside
everything else that is installed here, looks for the names that the patches need, and runs the
patches' contract tests. Exit status: 0 nothing stands in the way; 1 something does.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import sysconfig
import tempfile
import venv
from collections.abc import Iterator
from pathlib import Path

from exit_codes import ExitCode

_ROOT = Path(__file__).parents[2]
_CONTRACTS = "tests/workflow/ministack"
_PIN = r"^([\w.-]+)==(\S+)"
_VERSIONS = """
from importlib.metadata import version
print(*(f"{name} {version(name)}" for name in ("ministack", "boto3", "botocore")), sep=", ")
"""
_NEEDED = """
import json
from local.ministack.patches import PATCHES
print(json.dumps([[patch.why, patch.test, patch.missing()] for patch in PATCHES]))
"""


def main(arguments: list[str] | None = None) -> ExitCode:
    parser = argparse.ArgumentParser(description=__doc__)
    for package in ("ministack", "boto3"):
        parser.add_argument(f"--{package}", default="", help="a version; the newest without")
    chosen = vars(parser.parse_args(arguments))
    with tempfile.TemporaryDirectory(prefix="upgrades-") as folder:
        problems = [*_problems(Path(folder), chosen)]
    print("\n".join(problems) or "Nothing stands in the way.")
    return ExitCode.FAILED if problems else ExitCode.OK


def _problems(folder: Path, chosen: dict[str, str]) -> Iterator[str]:
    venv.create(folder, with_pip=True)
    [own] = folder.glob("lib/python*/site-packages")
    (own / "installed.pth").write_text(sysconfig.get_path("purelib"))
    python = [str(folder / "bin" / "python")]
    pinned = (_ROOT / "constraints.txt").read_text(encoding="utf-8")
    least = dict(re.findall(_PIN, pinned, re.MULTILINE))  # or pip makes one fit with an older one
    wanted = [
        f"{name}=={chosen[name]}" if chosen[name] else f"{name}>={least[name]}" for name in chosen
    ]
    tried = _run([*python, "-m", "pip", "install", "--quiet", "--upgrade", *wanted])
    if tried.returncode:
        yield f"They cannot be installed together:\n{tried.stderr.strip()}"
        return
    found = _versions(own)
    told = _run([*python, "-c", _VERSIONS]).stdout.strip()
    print(f"Tried: {told}", flush=True)
    yield from pins(found, pinned)
    yield from _patches(python, found.get("ministack", ""))


def _versions(folder: Path) -> dict[str, str]:
    names = (path.name.removesuffix(".dist-info") for path in folder.glob("*.dist-info"))
    found = dict(name.rsplit("-", 1) for name in sorted(names))
    return {name: version for name, version in found.items() if name not in {"pip", "setuptools"}}


def pins(found: dict[str, str], constraints: str) -> Iterator[str]:
    """Yield the pins, lines of `constraints`, that what was found does not fit."""
    for name, pinned in re.findall(_PIN, constraints, re.MULTILINE):
        version = found.get(name.replace("-", "_"), pinned)
        if version != pinned:
            yield f"pin: constraints.txt has {name}=={pinned}, {version} is tried"


def _patches(python: list[str], version: str) -> Iterator[str]:
    variables = {**os.environ, "GATEWAY_PORT": "1", "TRIED_MINISTACK": version}
    looked = _run([*python, "-c", _NEEDED], variables)
    if looked.returncode:
        yield f"patches cannot be loaded:\n{looked.stderr.strip()}"
        return
    patches = json.loads(looked.stdout)
    yield from (f"patch: {', '.join(gone)} is gone. {why}" for why, _, gone in patches if gone)
    if any(gone for *_, gone in patches):
        return
    del variables["GATEWAY_PORT"]
    tested = _run([*python, "-m", "pytest", "-q", "-rfE", "--no-header", _CONTRACTS], variables)
    failed = re.findall(r"^(?:FAILED|ERROR) \S*/(\w+)\.py::(\w+)", tested.stdout, re.MULTILINE)
    whys = {test: why for why, test, _ in patches}
    for module, test in failed:
        name = f"{module}.{test}"
        yield f"contract: {name} fails. {whys.get(name, '')}".rstrip()
    if tested.returncode and not failed:
        yield f"contracts cannot be tested:\n{tested.stdout[-2000:]}{tested.stderr[-2000:]}"


def _run(
    command: list[str], variables: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=_ROOT, env=variables, check=False, capture_output=True, text=True
    )


if __name__ == "__main__":
    sys.exit(main())
