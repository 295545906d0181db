"""Writes the schemas beside this file; with `--check` only says which are out of date."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from dataset.schemas.formats import documents

_HERE = Path(__file__).parent


def main(arguments: Sequence[str]) -> str | None:
    """Write or check; return what a failed check has to say."""
    if "--check" in arguments:
        names = [name for name, text in documents().items() if _read(_HERE / name) != text]
        message = f"Out of date: {', '.join(names)}; run python -m dataset.schemas"
        return message if names else None
    for name, text in documents().items():
        (_HERE / name).write_text(text, encoding="utf-8")
    return None


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
