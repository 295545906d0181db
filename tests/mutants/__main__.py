"""Breaks the product one line at a time: `make mutants` proves that a test notices each fault."""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

from tests.mutants.mutant import Mutant, MutantOutdated, load
from tests.repository import ROOT

WORKERS = 2
LINKED = (".venv", "node_modules")  # what the tests use and git does not track
PASSED, FAILED = 0, 1  # pytest's exit codes; any other is an error of the run itself


class RunFailed(RuntimeError):
    """The tests could not run, or fail without a mutant; has the end of what pytest printed."""


@dataclass(frozen=True)
class Result:
    """What the tests of one mutant came to."""

    mutant: Mutant
    killed: bool
    seconds: float

    def row(self) -> str:
        word = "killed" if self.killed else "SURVIVED"
        return f"{word:9}{self.mutant.area:12} {self.mutant.fault}  ({self.seconds:.1f} s)"


def copy_of(root: Path, folder: Path) -> Path:
    """Copy what git tracks, as it stands in the work tree."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for name in filter(None, listed.split("\0")):
        if (root / name).is_file() and name not in LINKED:
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / name, target)
    for name in LINKED:
        (folder / name).symlink_to(root / name)
    return folder


def run_tests(copy: Path, tests: Sequence[str], *options: str) -> int:
    """Return pytest's exit code, or raise RunFailed where it is not about the tests."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options]
    done = subprocess.run([*command, *tests], cwd=copy, capture_output=True, text=True, check=False)
    if done.returncode not in {PASSED, FAILED}:
        raise RunFailed(f"{' '.join(tests)}:\n{done.stdout[-3000:]}{done.stderr[-1000:]}")
    return done.returncode


@contextmanager
def applied(mutant: Mutant, copy: Path) -> Iterator[None]:
    path = copy / mutant.file
    original = path.read_text()
    path.write_text(mutant.apply(original))
    try:
        yield
    finally:
        path.write_text(original)


def try_out(mutant: Mutant, copies: SimpleQueue[Path]) -> Result:
    copy = copies.get()
    began = time.monotonic()
    try:
        with applied(mutant, copy):
            code = run_tests(copy, mutant.tests, "-x")
    finally:
        copies.put(copy)
    return Result(mutant, code == FAILED, time.monotonic() - began)


def run(mutants: Sequence[Mutant], root: Path) -> list[Result]:
    """Try out every mutant of the tree under `root`.

    Raises
    ------
    MutantOutdated
        A line is not in its file once.
    RunFailed
        The named tests fail without any mutant.
    """
    for mutant in mutants:
        mutant.apply((root / mutant.file).read_text())
    with tempfile.TemporaryDirectory() as scratch, ThreadPoolExecutor(WORKERS) as pool:
        copies: SimpleQueue[Path] = SimpleQueue()
        for number in range(WORKERS):
            copies.put(copy_of(root, Path(scratch) / str(number)))
        copy = copies.get()
        tests = sorted({test for mutant in mutants for test in mutant.tests})
        if run_tests(copy, tests, "-n", str(WORKERS)) != PASSED:
            raise RunFailed("the named tests fail without a mutant: make test")
        copies.put(copy)
        results = []
        for result in pool.map(lambda mutant: try_out(mutant, copies), mutants):
            print(result.row(), flush=True)
            results.append(result)
    return results


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("--list", type=Path, default=Path(__file__).with_name("mutants.toml"))
    parser.add_argument("--root", type=Path, default=ROOT, help="another checkout to break")
    asked = parser.parse_args()
    try:
        results = run(load(asked.list), asked.root.resolve())
    except (MutantOutdated, RunFailed) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    survivors = sum(not result.killed for result in results)
    print(f"{len(results)} mutants, {survivors} survived")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
