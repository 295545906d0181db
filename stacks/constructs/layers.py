"""Builds a layer's zip without Docker. The CDK CLI runs it when it publishes, never at synth.

It prints the path of the zip on stdout, which is what the CLI expects of an asset's command.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from exit_codes import ExitCode
from stacks.constructs.target import Target

REPOSITORY = Path(__file__).parents[2]
REQUIREMENTS = REPOSITORY / "stacks" / "layers"
CACHE = REPOSITORY / "build" / "layers"

_LEAN = ("__pycache__", "tests", "sample_data", "bin", "include")
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the oldest date that a zip can hold: same input, same bytes


class LayerFailed(Exception):
    """A layer cannot be built; the message says why."""


def layer_hash(name: str, target: Target) -> str:
    """Return the layer's identity: it follows from all that decides what its zip holds.

    That is the files that pip may install, by their hashes, the target, and this module.
    """
    recipe = Path(__file__).read_text(encoding="utf-8")
    parts = [recipe, target.label, *target.pip_options, *_pins(name)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def command(name: str, target: Target) -> list[str]:
    """Return the command that builds the layer, fit to run in any working directory."""
    path = f"import sys; sys.path.insert(0, {str(REPOSITORY)!r})"
    return [
        sys.executable,
        "-c",
        f"{path}; import stacks.constructs.layers as it; it.main()",
        name,
        f"--python={target.python}",
        f"--architecture={target.architecture}",
        f"--hash={layer_hash(name, target)}",
        *(["--on-host"] if target.on_host else []),
    ]


def build(name: str, target: Target, *, expected_hash: str, cache: Path = CACHE) -> Path:
    """Return the layer's zip, from the cache if it was built before.

    Raises
    ------
    LayerFailed
        The template was made from other requirements, or pip could not install them; its own
        words are in the message.
    """
    if layer_hash(name, target) != expected_hash:
        raise LayerFailed(f"stacks/layers/{name}.txt has changed: synthesise again")
    archive = cache / f"{expected_hash}.zip"
    cache.mkdir(parents=True, exist_ok=True)
    with _alone_in(cache):
        if not archive.exists():
            _make(name, target, archive)
    return archive


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Wait for other processes that build layers: what they build need not be built again."""
    held = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield
    finally:
        os.close(held)


def _make(name: str, target: Target, archive: Path) -> None:
    with tempfile.TemporaryDirectory(dir=archive.parent) as folder:
        root = Path(folder) / "layer"
        _install(name, target, root / "python")
        draft = Path(folder) / archive.name
        _zip(root, draft)
        draft.replace(archive)


def _pins(name: str) -> list[str]:
    lines = (REQUIREMENTS / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def _install(name: str, target: Target, folder: Path) -> None:
    fixed = ["--require-hashes", "--no-deps", "--no-compile", "--only-binary=:all:"]
    quiet = ["--quiet", "--no-input", "--disable-pip-version-check"]
    pip = [sys.executable, "-m", "pip", "install", *fixed, *quiet]
    pins = REQUIREMENTS / f"{name}.txt"
    done = subprocess.run(
        [*pip, *target.pip_options, f"--target={folder}", f"--requirement={pins}"],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise LayerFailed(f"pip could not install layer {name!r} ({pins}):\n{done.stderr.strip()}")
    _strip(folder)


def _strip(folder: Path) -> None:
    # Tests, headers and scripts are a third of it and no function imports them.
    for path in sorted(folder.rglob("*")):
        if path.is_dir() and path.name in _LEAN:
            shutil.rmtree(path)


def _zip(root: Path, archive: Path) -> None:
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as out:
        for path in _files(root):
            entry = zipfile.ZipInfo(path.relative_to(root).as_posix(), _EPOCH)
            entry.external_attr = (0o755 if os.access(path, os.X_OK) else 0o644) << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            out.writestr(entry, path.read_bytes())


def _files(root: Path) -> Iterator[Path]:
    return (path for path in sorted(root.rglob("*")) if path.is_file())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=sorted(path.stem for path in REQUIREMENTS.glob("*.txt")))
    parser.add_argument("--python", required=True)
    parser.add_argument("--architecture", required=True)
    parser.add_argument("--on-host", action="store_true")
    parser.add_argument("--hash", required=True, help="what the template was synthesised with")
    given = parser.parse_args()
    target = Target(given.python, given.architecture, on_host=given.on_host)
    try:
        archive = build(given.name, target, expected_hash=given.hash)
    except LayerFailed as error:
        print(error, file=sys.stderr)
        sys.exit(ExitCode.ERROR)
    sys.stdout.write(f"{archive}\n")


if __name__ == "__main__":
    main()
