"""Optional checks: when services are asked, about how many records, at what cost, the result."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from lambdas.aws.comprehend import Comprehend
from lambdas.domain.cost.price_book import service_price
from lambdas.domain.errors import AccessDenied
from lambdas.domain.models.lookup import find_model
from lambdas.domain.models.model import Model
from lambdas.validation import DatasetSource, ValidationReport
from lambdas.validation.check import Options, check
from lambdas.validation.formats.conversation import FileKind, make_record
from lambdas.validation.screening import PiiCheck, sample_records, screened
from tests.fakes.bytes_source import BytesSource
from tests.unit.aws.test_comprehend import FakeComprehend

USD_PER_UNIT = service_price("comprehend_usd_per_unit").usd
DEFAULTS = Options()
HAIKU, LLAMA = find_model("claude-3-haiku"), find_model("llama-3-1-8b")


def training(model: Model = HAIKU, records: int = 40, odd: str = "") -> BytesSource:
    lines = (
        make_record(
            model.record_format,
            None,
            f"What is number {at}? {odd if at == 3 else ''}",
            f"It is {at}.",
        )
        for at in range(1, records + 1)
    )
    text = "".join(json.dumps(each) + "\n" for each in lines)
    return BytesSource("training.jsonl", text.encode())


def evaluation() -> BytesSource:
    example = {"id": "1", "question": "Who is Ms Okonkwo?", "reference_answer": "A customer."}
    return BytesSource("evaluation.jsonl", (json.dumps(example) + "\n").encode())


def checked(
    model: Model,
    sources: Mapping[FileKind, DatasetSource],
    options: Options = DEFAULTS,
    pii: PiiCheck | None = None,
) -> ValidationReport:
    report = check(model, options=options, **sources)
    return screened(report, sources, pii) if pii else report


def screen(
    fake: FakeComprehend,
    max_usd: float = 1,
    options: Options = DEFAULTS,
    **training_options: Any,
) -> ValidationReport:
    pii = PiiCheck(Comprehend(fake).detect_pii, max_usd, USD_PER_UNIT, say=lambda _: None)
    return checked(HAIKU, {"training": training(**training_options)}, options, pii)


def test_no_service_is_asked_by_default() -> None:
    report = checked(HAIKU, {"training": training()})
    assert "services" not in report.as_json()["summary"]


def test_what_comprehend_finds_has_its_line_and_field() -> None:
    said: list[str] = []
    fake = FakeComprehend(Okonkwo=("NAME", 0.99))
    sources: dict[FileKind, DatasetSource] = {
        "training": training(LLAMA, 120, "Ask Ms Okonkwo."),
        "evaluation": evaluation(),
    }
    pii = PiiCheck(Comprehend(fake).detect_pii, 1, USD_PER_UNIT, said.append)
    report = checked(LLAMA, sources, pii=pii)
    found = [each for each in report.findings.kept if each.code == "personal-data"]
    assert [(each.file, each.line, each.field) for each in found] == [
        ("training.jsonl", 3, "prompt"),
        ("evaluation.jsonl", 1, "question"),
    ]
    assert report.valid
    assert report.as_json()["summary"]["services"] == {
        "Comprehend": {"records": 121, "of_records": 121, "cost_usd": round(121 * 6 * 0.0001, 4)}
    }
    assert said[0].startswith("Amazon Comprehend will cost $1.00 at most")
    assert said[1].startswith("Amazon Comprehend checked 121 of 121 records for $0.0726")


def test_an_environment_can_refuse_what_comprehend_finds() -> None:
    fake = FakeComprehend(Okonkwo=("NAME", 0.99))
    options = Options(fail_on=frozenset({"personal-data"}))
    assert not screen(fake, options=options, odd="Ask Ms Okonkwo.").valid


def test_the_budget_is_kept_and_the_report_says_what_was_left_out() -> None:
    fake = FakeComprehend()
    budget = 15 * 6 * 0.0001  # of 40 records with two texts of three units each
    report = screen(fake, budget)
    assert report.services["Comprehend"]["cost_usd"] <= budget
    assert len(fake.called("DetectPiiEntities")) == 2 * 10  # every fourth
    [finding] = [each for each in report.findings.kept if each.code == "not-screened"]
    assert "10 of 40 records" in finding.message


def test_an_invalid_dataset_costs_nothing() -> None:
    fake = FakeComprehend()
    assert not screen(fake, records=3).valid
    assert fake.calls == []


def test_a_missing_permission_is_raised() -> None:
    fake = FakeComprehend()
    fake.fail("DetectPiiEntities", *["AccessDeniedException"] * 9)
    with pytest.raises(AccessDenied):
        screen(fake)


def test_sampled_records_are_evenly_spaced_and_within_the_budget() -> None:
    hundred = training(records=100)
    records = sample_records(hundred, "training", HAIKU, 30 * 6)
    assert [line for line, _ in records] == [*range(4, 101, 4)]
    assert len(sample_records(hundred, "training", HAIKU, 100 * 6)) == 100
    assert sample_records(training(), "training", HAIKU, 0) == []


def test_lines_without_a_record_are_skipped_and_numbers_stay_right() -> None:
    good = training(records=2).content
    source = BytesSource("x", b"\n{}\n" + good.replace(b"\n", b"\r\n") + b"\xff\n" + good.strip())
    records = sample_records(source, "training", HAIKU, 10 * 6)
    assert [line for line, _ in records] == [3, 4, 6, 7]
