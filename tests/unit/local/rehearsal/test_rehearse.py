from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from exit_codes import ExitCode
from local.rehearsal import rehearse
from tests.repository import ROOT


@pytest.fixture(autouse=True)
def _nothing_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rehearse, "OfflineAws", None)


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    for kind in ("training", "validation", "evaluation"):
        shutil.copy(ROOT / "dataset" / f"{kind}.json", tmp_path)
    return tmp_path


def test_questions_too_few_for_a_verdict_are_refused_before_anything_is_deployed(
    dataset: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As *Validate dataset* would, a minute later: `dev` needs six, `local` four."""
    file = dataset / "evaluation.json"
    file.write_text(json.dumps(json.loads(file.read_text())[:5]))
    assert rehearse.main(["--env", "dev", "--dataset", str(dataset)]) == ExitCode.FAILED
    said = capsys.readouterr().err
    assert "too-few-records" in said
    assert "Nothing was deployed." in said
