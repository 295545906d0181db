"""What a change does to the environments: `python -m stacks.review --base main`.

Both sides are synthesised by their own code, without credentials: the base in a worktree of its
own, and without --head the working tree as the other side. Markdown goes to stdout.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from exit_codes import ExitCode
from stacks.review.markdown import review

_REPOSITORY = Path(__file__).parents[2]
_SIDE = Path("stacks/review/side.py")


class SideFailed(Exception):
    """A side cannot be read at all; the message is one line."""


def main() -> ExitCode:
    parser = argparse.ArgumentParser(prog="python -m stacks.review", description=__doc__)
    parser.add_argument("--base", default="main", help="what is compared with (main)")
    parser.add_argument("--head", help="what is reviewed (the working tree)")
    given = parser.parse_args()
    head = given.head or "the working tree"
    title = f"What {head} changes against {given.base}"
    try:
        with (
            _checkout(given.base) as old,
            _checkout(given.head) as new,
            ThreadPoolExecutor() as pool,
        ):
            before, after = pool.map(_read, (given.base, head), (old, new))
    except SideFailed as error:
        print(f"## {title}\n\n⚠ {error}")
        return ExitCode.ERROR
    print(review(title, before, after))
    return ExitCode.OK


@contextmanager
def _checkout(commit: str | None) -> Iterator[Path]:
    """Yield the folder of a commit's files; of None, this repository as it is."""
    if commit is None:
        yield _REPOSITORY
        return
    with tempfile.TemporaryDirectory() as folder:
        _git("worktree", "add", "--quiet", "--detach", folder, f"{commit}^{{commit}}")
        try:
            yield Path(folder)
        finally:
            _git("worktree", "remove", "--force", folder)


def _read(name: str, root: Path) -> dict[str, dict[str, Any]]:
    if not (root / _SIDE).exists():
        raise SideFailed(f"{name} predates the review: compare with a later commit")
    command = [sys.executable, "-m", "stacks.review.side"]
    sides: dict[str, dict[str, Any]] = json.loads(_output(f"synthesising {name}", command, root))
    return sides


def _git(*arguments: str) -> None:
    _output(f"git {arguments[0]}", ["git", *arguments], _REPOSITORY)


def _output(what: str, command: list[str], folder: Path) -> str:
    environment = os.environ | {"PYTHONPATH": str(folder)}
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, cwd=folder, env=environment
    )
    if done.returncode:
        reason = done.stderr.strip().splitlines()[-1:] or ["it said nothing"]
        raise SideFailed(f"{what} failed: {reason[0]}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
