"""Services asked beside the rules: when, about how many records, for how much, and what follows."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lambdas.aws.asked import Asked, check_and_ask
from lambdas.aws.comprehend import units_of
from lambdas.aws.token_counts import CountingUnsupported
from lambdas.domain.errors import AccessDenied
from lambdas.domain.models.catalogue import Model, find_model
from lambdas.validation import BytesSource, Options, Source
from lambdas.validation.formats.conversation import make_record
from lambdas.validation.formats.fields import Kind
from lambdas.validation.sampling import pick
from tests.fakes.bedrock import Failing
from tests.unit.aws.test_comprehend import FakeComprehend

HAIKU, LLAMA = find_model("claude-3-haiku"), find_model("llama-3-1-8b")


class FakeRuntime(Failing):
    """Counts a token a word."""

    def count_tokens(self, **request: Any) -> dict[str, Any]:
        self._enter("CountTokens", request)
        said = request["input"]["converse"]["messages"]
        return {"inputTokens": sum(len(each["content"][0]["text"].split()) for each in said)}


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


def asked(comprehend: Failing, runtime: Failing | None = None, **options: Any) -> Asked:
    clients = {"comprehend": comprehend, "bedrock-runtime": runtime}
    return Asked(clients=lambda name: clients[name], **options)


def test_by_default_nothing_is_asked() -> None:
    fake = FakeComprehend()
    report = check_and_ask(HAIKU, {"training": training()}, asked=asked(fake))
    assert fake.calls == []
    assert "services" not in report.as_json()["summary"]


def test_what_comprehend_finds_stands_at_its_line_and_its_field() -> None:
    said: list[str] = []
    fake = FakeComprehend(Okonkwo=("NAME", 0.99))
    sources: dict[Kind, Source] = {
        "training": training(LLAMA, 120, "Ask Ms Okonkwo."),
        "evaluation": evaluation(),
    }
    report = check_and_ask(LLAMA, sources, asked=asked(fake, comprehend_max_usd=1, say=said.append))
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
    assert said[1].startswith("Amazon Comprehend looked at 121 of 121 records for $0.0726")


def test_an_environment_can_refuse_what_comprehend_finds() -> None:
    fake = FakeComprehend(Okonkwo=("NAME", 0.99))
    options = Options(fail_on=frozenset({"personal-data"}))
    sources: dict[Kind, Source] = {"training": training(odd="Ask Ms Okonkwo.")}
    assert not check_and_ask(HAIKU, sources, options, asked(fake, comprehend_max_usd=1)).valid


def test_the_ceiling_is_kept_and_the_report_says_what_was_left_out() -> None:
    fake = FakeComprehend()
    ceiling = 15 * 6 * 0.0001  # of 40 records with two texts of three units each
    wanted = asked(fake, comprehend_max_usd=ceiling)
    report = check_and_ask(HAIKU, {"training": training()}, asked=wanted)
    assert report.services["Comprehend"]["cost_usd"] <= ceiling
    assert len(fake.called("DetectPiiEntities")) == 2 * 10  # every fourth
    [finding] = [each for each in report.findings.kept if each.code == "not-screened"]
    assert "10 of 40 records" in finding.message


def test_a_dataset_that_is_refused_costs_nothing() -> None:
    fake = FakeComprehend()
    report = check_and_ask(
        HAIKU, {"training": training(records=3)}, asked=asked(fake, comprehend_max_usd=1)
    )
    assert not report.valid
    assert fake.calls == []


def test_a_missing_permission_is_raised() -> None:
    fake = FakeComprehend()
    fake.fail("DetectPiiEntities", *["AccessDeniedException"] * 9)
    with pytest.raises(AccessDenied):
        check_and_ask(HAIKU, {"training": training()}, asked=asked(fake, comprehend_max_usd=1))


def test_counted_tokens_replace_the_estimate() -> None:
    runtime = FakeRuntime()
    estimated = check_and_ask(HAIKU, {"training": training()})
    report = check_and_ask(
        HAIKU, {"training": training()}, asked=asked(runtime, runtime, count_tokens=True)
    )
    assert report.files["training.jsonl"].tokens == 40 * (4 + 3)
    assert report.files["training.jsonl"].expected_tokens == 40 * 7
    assert estimated.files["training.jsonl"].tokens > 40 * 7
    assert report.services["CountTokens"] == {"records": 40, "of_records": 40}


def test_records_that_are_not_counted_keep_the_upper_estimate(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("lambdas.aws.asked.MOST_COUNTED", 20)
    runtime = FakeRuntime()
    estimated = check_and_ask(HAIKU, {"training": training()}).files["training.jsonl"].tokens
    wanted = asked(runtime, runtime, count_tokens=True)
    report = check_and_ask(HAIKU, {"training": training()}, asked=wanted)
    tokens = report.files["training.jsonl"].tokens
    assert 20 * 7 + 0.4 * estimated < tokens < estimated
    assert report.services["CountTokens"] == {"records": 20, "of_records": 40}


def test_a_model_that_is_not_counted_is_refused_before_the_work() -> None:
    class Refusing(FakeRuntime):
        def count_tokens(self, **request: Any) -> dict[str, Any]:
            self.fail("CountTokens", "ValidationException")
            self.failures["CountTokens"][0].args = ("The model doesn't support counting tokens.",)
            return super().count_tokens(**request)

    runtime = Refusing()
    with pytest.raises(CountingUnsupported, match="leave out --count-tokens"):
        check_and_ask(
            HAIKU, {"training": training()}, asked=asked(runtime, runtime, count_tokens=True)
        )
    assert len(runtime.calls) == 1


def test_picked_records_are_evenly_spaced_and_within_the_budget() -> None:
    records, step = pick(training(records=100), "training", HAIKU, units_of, 30 * 6)
    assert step == 4
    assert [line for line, _ in records] == [*range(4, 101, 4)]
    records, step = pick(training(records=100), "training", HAIKU, units_of, 100 * 6)
    assert (len(records), step) == (100, 1)
    assert pick(training(), "training", HAIKU, units_of, 0).records == []


def test_what_is_no_record_is_passed_over_and_lines_stay_right() -> None:
    good = training(records=2).content
    source = BytesSource("x", b"\n{}\n" + good.replace(b"\n", b"\r\n") + b"\xff\n" + good.strip())
    picked = pick(source, "training", HAIKU, lambda _: 1, 10)
    assert [line for line, _ in picked.records] == [3, 4, 6, 7]
