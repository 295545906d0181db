from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambdas.domain.cost.actuals import NOTHING_BOUGHT, Bill, bill_of, finished
from lambdas.domain.cost.calculator import Calculator
from lambdas.domain.cost.estimate import make_quote
from lambdas.domain.cost.price_book import PriceBook
from lambdas.domain.cost.worth import Offer
from lambdas.domain.data_review.results import DataReview
from lambdas.domain.errors import AccessDenied, Throttled
from lambdas.domain.evaluation.results import topics_of
from lambdas.domain.reporting.notification import body, subject
from lambdas.domain.reporting.report import (
    MOST_CHARACTERS,
    MOST_SHOWN,
    html,
    manifest,
    summary,
    worst_shown,
)
from lambdas.domain.run.contracts import (
    Approval,
    Failure,
    MeanSimilarity,
    NotifyRequest,
    Release,
    Report,
    VerdictToTell,
    WriteReportRequest,
)
from lambdas.domain.training.input_status import InputStatus, RecordCounts
from lambdas.domain.training.loss_plot import draw
from lambdas.domain.training.losses import TRAINING_FILE, Curve, history, parse
from lambdas.handlers.notify import notify
from lambdas.handlers.write_report import write_report
from tests.factories import (
    EXECUTION,
    FROZEN,
    NAMES,
    NOW,
    PREFIX,
    PRICES,
    QUOTED,
    RESULTS,
    REVIEWED,
    data_review,
    hosting,
    nova_run,
    quote,
    report_request,
    run,
    standing,
)
from tests.fakes import bedrock as fakes_bedrock
from tests.fakes import s3 as fakes_s3
from tests.fakes.bedrock import REGION, TOPIC_ARN, FakeSns
from tests.fakes.s3 import BUCKET, FakeS3, client_error

DECIDED = {
    "set_aside_questions": {"q-2": "asked twice"},
    "topics": [asdict(each) for each in topics_of(RESULTS)],
    "standings": [standing(key).model_dump() for key in ("base", "tuned")],
}
OFFERS = [
    Offer(
        standing=standing("base"),
        usd=0.115,
        how="110 tokens x $0.00025 + 70 x $0.00125",
        beside_tuned="the tuned model costs less from 1,147,826 answers an hour on",
    ),
    Offer(standing=standing("tuned"), usd=None, usd_per_hour=132),
    Offer(
        standing=standing("few-shot", name="the base model with <5> examples", latency_ms=None),
        usd=0.4,
        how="900 tokens",
    ),
    Offer(
        standing=standing("nova-lite", score=None, failure="AccessDenied: <no> access"),
        usd=None,
    ),
]
OFFLINE = EXECUTION.arn.replace("123456789012", "000000000000")
SVG = '<?xml version="1.0"?>\n<!DOCTYPE svg>\n<svg viewBox="0 0 1 1"><text>loss</text></svg>'
COUNTED = InputStatus(
    files=(
        RecordCounts(
            file="training.jsonl", processed=96, accepted=93, partially_accepted=1, rejected=2
        ),
    )
)
REPORT = Report(
    report_key=f"{PREFIX}/report.html",
    manifest_key="m",
    summary="It is better.",
    metered_usd=55.36,
    metered_at_most=False,
)
SUCCESS = NotifyRequest(
    execution=EXECUTION,
    now=NOW,
    run=run(),
    report=REPORT,
    verdict=report_request().verdict,
    release=report_request().release,
)
FAILURE = NotifyRequest(
    execution=EXECUTION,
    now=NOW,
    run=run(),
    failure=Failure(
        state="Check training", error="TrainingFailed", cause="line 1 <&>\nline 2, ünïcode"
    ),
)


class Page(HTMLParser):
    """Collects tags with attributes, and text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def page(
    request: WriteReportRequest | None = None,
    svg: str | None = SVG,
    input_status: InputStatus | None = COUNTED,
    results: Sequence[dict[str, Any]] = RESULTS,
) -> str:
    request = request or report_request()
    return html(
        request,
        results=results,
        decided=DECIDED,
        losses_svg=svg,
        bill=bill(request),
        offers=OFFERS,
        input_status=input_status,
    )


def facts_of(
    request: WriteReportRequest,
    input_status: InputStatus | None = COUNTED,
    code_version: str | None = None,
) -> dict[str, Any]:
    return manifest(
        request,
        bill=bill(request),
        offers=OFFERS,
        input_status=input_status,
        code_version=code_version,
    )


def bill(request: WriteReportRequest) -> Bill:
    # A made-up price for every model that a test names, so that each can be quoted.
    region = {"nova-micro": "us-east-1"}.get(request.run.settings.model, REGION)
    run = request.run.model_copy(update={"region": region})
    moved = request.model_copy(update={"run": run})
    prices = Calculator(PriceBook.load(PRICES), region)
    return bill_of(make_quote(run, moved.dataset, prices), finished(moved, prices))


def test_the_verdict_comes_first() -> None:
    text = Page(page()).text
    assert text.index("These questions cannot decide") < text.index("Correctness, tuned")
    assert text.index("Validation loss was lowest in epoch 6.") < text.index("Correctness, tuned")


def test_every_question_answer_score_and_reason_is_there() -> None:
    text = Page(page()).text
    for each in RESULTS:
        for shown in (each["id"], each["question"], each["reference_answer"]):
            assert shown in text
        for side in (each["base"], each["tuned"]):
            assert all(str(value) in text for key, value in side.items() if key != "outcome")
    assert "3 questions: 2 decide, 0 are set aside, 1 lack a score." in text
    assert "q-2, Agents (set aside: asked twice)" in text
    assert "Cut off at max_answer_tokens = 300" in text


def test_facts_on_data_training_and_cost_are_there() -> None:
    text = Page(page()).text
    for shown in (
        *(each.sha256 for each in FROZEN), f"{PREFIX}/dataset/training.jsonl",
        "12,345", "epochCount 10 (set by the input), batchSize 8 (8 advised)", "118 min",
        "Answer briefly.",
        "25.0 minutes", "$55.00", "12,345 tokens (an upper estimate) in 7 epochs", "900 tokens",
        "80 tokens", EXECUTION.arn, "Amazon Nova Pro", "Nobody had to approve the quote.",
    ):  # fmt: skip
        assert shown in text, shown


@pytest.mark.slow
def test_text_is_escaped_and_nothing_is_loaded() -> None:
    text = "step_number,epoch_number,training_loss\n0,1,1.0\n"
    losses = history(parse(text, "training_loss", TRAINING_FILE), Curve())
    source = page(svg=draw(losses)[0].decode())
    tags = Page(source).tags
    assert not {"script", "link", "img", "iframe", "object"} & {tag for tag, _ in tags}
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in source
    assert "<b>Guardrails" not in source
    assert not [tag for tag, attributes in tags if "src" in attributes]
    assert not re.search(r"url\((?!#)|@import", source)
    assert "<!DOCTYPE svg" not in source
    assert "<?xml" not in source


@pytest.mark.slow
@settings(max_examples=40, deadline=None)  # a page takes milliseconds, a shared machine longer
@given(st.text())
def test_any_text_passes_through_unharmed(text: str) -> None:
    result = RESULTS[0] | {"id": text, "base": {"answer": text, "score": 1, "reason": text}}
    source = html(
        report_request(),
        results=[result],
        decided=DECIDED,
        losses_svg=SVG,
        bill=NOTHING_BOUGHT,
        offers=OFFERS,
        input_status=COUNTED,
    )
    assert {tag for tag, _ in Page(source).tags} <= {
        "html", "head", "meta", "title", "style", "body", "header", "p", "code", "h1", "h2", "h3",
        "dl", "div", "dt", "dd", "section", "svg", "text", "table", "thead", "tr", "th", "tbody",
        "td", "details", "summary", "span", "b", "br", "footer", "ul", "li",
    }  # fmt: skip


def test_questions_that_need_a_look_are_open() -> None:
    opened = [attributes for tag, attributes in Page(page()).tags if tag == "details"]
    assert ["open" in each for each in opened] == [False, False, True]


def test_of_many_questions_those_that_went_worst_are_shown() -> None:
    gained = RESULTS[0]
    many = [{**gained, "id": f"gain-{number}"} for number in range(2 * MOST_SHOWN)]
    lost = [{**gained, "id": f"loss-{number}", "tuned": gained["base"]} for number in range(3)]
    found = worst_shown([*many[:9], RESULTS[2], *many[9:], *lost])
    assert len(found) == MOST_SHOWN
    assert found[9] == RESULTS[2], "what lacks a score is among them, in its place"
    assert found[-3:] == lost
    assert worst_shown(RESULTS) == RESULTS


def test_a_text_of_any_length_fits_on_the_page_and_into_memory() -> None:
    long = "x" * (2 * MOST_CHARACTERS)
    tuned = {**RESULTS[0]["tuned"], "answer": long}
    others = {"history": long, "others": {"nova-lite": {"answer": long}}}
    [found] = worst_shown([{**RESULTS[0], "question": long, "tuned": tuned, **others}])
    assert found["question"] == found["tuned"]["answer"] == long[:MOST_CHARACTERS] + "…"
    assert {*found} == {*RESULTS[0]}


def test_an_answer_whose_judgement_was_lost_fails_no_report() -> None:
    """All is paid for by then; the verdict counts it as missing."""
    lost = {**RESULTS[0], "base": {"answer": "A filter.", "outcome": "answered"}}
    assert "not judged: there is no record of it" in page(results=[lost])


def test_topics_count_pairs_only() -> None:
    topics = topics_of(RESULTS)
    assert [(each.name, each.questions, each.base, each.tuned) for each in topics] == [
        ("Agents", 1, 3, 6),
        ("Guardrails", 1, 2, 8),
    ]
    without = [each | {"topic": None} for each in RESULTS]
    assert topics_of(without) == []


def test_what_was_not_measured_is_not_invented() -> None:
    unknown = Release(found=False, hosting_arn=None, billed_minutes=None, at=NOW)
    curves = report_request().loss_curves.model_copy(update={"best_validation_loss": None})
    text = Page(page(report_request(release=unknown, loss_curves=curves))).text
    assert "not measured" in text
    assert "at most $132.00" in text, "from the purchase until it was gone"
    assert "Best validation loss" not in text


def test_what_it_came_to_stands_beside_what_was_quoted() -> None:
    rows = {
        each.what: each
        for each in bill(report_request(run=run(model="nova-micro", model_units=2))).items
    }
    hosting, training = rows["Provisioned throughput"], rows["Training"]
    assert hosting.usd == pytest.approx(25 / 60 * 2 * 60.5)
    assert hosting.quoted_usd == pytest.approx(25.02 / 60 * 2 * 60.5, rel=1e-3)
    assert training.usd == pytest.approx(12_345 * 7 / 1000 * 0.001)
    assert rows["Judgements, output tokens"].usd == pytest.approx(80 / 1000 * 0.0032)


def reviewed_page(review: DataReview | None = None) -> str:
    request = report_request(run=run(review_data=True), review=REVIEWED)
    return html(
        request,
        results=RESULTS,
        decided=DECIDED,
        losses_svg=SVG,
        bill=bill(request),
        offers=OFFERS,
        input_status=COUNTED,
        review=review or data_review(),
    )


def test_a_review_of_the_data_has_a_section_of_its_own() -> None:
    source = reviewed_page()
    text = Page(source).text
    for shown in (
        "Amazon Nova Pro reviewed 31 of 96 training records, one in 3, evenly spread.",
        "The mean score is 7.90 of 10",
        "2 (6.5 %) score below 6. The run would have stopped below a mean of 6.",
        "gave no scores: 1; because of max_review_usd = 2, or too long to be asked about: 64.",
        "Line 41 What is <i>a hold</i>?",
        "The <b>year</b> is wrong.",
        f"{PREFIX}/review/rows.jsonl",
        "31 records reviewed, 1 failed",
    ):
        assert shown in text, shown
    assert "<i>" not in source
    assert "<b>year" not in source
    assert "Review of the training data" not in Page(page()).text


def test_a_review_of_all_records_says_nothing_of_some() -> None:
    whole = data_review()
    summary = whole.summary.model_copy(update={"failed": 0, "not_reviewed": 0})
    plan = whole.plan.model_copy(update={"every": 1})
    unlimited = {"summary": summary, "plan": plan, "min_review_score": None}
    text = Page(reviewed_page(whole.model_copy(update=unlimited))).text
    for hidden in ("one in", "gave no scores", "would have stopped"):
        assert hidden not in text


def test_an_approval_is_in_the_report_with_its_reason() -> None:
    approval = Approval(
        reason="in <budget>", decided_at=NOW, decided_in="arn", quote_sha256="0f" * 32
    )
    text = Page(page(report_request(approval=approval))).text
    assert "The quote was approved on 2026-11-23 09:30 UTC: in <budget>." in text


def test_the_report_says_whether_it_was_worth_it() -> None:
    doubted = "The base model with examples is not shown to score less than the tuned model."
    request = report_request()
    verdict = request.verdict.model_copy(update={"alternatives": (doubted,)})
    request = request.model_copy(update={"verdict": verdict})
    text = Page(page(request)).text
    assert doubted in text
    worth = text.partition("Was it worth it?")[2].partition("Correctness by topic")[0]
    assert "The base model with <5> examples" in worth
    assert "2.501.50 to 3.50" in worth
    assert "+4.50-1.85 to +10.85" in worth
    assert "$132.00 an hour" in worth
    assert "could not be compared: AccessDenied: <no> access" in worth
    assert "the tuned model costs less from 1,147,826 answers an hour on." in worth
    assert doubted in summary(request, bill(request), OFFERS)


@pytest.mark.parametrize(("arn", "expected"), [(EXECUTION.arn, False), (OFFLINE, True)])
def test_a_rehearsal_says_so(arn: str, *, expected: bool) -> None:
    request = report_request(run=run(execution_arn=arn))
    assert ("Rehearsal." in Page(page(request)).text) is expected
    made = manifest(
        request, bill=NOTHING_BOUGHT, offers=OFFERS, input_status=COUNTED, code_version=None
    )
    assert made["rehearsal"] is expected


def test_the_manifest_holds_what_a_comparison_needs() -> None:
    request = report_request()
    facts = manifest(
        request, bill=bill(request), offers=OFFERS, input_status=COUNTED, code_version="1.2.3"
    )
    made = json.loads(json.dumps(facts))
    assert made["spent_usd"] == pytest.approx(55.36, abs=0.01)
    assert made["quote"]["expected_usd"] == QUOTED.expected_usd
    assert made["code_version"] == "1.2.3"
    assert made["dataset"]["files"][0]["sha256"] == FROZEN[0].sha256
    assert made["input_status"]["files"][0]["rejected"] == 2
    assert made["model"]["customization_model_id"].endswith(":200k")
    assert made["quote"]["hyperparameters"] == {"epochCount": "10", "batchSize": "8"}
    assert made["quote"]["hyperparameter_reasons"].keys() == {"epochCount", "batchSize"}
    assert made["hosting"]["billed_minutes"] == 25
    assert made["tokens"]["judge"] == {"input": 900, "output": 80}
    assert made["verdict"]["verdict"] == "not decisive"
    assert {"loss_curves", "base_answers", "tuned_answers", "judgements", "dataset"} <= set(made)


def test_the_summary_is_a_few_plain_lines() -> None:
    reviewed = summary(report_request(review=REVIEWED), bill(report_request()), OFFERS).splitlines()
    assert reviewed[5] == (
        "The reviewed training data scores 7.90 of 10 on average, over 31 records."
    )
    lines = summary(report_request(), bill(report_request()), OFFERS).splitlines()
    assert lines[0].startswith("These questions cannot decide between tuned and base model. Over 2")
    assert lines[1] == "1 of 3 answers of the tuned model were cut off."
    assert lines[2] == (
        "Mean score, and cost of 1,000 answers: the base model 2.50, $0.12; the tuned model 2.50, "
        "$132.00 an hour; the base model with <5> examples 2.50, $0.40; nova-lite has no score."
    )
    assert lines[3] == "Similarity to the reference answers, BERTScore F1: base 0.626, tuned 0.718."
    assert lines[5].startswith("Failures: 0 answers of the base model, 1 of the tuned one")
    assert lines[6] == (
        "Provisioned throughput lived 25 min. The run cost at most $55.35, quoted $55.69."
    )
    assert len(lines) == 7


def with_similarity(**changes: object) -> WriteReportRequest:
    """Return a request whose contract of similarity, and the means in its verdict, are these."""
    means = changes.pop("means", report_request().verdict.similarity)
    verdict = report_request().verdict.model_copy(update={"similarity": means})
    similarity = report_request().similarity.model_copy(update=changes)
    return report_request(similarity=similarity, verdict=verdict)


@pytest.mark.slow
def test_similarity_is_shown_with_what_it_was_measured_by() -> None:
    text = " ".join(Page(page()).text.split())
    assert "BERTScore F10.6260.718+0.091 ROUGE-L F10.1320.226+0.094 chrF, of 10032.9" in text
    assert "BERTScore by minilm.safetensors, whose scores are those of bert_score to 2e-07." in text
    assert "chrF by sacrebleu: nrefs:1|version:2.6.0" in text
    assert "No BERTScore" not in text
    some = Page(page(with_similarity(bertscored_every=8))).text
    assert "those of bert_score to 2e-07, of one question in 8." in some


def test_other_models_are_columns_beside_base_and_tuned() -> None:
    means = report_request().verdict.similarity.model_copy(
        update={"others": {"nova-lite": {"f1": 0.655}, "few-shot": {}}}
    )
    text = Page(page(with_similarity(means=means))).text
    assert "DifferenceNova-liteThe base model with <5> examples" in text
    assert "BERTScore F10.6260.718+0.0910.655\N{EN DASH}" in text


def test_without_weights_the_report_says_so() -> None:
    means = MeanSimilarity(questions=2, base={"rouge_l": 0.1}, tuned={"rouge_l": 0.2})
    request = with_similarity(weights=None, problem="no weights are named", means=means)
    text = Page(page(request)).text
    assert "No BERTScore: no weights are named." in text
    assert "BERTScore by" not in text
    assert "\nSimilarity to the reference answers, ROUGE-L F1: base 0.100, tuned 0.200.\n" in (
        summary(request, bill(request), OFFERS)
    )


def test_similarity_that_could_not_be_measured_is_not_shown() -> None:
    failed = "Score similarity failed: Runtime.OutOfMemory"
    request = with_similarity(problem=failed, means=None)
    assert f"Not measured: {failed}." in Page(page(request)).text
    assert "Similarity" not in summary(request, bill(request), OFFERS)


def test_an_answers_own_similarity_is_beside_it() -> None:
    scores = {"f1": 0.5, "rouge_l": 0.25, "chrf": 40.0, "length_ratio": 1.5}
    result = {**RESULTS[0], "tuned": {**RESULTS[0]["tuned"], "similarity": scores}}
    source = html(
        report_request(),
        results=[result],
        decided=DECIDED,
        losses_svg=SVG,
        bill=NOTHING_BOUGHT,
        offers=OFFERS,
        input_status=COUNTED,
    )
    assert (
        "BERTScore F1 0.500, ROUGE-L F1 0.250, chrF, of 100 40.0, length ratio 1.50"
        in Page(source).text
    )


def test_a_report_of_a_run_on_demand_speaks_of_no_throughput() -> None:
    reason = "on demand: less than a cent; provisioned throughput would cost about $25.36"
    quoted = QUOTED.model_copy(update={"hosting": "on-demand", "hosting_reason": reason})
    the_run = nova_run()
    unbilled = Release(found=True, hosting_arn=None, billed_minutes=None, at=NOW)
    hosted = hosting(kind="on-demand")
    request = report_request(run=the_run, quote=quoted, release=unbilled, hosting=hosted)
    text = Page(page(request)).text
    assert f"Hosting was {reason}." in text
    assert "Throughput billed for" not in text
    assert "not measured" not in text
    assert "its deployment is deleted. The run cost" in summary(request, bill(request), OFFERS)
    facts = manifest(
        request, bill=bill(request), offers=OFFERS, input_status=COUNTED, code_version=None
    )
    assert facts["hosting"]["kind"] == facts["quote"]["hosting"] == "on-demand"
    assert facts["quote"]["hosting_reason"] == reason


@pytest.mark.slow
def test_the_report_says_what_bedrock_accepted_or_that_it_is_not_known() -> None:
    assert "training.jsonl: 93 of 96 records accepted, 1 in part, 2 rejected." in Page(page()).text
    unknown = InputStatus(problem="it left no report of them")
    text = Page(page(input_status=unknown)).text
    assert "Bedrock accepted for training is not known: it left no report of them." in text


def test_a_run_that_trained_nothing_names_the_run_that_did() -> None:
    request = report_request(
        run=run(tuned_by_run="first", tuned_model_arn="its ARN"), training=None, loss_curves=None
    )
    shown = page(request, svg=None, input_status=None)
    text = Page(shown).text
    assert "Tuned by run first: nothing was trained." in text
    assert f"s3://{BUCKET}/runs/first/" in text
    assert "its ARN" in text
    assert "<svg" not in shown
    for absent in ("Losses", "Training job", "Hyperparameters", "Best validation loss", "accepted"):
        assert absent not in text
    facts = manifest(
        request, bill=bill(request), offers=OFFERS, input_status=None, code_version=None
    )
    assert (facts["loss_curves"], facts["input_status"]) == (None, None)
    assert facts["model"]["custom_model_arn"] == "its ARN"
    assert facts["run"]["tuned_by_run"] == "first"
    assert "Training" not in {each["what"] for each in facts["spent"]}
    assert "\nTuned by run first" in summary(request, bill(request), OFFERS)


def test_a_run_that_judges_again_names_the_run_whose_answers_it_judges() -> None:
    request = judged_again()
    shown = page(request, svg=None, input_status=None)
    text = Page(shown).text
    said = "Answers of run second, judged again by Amazon Nova Pro: nothing was trained or hosted"
    assert said in text
    assert f"s3://{BUCKET}/runs/second/" in text
    assert "Hosting was not needed" in text
    for row in ("Tuned by run</dt><dd>first<", "Answers of run</dt><dd>second<"):
        assert row in shown
    for absent in ("Throughput billed for", "Deployed on demand", "Training job", "Training took"):
        assert absent not in text
    facts = manifest(
        request, bill=bill(request), offers=OFFERS, input_status=None, code_version=None
    )
    assert (facts["hosting"], facts["quote"]["hosting"]) == (None, None)
    assert facts["run"]["answers_of_run"] == "second"
    lines = summary(request, bill(request), OFFERS).splitlines()
    assert any(line.startswith(said) for line in lines)
    assert lines[-1].startswith("Nothing was hosted. The run cost about $")


def judged_again() -> WriteReportRequest:
    """Return a run with the answers of one that had an earlier one's model."""
    reason = "not needed: the answers are run second's"
    return report_request(
        run=run(answers_of_run="second", tuned_by_run="first"),
        quote=QUOTED.model_copy(update={"hosting": None, "hosting_reason": reason}),
        training=None,
        loss_curves=None,
        hosting=None,
        release=Release(found=False, billed_minutes=None, at=NOW),
    )


def test_the_state_reports_what_an_earlier_run_tuned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CODE_VERSION", "0123456789ab")
    monkeypatch.setenv("PRICE_OVERRIDES", json.dumps(PRICES))
    request = report_request(run=run(tuned_by_run="first"), training=None, loss_curves=None)
    objects = files_of_a_run(report_request()) | {
        request.quote.quote_key: quote(tuned_by_run="first").model_dump_json().encode()
    }
    s3 = fakes_s3.install(monkeypatch, FakeS3(objects))
    made = json.loads(s3.objects[write_report(request).manifest_key])
    assert made["spent_usd"] == pytest.approx(55.36 - 0.35, abs=0.1)


def files_of_a_run(request: WriteReportRequest) -> dict[str, bytes]:
    return {
        request.quote.quote_key: quote().model_dump_json().encode(),
        request.loss_curves.svg_key: SVG.encode(),
        request.verdict.verdict_key: json.dumps(DECIDED).encode(),
        f"{request.verdict.results_prefix}00000.jsonl": "\n".join(
            map(json.dumps, RESULTS)
        ).encode(),
    }


HEADER = (
    "fileName,totalProcessedRecordCount,acceptedRecordCount,partiallyAcceptedRecordCount,"
    "rejectedRecordCount"
)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "body", "problem"),
    [
        ("input_status/a/manifest.report.csv", f"{HEADER}\nt.jsonl,96,93,1,2\n".encode(), None),
        ("input_data_report/manifest.report.csv", f"{HEADER}\nt.jsonl,96,93,1,2".encode(), None),
        ("training_artifacts/step_wise_training_metrics.csv", b"", "left no report"),
        ("input_status/manifest.report.csv", b"", "left no report"),
        ("input_status/manifest.report.csv", b"file,count\nt,1\n", "could not be understood"),
        ("input_status/manifest.report.csv", f"{HEADER}\nt,many".encode(), "not be understood"),
        ("input_status/manifest.report.csv", b"\xff\xfe\x00", "could not be read"),
    ],
)
def test_bedrocks_count_of_records_never_fails_the_run(
    monkeypatch: pytest.MonkeyPatch, name: str, body: bytes, problem: str | None
) -> None:
    monkeypatch.setenv("CODE_VERSION", "0123456789ab")
    monkeypatch.setenv("PRICE_OVERRIDES", json.dumps(PRICES))
    request = report_request()
    job = request.training.job_arn.rpartition("/")[2]
    key = f"{PREFIX}/training/model-customization-job-{job}/{name}"
    another = f"{PREFIX}/training/model-customization-job-other/input_status/manifest.report.csv"
    objects = files_of_a_run(request) | {key: body, another: b"of another job"}
    s3 = fakes_s3.install(monkeypatch, FakeS3(objects))
    made = json.loads(s3.objects[write_report(request).manifest_key])["input_status"]
    if problem is None:
        counts = {"processed": 96, "accepted": 93, "partially_accepted": 1, "rejected": 2}
        assert made == {"files": [{"file": "t.jsonl"} | counts], "problem": None}
    else:
        assert (made["files"], problem in made["problem"]) == ([], True)


def test_the_state_writes_both_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CODE_VERSION", "0123456789ab")
    monkeypatch.setenv("PRICE_OVERRIDES", json.dumps(PRICES))
    request = report_request()
    s3 = fakes_s3.install(monkeypatch, FakeS3(files_of_a_run(request)))
    report = write_report(request)
    made = json.loads(s3.objects[report.manifest_key])
    assert made["dataset"]["files"] == [each.model_dump() for each in FROZEN]
    assert made["code_version"] == "0123456789ab"
    assert s3.content_types[report.report_key].startswith("text/html")
    priced = [Offer.model_validate(each) for each in made["offers"]]
    assert [each.standing.key for each in priced] == ["base", "tuned"]
    assert report.summary == summary(request, bill(request), priced)
    assert report.metered_usd == made["spent_usd"]


def test_the_state_reads_the_review_where_there_was_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CODE_VERSION", "0123456789ab")
    monkeypatch.setenv("PRICE_OVERRIDES", json.dumps(PRICES))
    request = report_request(run=run(review_data=True), review=REVIEWED)
    objects = {
        request.quote.quote_key: quote(review_data=True).model_dump_json().encode(),
        request.loss_curves.svg_key: SVG.encode(),
        request.verdict.verdict_key: json.dumps(DECIDED).encode(),
        f"{request.verdict.results_prefix}00000.jsonl": "\n".join(
            map(json.dumps, RESULTS)
        ).encode(),
        REVIEWED.review_key: data_review().model_dump_json().encode(),
    }
    s3 = fakes_s3.install(monkeypatch, FakeS3(objects))
    report = write_report(request)
    assert "What is &lt;i&gt;a hold" in s3.objects[report.report_key].decode()
    made = json.loads(s3.objects[report.manifest_key])
    assert made["review"] == REVIEWED.model_dump()
    assert made["spent_usd"] == report.metered_usd


def test_the_report_names_what_s3_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CODE_VERSION", "0123456789ab")
    monkeypatch.setenv("PRICE_OVERRIDES", "{}")
    s3 = fakes_s3.install(monkeypatch, FakeS3())
    s3.failure = client_error("AccessDenied", 403)
    with pytest.raises(AccessDenied, match="read s3://"):
        write_report(report_request())


def test_the_mail_of_a_success() -> None:
    assert subject(SUCCESS) == f"not decisive: {NAMES.run}"
    text = body(SUCCESS, None)
    for shown in (
        "It is better.",
        f"Provisioned throughput {NAMES.hosting} was released after 25 minutes",
        f"s3://{run().bucket}/{PREFIX}/report.html",
        f"https://us-west-2.console.aws.amazon.com/s3/object/{run().bucket}?region=us-west-2&prefix=",
        f"#/v2/executions/details/{EXECUTION.arn}",
        "Next: read in the report which answers or judgements are missing",
    ):
        assert shown in text
    whole = report_request().verdict.model_copy(update={"missing": 0})
    few = SUCCESS.model_copy(update={"verdict": whole})
    assert "Next: add evaluation questions" in body(few, None)


def test_what_speaks_against_a_better_model_is_in_subject_and_next_step() -> None:
    """The verdict is about the task: the model may have forgotten, or another do as well."""
    better = report_request().verdict.model_copy(update={"verdict": "better"})
    clean = SUCCESS.model_copy(update={"verdict": better})
    assert subject(clean) == f"tuned model is better: {NAMES.run}"
    for found in ({"forgetting": {"sentence": "It has forgotten."}}, {"alternatives": ["Lite."]}):
        told = VerdictToTell(verdict="better", reason="It is better.", **found)
        mail = SUCCESS.model_copy(update={"verdict": told})
        assert subject(mail) == f"tuned model is better, with reservations: {NAMES.run}"
        assert "Next: before you serve the custom model, read in the report" in body(mail, None)
        undecided = told.model_copy(update={"verdict": "not decisive"})
        mail = SUCCESS.model_copy(update={"verdict": undecided})
        assert subject(mail) == f"not decisive: {NAMES.run}", "nothing is there to reserve"


def test_the_mail_names_the_run_that_has_the_model() -> None:
    assert f'{{"tuned_by_run": "{NAMES.run}"}}' in body(SUCCESS, None)
    again = SUCCESS.model_copy(update={"run": run(tuned_by_run="first")})
    assert '{"tuned_by_run": "first"}' in body(again, None)


def test_the_mail_of_a_failure() -> None:
    assert subject(FAILURE) == f"failed in Check training: {NAMES.run}"
    text = body(FAILURE, NOTHING_BOUGHT)
    for shown in (
        "State: Check training\nError: TrainingFailed\nCause: line 1 <&>\nline 2, ünïcode\n",
        f"Files: s3://{run().bucket}/{PREFIX}/",
        "Next: do what the cause says",
    ):
        assert shown in text
    assert "Report" not in text
    assert "released" not in text


def test_the_mail_says_what_lambdas_own_words_mean() -> None:
    died = Failure(
        state="Validate dataset",
        error="Runtime.OutOfMemory",
        cause="RequestId: 1 Error: Runtime exited with error: signal: killed",
    )
    text = body(FAILURE.model_copy(update={"failure": died}), NOTHING_BOUGHT)
    assert "signal: killed\n\nThe function needed more memory than it has, three times." in text


def test_the_mail_of_a_run_that_never_began() -> None:
    text = body(FAILURE.model_copy(update={"run": None}), None)
    assert "Nothing was bought." in text
    assert "Files:" not in text


def test_the_mail_when_nothing_was_there_to_release() -> None:
    nothing = Release(found=False, hosting_arn=None, billed_minutes=None, at=NOW)
    assert "there was nothing to release" in body(
        FAILURE.model_copy(update={"release": nothing}), None
    )


@pytest.mark.slow
def test_notify_publishes(monkeypatch: pytest.MonkeyPatch) -> None:
    sns = FakeSns()
    fakes_bedrock.install(monkeypatch, sns=sns)
    monkeypatch.setenv("TOPIC_ARN", TOPIC_ARN)
    monkeypatch.setenv("PRICE_OVERRIDES", "{}")
    sent = f"[bedrock-tuning] {subject(SUCCESS)}"
    assert notify(SUCCESS).subject == sent
    assert sns.called("Publish") == [
        {"TopicArn": TOPIC_ARN, "Subject": sent, "Message": body(SUCCESS, None)}
    ]
    sns.fail("Publish", "ThrottlingException")
    with pytest.raises(Throttled, match=f"publish to {TOPIC_ARN}"):
        notify(SUCCESS)
