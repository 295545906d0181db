"""*Screen dataset*: asked after the approval, within its budget, about nothing twice."""

from __future__ import annotations

import json
from functools import partial

import pytest

from lambdas.aws.comprehend import Comprehend
from lambdas.domain.errors import DatasetChanged, DatasetInvalid
from lambdas.domain.run.contracts import ScreenDatasetRequest, Screened
from lambdas.domain.run.dataset_files import DatasetKind
from lambdas.handlers.screen_dataset import screen_dataset
from lambdas.validation import make_record
from tests.factories import NOW, PREFIX, dataset, frozen, run
from tests.fakes.s3 import FakeS3, install
from tests.unit.aws.test_comprehend import FakeComprehend


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeComprehend:
    fake = FakeComprehend(Okonkwo=("NAME", 0.99))
    monkeypatch.setattr("lambdas.handlers.screen_dataset.Comprehend", partial(Comprehend, fake))
    return fake


RECORDS = [make_record("claude-messages", None, f"What is {n}?", "It.") for n in range(40)]
EXAMPLE = {"id": "e", "question": "Who is Ms Okonkwo?", "reference_answer": "A customer."}
TEXTS: dict[DatasetKind, bytes] = {
    "training": "".join(json.dumps(each) + "\n" for each in RECORDS).encode(),
    "evaluation": json.dumps(EXAMPLE).encode(),
}
FILES = tuple(frozen(kind, text) for kind, text in TEXTS.items())


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> FakeS3:
    return install(monkeypatch, FakeS3(frozen={each.key: TEXTS[each.kind] for each in FILES}))


def screen(**changes: object) -> Screened:
    given = run(**{"comprehend_max_usd": 0.5, **changes})
    checked = dataset(files=FILES, training_records=40, evaluation_examples=1, validation_records=0)
    return screen_dataset(ScreenDatasetRequest(run=given, now=NOW, dataset=checked))


def test_nothing_but_what_was_approved_is_sent(s3: FakeS3, fake: FakeComprehend) -> None:
    s3.objects[FILES[0].key] += b"\n"
    with pytest.raises(DatasetChanged):
        screen()
    assert fake.calls == []


def test_what_comprehend_finds_is_kept_and_counted(s3: FakeS3, fake: FakeComprehend) -> None:
    screened = screen()
    assert (screened.records, screened.of_records, screened.warnings) == (41, 41, 1)
    assert screened.usd == round(41 * 6 * 0.0001, 4)
    [finding] = json.loads(s3.objects[screened.screening_key])["findings"]
    assert (finding["file"], finding["code"]) == ("evaluation.jsonl", "personal-data")
    assert f"{PREFIX}/billing/personal-data.json" in s3.objects
    assert len(fake.calls) == 82


def test_a_second_call_asks_about_nothing(s3: FakeS3, fake: FakeComprehend) -> None:
    assert s3.objects
    assert screen() == screen()
    assert len(fake.calls) == 82


def test_an_environment_can_refuse_what_it_finds(s3: FakeS3, fake: FakeComprehend) -> None:
    with pytest.raises(DatasetInvalid, match=r"evaluation\.jsonl:1 question: Amazon Comprehend"):
        screen(fail_on_warnings=("personal-data",))
    assert f"{PREFIX}/screening.json" in s3.objects
    assert fake.calls


def test_it_never_asks_beyond_its_budget(s3: FakeS3, fake: FakeComprehend) -> None:
    assert s3.objects
    screened = screen(comprehend_max_usd=0.01)
    assert screened.usd <= 0.01
    assert len(fake.calls) * 3 * 0.0001 <= 0.01
