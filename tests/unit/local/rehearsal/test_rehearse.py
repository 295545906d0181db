from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import boto3
import pytest

from exit_codes import ExitCode
from lambdas.domain.cost.actuals import NOTHING_BOUGHT
from local.rehearsal import rehearse
from local.rehearsal.deployment import DeploymentFailed
from tests.factories import report_request
from tests.fakes.s3 import BUCKET, FakeS3
from tests.repository import ROOT


@pytest.fixture(autouse=True)
def _nothing_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rehearse, "OfflineAws", None)
    monkeypatch.setattr(rehearse, "synthesising", nullcontext)


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


def test_what_will_decide_nothing_is_said_before_anything_is_deployed(
    dataset: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**_: object) -> None:
        raise DeploymentFailed("not deployed")

    monkeypatch.setattr(rehearse, "OfflineAws", refuse)
    file = dataset / "evaluation.json"
    questions = json.loads(file.read_text())
    file.write_text(json.dumps([*questions, questions[0] | {"id": "again"}]))
    assert rehearse.main(["--dataset", str(dataset)]) == ExitCode.FAILED
    said, _, after = capsys.readouterr().err.partition("not deployed")
    assert "line 25: the same record as line 1" in said
    assert "0 errors, 1 warning." in said
    assert after.strip() == ""


@pytest.mark.parametrize("name", ["tuned_by_run", "answers_of_run"])
def test_an_earlier_run_is_refused_before_anything_is_deployed(
    name: str, dataset: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each rehearsal has an AWS of its own, where no such run can be."""
    given = json.dumps({name: "first-1a2b3c4d5e6f"})
    assert rehearse.main(["--dataset", str(dataset), "--input", given]) == ExitCode.ERROR
    assert f"error: {name} names an earlier run" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("found", "shown"), [((), "BETTER. "), (("Lite does.",), "BETTER, WITH RESERVATIONS. ")]
)
def test_the_terminal_has_the_verdict_as_the_mail_has_it(
    tmp_path: Path, found: tuple[str, ...], shown: str
) -> None:
    request = report_request()
    general = {"sentence": "", "reason": "Over 24 general questions ..."}
    changes = {"verdict": "better", "alternatives": found, "forgetting": general}
    verdict = request.verdict.model_dump(mode="json") | changes
    losses = request.loss_curves.model_dump(mode="json") if request.loss_curves else {}
    for name, kept in {
        "verdict": verdict,
        "losses": losses,
        "quote": request.quote.model_dump(mode="json"),
        "cost": NOTHING_BOUGHT.model_dump(mode="json"),
        "manifest": {"offers": [], "metric": "judge"},
    }.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(kept))
    ended = rehearse.Ended("first", "SUCCEEDED", None, None, 1, 1)
    lines = rehearse.summary(ended, tmp_path, {"total_usd": 0, "items": []}, []).splitlines()
    assert lines[1] == f"Verdict: {shown}{request.verdict.sentence}"
    assert lines[3] == "         General questions: Over 24 general questions ..."


def test_a_run_that_timed_out_has_no_error_and_no_report(tmp_path: Path) -> None:
    ended = rehearse.Ended("first", "TIMED_OUT", None, None, 1, 1)
    lines = rehearse.summary(ended, tmp_path, {"total_usd": 0, "items": []}, []).splitlines()
    assert lines[1:3] == ["Execution TIMED_OUT.", "What each error means: docs/runbook.md"]
    assert not any(line.startswith("Report") for line in lines)


def test_what_is_kept_one_by_one_is_downloaded_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 5,000 questions it is 30,000 objects, and ten minutes."""
    whole = ["report.html", "answers-base/00000.jsonl", "answers-base/tallies/00000.json"]
    kept = ["answers-base/00000/ab.json", "answers-base/00000/cd.json"]
    unfinished = ["answers-base/00001/ef.json"]
    s3 = FakeS3({f"runs/first/{each}": b"{}" for each in (*whole, *kept, *unfinished)})
    monkeypatch.setattr(s3, "download_file", lambda _bucket, _key, to: Path(to).touch(), False)
    monkeypatch.setattr(boto3, "client", {"s3": s3}.__getitem__)
    rehearse.download_run(BUCKET, tmp_path / "first")
    found = {str(each.relative_to(tmp_path / "first")) for each in tmp_path.rglob("*.*")}
    assert found == {*whole, *unfinished}


def test_a_history_that_grows_while_it_is_read_loses_and_repeats_nothing() -> None:
    """Pages count from its end, which had moved: a rehearsal left out a state it had entered."""
    pages = [[6, 5, 4], [5, 4, 3], [2, 1]]

    class Growing:
        def get_paginator(self, _operation: str) -> Growing:
            return self

        def paginate(self, **_: object) -> Iterator[dict[str, Any]]:
            return iter({"events": [{"id": each} for each in page]} for page in pages)

    found = rehearse.events_after(Growing(), "arn", 2)
    assert [each["id"] for each in found] == [3, 4, 5, 6]
