"""The comparison with other checkers judges them by what the corpus says."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks import compare_validators
from benchmarks.compare_validators import main
from tests.models import CLAUDE_3_HAIKU
from tests.unit.validation.corpus.corpus_all import CASES

SOME = [case for case in CASES if len(case.content) < 20_000][::3]
JUDGED = [
    case
    for case in SOME
    if case.model is CLAUDE_3_HAIKU
    and case.kind != "evaluation"
    and not case.key
    and not any(each.code == "maybe-too-many-tokens" for each in case.found)
]
GOOD = sum(case.is_good for case in JUDGED)
PASSES = 'print("All data passed validation!")'
ALL, BAD = len(JUDGED), len(JUDGED) - GOOD


@pytest.mark.slow
@pytest.mark.parametrize(
    ("body", "counts"),
    [
        (PASSES, (GOOD, BAD, 0, 0)),
        ("pass", (BAD, 0, GOOD, 0)),
        ('{}["messages"]', (0, 0, 0, ALL)),
    ],
    ids=["passes all", "refuses all", "crashes"],
)
def test_a_checker_is_judged_by_the_corpus(
    body: str,
    counts: tuple[int, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / "data_validation.py"
    path.write_text(f"def validate_data(training, validation=None):\n    {body}\n")
    monkeypatch.setattr(sys, "argv", ["compare_validators", str(path)])
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(compare_validators, "CASES", SOME)
    assert main() == 0
    cells = " | ".join(map(str, (ALL, *counts)))
    assert f"| **all** | {cells} |" in capsys.readouterr().out


def test_an_unknown_checker_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["compare_validators", str(tmp_path / "other.py")])
    assert main() == 2
    assert "not a file named data_validation.py" in capsys.readouterr().err
