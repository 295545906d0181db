"""The last lines of a rehearsal."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from local.rehearsal.rehearse import afterwards


@pytest.mark.parametrize(
    ("manifest", "text"),
    [
        ({"hosting": {"afterwards": "Ask it: aws …"}}, "\nAsk it: aws …\n"),
        ({"hosting": {"arn": "a"}}, ""),
        ({}, ""),
    ],
)
def test_what_can_be_done_with_the_model_is_shown_as_the_manifest_has_it(
    tmp_path: Path, manifest: dict[str, object], text: str
) -> None:
    (tmp_path / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    assert afterwards(tmp_path) == text


def test_a_run_without_a_manifest_has_nothing_to_show(tmp_path: Path) -> None:
    assert afterwards(tmp_path) == ""
