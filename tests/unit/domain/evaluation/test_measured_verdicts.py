"""Verdicts that need no judge: what is measured instead, and how it is told."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest

from lambdas.domain.cost.actuals import NOTHING_BOUGHT
from lambdas.domain.errors import DatasetChanged
from lambdas.domain.reporting.report import html, manifest, summary
from lambdas.domain.run.contracts import DecideVerdictRequest, Similarity, Verdict
from lambdas.domain.run.execution_input import MetricName
from lambdas.handlers.decide_verdict import decide_verdict
from tests.factories import (
    FROZEN,
    NOW,
    PREFIX,
    answers,
    dataset,
    frozen,
    report_request,
    run,
)
from tests.fakes import s3 as fakes_s3
from tests.fakes.s3 import FakeS3

SCHEMA = b'{"type": "object", "required": ["queue"]}'
Answered = tuple[str, str, str]  # reference, base, tuned


def said(side: int, questions: Sequence[Answered]) -> bytes:
    records = [
        {
            "id": f"q-{number}",
            "question": f"Which {number}?",
            "reference_answer": question[0],
            "topic": "tickets",
            "answer": question[side],
            "outcome": "answered" if question[side] else "empty",
            "input_tokens": 1,
            "output_tokens": 1,
        }
        for number, question in enumerate(questions)
    ]
    return "".join(json.dumps(each) + "\n" for each in records).encode()


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> FakeS3:
    found = {"summary": {"set_aside": {}}}
    return fakes_s3.install(
        monkeypatch, FakeS3({dataset().findings_key: json.dumps(found).encode()})
    )


def decided(s3: FakeS3, metric: MetricName, questions: Sequence[Answered]) -> Verdict:
    files = FROZEN
    if metric == "json-schema":
        files = (*FROZEN, frozen("answer-schema", SCHEMA))
        s3.freeze(files[-1].key, SCHEMA)
    for at, side in enumerate(("base", "tuned"), start=1):
        s3.objects[f"{PREFIX}/answers-{side}/00000.jsonl"] = said(at, questions)
    return decide_verdict(
        DecideVerdictRequest(
            run=run(metric=metric),
            now=NOW,
            dataset=dataset(files=files),
            base_answers=answers("base"),
            tuned_answers=answers("tuned"),
            judgements=None,
            similarity=Similarity(),
        )
    )


LABELS = [("billing", "network", "Billing."), ("network", "network", "network")] * 10
TEXTS = [(f"Text {n}.", f"other {n}", f"text {n}") for n in range(20)]
OBJECTS = [(f'{{"queue": {n}}}', "queue", f'```json\n{{"queue": {n + 1}}}\n```') for n in range(20)]


def test_exact_match_decides_and_is_told_as_what_it_is(s3: FakeS3) -> None:
    verdict = decided(s3, "exact-match", TEXTS)
    assert (verdict.verdict, verdict.metric) == ("better", "exact-match")
    assert (verdict.base_mean, verdict.tuned_mean, verdict.wins) == (0, 1, 20)
    assert (
        "Over 20 questions the tuned model's exact match is 100.0 %, the base model's 0.0 %: "
        "+100.0 points (95 % interval +92.6 points to +100.0 points; 20 better, 0 equal, 0 worse; "
        "sign test p < 0.001)." in verdict.reason
    )
    assert verdict.others == ()  # texts of their own are no labels


def test_macro_f1_decides_by_labels_and_exact_match_stands_beside_it(s3: FakeS3) -> None:
    verdict = decided(s3, "label-f1", LABELS)
    assert (verdict.verdict, verdict.wins, verdict.ties) == ("better", 10, 10)
    assert verdict.base_mean == pytest.approx((0 + 2 / 3) / 2)
    assert verdict.tuned_mean == 1
    assert "the tuned model's macro-F1 of the labels is 100.0 %" in verdict.reason
    [other] = verdict.others
    assert (other.metric, other.base, other.tuned) == ("exact-match", 0.5, 1)


def test_valid_json_decides_by_the_runs_own_copy_of_the_schema(s3: FakeS3) -> None:
    verdict = decided(s3, "json-schema", OBJECTS)
    assert (verdict.verdict, verdict.base_mean, verdict.tuned_mean) == ("better", 0, 1)
    assert any("20 of 20 answers of the base model are not valid" in c for c in verdict.caveats)
    results = [json.loads(x) for x in s3.objects[f"{PREFIX}/results/00000.jsonl"].splitlines()]
    assert results[0]["base"]["score"] == 0
    assert results[0]["base"]["reason"].startswith("it is not JSON")
    assert results[0]["tuned"]["score"] == 1
    s3.freeze(f"{PREFIX}/dataset/answer.schema.json", b"{}")
    request = {"files": (*FROZEN, frozen("answer-schema", SCHEMA))}
    with pytest.raises(DatasetChanged):
        decide_verdict(
            DecideVerdictRequest(
                run=run(metric="json-schema"),
                now=NOW,
                dataset=dataset(**request),
                base_answers=answers("base"),
                tuned_answers=answers("tuned"),
                judgements=None,
                similarity=Similarity(),
            )
        )


def test_no_answer_is_wrong_and_is_told(s3: FakeS3) -> None:
    verdict = decided(s3, "exact-match", [(f"{n}", f"{n}", "") for n in range(20)])
    assert (verdict.verdict, verdict.losses) == ("worse", 20)
    assert "Of 20 answers of the tuned model are 20 empty: no answer, which scores 0." in (
        verdict.caveats
    )


def test_labels_that_are_none_are_said_to_be(s3: FakeS3) -> None:
    verdict = decided(s3, "label-f1", TEXTS)
    assert (
        "20 reference answers have 20 labels: label-f1 is for answers that are one of a few."
        in (verdict.caveats)
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("metric", "questions", "says"),
    [
        ("exact-match", TEXTS, ["Exact match, tuned", "100.0 %", "right", "wrong"]),
        ("label-f1", LABELS, ["Macro-F1 of the labels, tuned", "Right answers by topic", "50.0 %"]),
        ("json-schema", OBJECTS, ["Valid JSON, base", "it is not JSON", "answer.schema.json"]),
    ],
)
def test_report_mail_and_manifest_speak_of_the_metric_and_of_no_judge(
    s3: FakeS3, metric: MetricName, questions: Sequence[Answered], says: Sequence[str]
) -> None:
    verdict = decided(s3, metric, questions)
    document = json.loads(s3.objects[verdict.verdict_key])
    results = [json.loads(x) for x in s3.objects[f"{PREFIX}/results/00000.jsonl"].splitlines()]
    request = report_request(run=run(metric=metric), judgements=None, verdict=verdict)
    page = html(
        request,
        results=results,
        decided=document,
        losses_svg=None,
        bill=NOTHING_BOUGHT,
        offers=[],
        input_status=None,
    )
    assert [each for each in says if each not in page] == []
    assert "Nova Pro" not in page
    assert "of 10" not in page
    assert verdict.reason in summary(request, NOTHING_BOUGHT, [])
    made = manifest(request, bill=NOTHING_BOUGHT, offers=[], input_status=None, code_version=None)
    assert (made["metric"], made["judge"], made["judgements"]) == (metric, None, None)
    assert made["verdict"]["metric"] == metric
