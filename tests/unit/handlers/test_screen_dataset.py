"""*Screen dataset*: asked after the approval, within its budget, about nothing twice."""

from __future__ import annotations

import json
from contextlib import suppress
from functools import partial
from typing import Any

import pytest

from lambdas.aws.comprehend import Comprehend
from lambdas.domain.errors import (
    DatasetChanged,
    DatasetInvalid,
    OutOfTime,
    ServiceUnavailable,
    Throttled,
)
from lambdas.domain.run.contracts import Dataset, ScreenDatasetRequest, Screened
from lambdas.domain.run.dataset_files import DatasetKind
from lambdas.handlers.screen_dataset import screen_dataset
from lambdas.runtime.step import SecondsLeft
from lambdas.validation import make_record
from tests.factories import NOW, PREFIX, dataset, frozen, run
from tests.fakes.function import plenty
from tests.fakes.s3 import FakeS3, install
from tests.unit.aws.test_comprehend import FakeComprehend


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeComprehend:
    fake = FakeComprehend(Okonkwo=("NAME", 0.99))
    monkeypatch.setattr("lambdas.handlers.screen_dataset.Comprehend", partial(Comprehend, fake))
    return fake


RECORDS = [make_record("claude-messages", None, f"What is {n}?", "It.") for n in range(40)]
EXAMPLE = {"id": "e", "question": "Who is Ms Okonkwo?", "reference_answer": "A customer."}
USD_PER_REQUEST = 3 * 0.0001
TEXTS: dict[DatasetKind, bytes] = {
    "training": "".join(json.dumps(each) + "\n" for each in RECORDS).encode(),
    "evaluation": json.dumps(EXAMPLE).encode(),
}
FILES = tuple(frozen(kind, text) for kind, text in TEXTS.items())


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> FakeS3:
    return install(monkeypatch, FakeS3(frozen={each.key: TEXTS[each.kind] for each in FILES}))


@pytest.fixture
def long(s3: FakeS3) -> Dataset:
    """Files of more than one batch: 150 examples and 180 records, of two requests each."""
    many = {
        "training": [
            make_record("claude-messages", None, f"What is {n}?", "It.") for n in range(180)
        ],
        "evaluation": [EXAMPLE | {"id": str(n)} for n in range(150)],
    }
    texts = {
        kind: "".join(json.dumps(each) + "\n" for each in lines).encode()
        for kind, lines in many.items()
    }
    for file in FILES:
        s3.freeze(file.key, texts[file.kind])
    files = [frozen(file.kind, texts[file.kind]) for file in FILES]
    return dataset(files=files, training_records=180, evaluation_examples=150, validation_records=0)


def screen_long(
    checked: Dataset, seconds_left: SecondsLeft = plenty, max_usd: float = 0.12
) -> Screened:
    request = ScreenDatasetRequest(run=run(comprehend_max_usd=max_usd), now=NOW, dataset=checked)
    return screen_dataset(request, seconds_left)


def screen(seconds_left: SecondsLeft = plenty, **changes: object) -> Screened:
    given = run(**{"comprehend_max_usd": 0.5, **changes})
    checked = dataset(files=FILES, training_records=40, evaluation_examples=1, validation_records=0)
    return screen_dataset(ScreenDatasetRequest(run=given, now=NOW, dataset=checked), seconds_left)


def test_nothing_but_what_was_approved_is_sent(s3: FakeS3, fake: FakeComprehend) -> None:
    s3.objects[FILES[0].key] += b"\n"
    with pytest.raises(DatasetChanged):
        screen()
    assert fake.calls == []


def test_what_comprehend_finds_is_kept_and_counted(s3: FakeS3, fake: FakeComprehend) -> None:
    screened = screen()
    assert (screened.records, screened.of_records, screened.warnings) == (41, 41, 1)
    assert screened.usd == round(41 * 6 * 0.0001, 4)
    [finding] = json.loads(s3.objects[f"{PREFIX}/screening.json"])["findings"]
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


class Killed(BaseException):
    """The function ends in the middle, and nothing of it runs any more."""


def test_all_calls_together_stay_within_the_budget_and_say_what_was_paid(
    long: Dataset, s3: FakeS3, fake: FakeComprehend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first call is throttled, and the second dies at its end."""
    fake.fail("DetectPiiEntities", "ThrottlingException")
    with suppress(Throttled):  # of eight requests at once, it may be the only one that was sent
        screen_long(long)
    put = s3.put_object

    def dies(**request: Any) -> dict[str, Any]:
        if request["Key"].endswith("screening.json"):
            raise Killed
        return put(**request)

    with monkeypatch.context() as patch:
        patch.setattr(s3, "put_object", dies)
        with pytest.raises(Killed):
            screen_long(long)
    screened = screen_long(long)
    paid = round((len(fake.calls) - 1) * USD_PER_REQUEST, 4)
    assert paid <= screened.usd <= 0.12


def test_a_screening_that_runs_out_of_time_goes_on_where_it_stopped(
    long: Dataset, s3: FakeS3, fake: FakeComprehend
) -> None:
    def time_for(begun: int) -> float:
        return 900 if len(fake.calls) < begun + 200 else 100

    passes: list[Screened] = []
    for _ in range(9):
        begun = len(fake.calls)
        passes.append(screen_long(long, partial(time_for, begun), max_usd=1))
        if passes[-1].done:
            break
    assert [each.done for each in passes] == [False, False, True]
    assert (passes[-1].records, passes[-1].of_records) == (330, 330)
    assert len(fake.calls) == 2 * 330, "about none twice"
    assert f"{PREFIX}/screening.json" in s3.objects


@pytest.mark.parametrize(
    ("code", "error"),
    [("ThrottlingException", Throttled), ("InternalServerException", ServiceUnavailable)],
)
def test_nothing_goes_on_that_was_not_screened_because_comprehend_is_busy(
    s3: FakeS3, fake: FakeComprehend, code: str, error: type[Exception]
) -> None:
    """The state retries; what refuses for ever fails it, before anything is trained."""
    fake.fail("DetectPiiEntities", *[code] * 16)
    for _ in range(2):
        with pytest.raises(error, match=r"screened 0 of \d+ records .* Nothing was trained"):
            screen()
    fake.failures.clear()
    assert f"{PREFIX}/screening.json" not in s3.objects
    screened = screen()
    assert (screened.records, screened.of_records) == (41, 41)


def test_a_screening_for_which_no_pass_has_time_says_so(
    long: Dataset, fake: FakeComprehend
) -> None:
    with pytest.raises(OutOfTime, match=r"evaluation: .* asked about 0 of 150 records"):
        screen_long(long, lambda: 100)
    assert fake.calls == []
