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

from stacks.review.markdown import review

_REPOSITORY = Path(__file__).parents[2]
_SIDE = Path(__file__).with_name("side.py")


class SideFailed(Exception):
    """A side cannot be read at all; the message is one line."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m stacks.review", description=__doc__)
    parser.add_argument("--base", default="main", help="what is compared with (main)")
    parser.add_argument("--head", help="what is reviewed (the working tree)")
    given = parser.parse_args()
    head = given.head or "the working tree"
    with _checkout(given.base) as old, _checkout(given.head) as new:
        with ThreadPoolExecutor() as pool:
            sides = [pool.submit(_read, given.base, old), pool.submit(_read, head, new)]
        title = f"What {head} changes against {given.base}"
        try:
            before, after = (side.result() for side in sides)
        except SideFailed as error:
            sys.stdout.write(f"## {title}\n\n⚠ {error}\n")
            sys.exit(1)
    sys.stdout.write(review(title, before, after) + "\n")


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


def _git(*arguments: str) -> None:
    done = subprocess.run(
        ["git", "-C", _REPOSITORY, *arguments], check=False, capture_output=True, text=True
    )
    if done.returncode:
        sys.exit(f"error: git {arguments[0]}: {done.stderr.strip()}")


def _read(name: str, root: Path) -> dict[str, dict[str, Any]]:
    own = (root / _SIDE.relative_to(_REPOSITORY)).exists()
    command = ["-m", "stacks.review.side"] if own else ["-P", str(_SIDE)]
    done = subprocess.run(
        [sys.executable, *command],
        check=False,
        capture_output=True,
        text=True,
        cwd=root,
        env=os.environ | {"PYTHONPATH": str(root)},
    )
    if done.returncode:
        reason = done.stderr.strip().splitlines()[-1:] or ["it said nothing"]
        raise SideFailed(f"{name} cannot be synthesised: {reason[0]}")
    sides: dict[str, dict[str, Any]] = json.loads(done.stdout)
    return sides


if __name__ == "__main__":
    main()
