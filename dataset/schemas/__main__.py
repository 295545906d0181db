"""Writes the schemas beside this file: `python -m dataset.schemas`."""

from __future__ import annotations

from pathlib import Path

from dataset.schemas.formats import documents

if __name__ == "__main__":
    for name, text in documents().items():
        Path(__file__).with_name(name).write_text(text, encoding="utf-8")
