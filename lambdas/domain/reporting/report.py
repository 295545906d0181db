"""The report of a run: a self-contained HTML file, a manifest, a short summary."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import Any, Literal

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from lambdas.domain.cost.actuals import Spent, total
from lambdas.domain.cost.quote import dollars
from lambdas.domain.data_review.results import DataReview
from lambdas.domain.data_review.tasks import CRITERIA
from lambdas.domain.evaluation.records import Record
from lambdas.domain.evaluation.verdict import SIGNIFICANT_P
from lambdas.domain.models.lookup import find_judge, find_model
from lambdas.domain.run.arns import Arn
from lambdas.domain.run.contracts import Answers, Judgements, WriteReportRequest
from lambdas.domain.run.times import duration, utc

_TEMPLATE = Path(__file__).with_name("report.html.jinja")
_HEADLINES = {
    "better": "The tuned model is better",
    "not better": "The tuned model is not better",
    "not decisive": "The comparison is not decisive",
}
# Of the request, each as it is.
_SECTIONS = (
    "dataset", "quote", "loss_curves", "base_answers", "tuned_answers", "judgements", "verdict",
)  # fmt: skip

Fact = tuple[str, str]


@dataclass(frozen=True)
class DataFile:
    """A dataset file as the run read it."""

    key: str
    size_bytes: int
    version_id: str | None  # None: the bucket keeps no versions
    sha256: str | None  # None: too large to hash


@dataclass(frozen=True)
class AnswerRow:
    """One side of a question."""

    side: Literal["Base", "Tuned"]
    text: str | None
    score: int | None
    remark: str  # the judge's reason, or what failed
    failed: bool
    truncated: bool


@dataclass(frozen=True)
class Question:
    """A row of the report's list."""

    id: str
    topic: str | None
    question: str
    reference_answer: str
    answers: tuple[AnswerRow, AnswerRow]

    @property
    def difference(self) -> int | None:
        base, tuned = (each.score for each in self.answers)
        return None if base is None or tuned is None else tuned - base

    @property
    def needs_attention(self) -> bool:
        return self.difference is None or self.difference < 0


@dataclass(frozen=True)
class TopicScores:
    """Mean scores of a topic's questions that have both."""

    name: str
    questions: int
    base: float
    tuned: float


def questions_of(judgements: Iterable[Record]) -> list[Question]:
    """Read judgements.jsonl as the report's rows."""
    return [
        Question(
            id=each["id"],
            topic=each["topic"],
            question=each["question"],
            reference_answer=each["reference_answer"],
            answers=(_answer("Base", each["base"]), _answer("Tuned", each["tuned"])),
        )
        for each in judgements
    ]


def topics_of(questions: Sequence[Question]) -> list[TopicScores]:
    """Return the topics by name; none where no question has one."""
    names = sorted({each.topic for each in questions if each.topic})
    pairs = {
        name: [
            (base.score, tuned.score)
            for base, tuned in (each.answers for each in questions if each.topic == name)
            if base.score is not None and tuned.score is not None
        ]
        for name in names
    }
    return [
        TopicScores(name, len(scores), fmean(b for b, _ in scores), fmean(t for _, t in scores))
        for name, scores in pairs.items()
        if scores
    ]


def html(  # noqa: PLR0913  # keyword-only, each from another file of the run
    request: WriteReportRequest,
    *,
    judgements: Sequence[Record],
    losses_svg: str,
    files: Sequence[DataFile],
    spent: Sequence[Spent],
    review: DataReview | None = None,
) -> str:
    """Return the report. Text from data and models is escaped; `losses_svg` is not."""
    questions = questions_of(judgements)
    template = Environment(autoescape=True, undefined=StrictUndefined).from_string(
        _TEMPLATE.read_text(encoding="utf-8")
    )
    return template.render(
        run=request.run,
        rehearsal=Arn.parse(request.run.execution_arn).is_rehearsal,
        now=utc(request.now),
        model=find_model(request.run.settings.model),
        judge=find_judge(request.run.settings.judge_model),
        headline=_HEADLINES[request.verdict.verdict],
        verdict=request.verdict,
        loss_verdict=request.loss_curves.verdict,
        losses_svg=Markup(losses_svg[losses_svg.index("<svg") :]),  # noqa: S704  # drawn by loss_plot
        figures=_figures(request),
        questions=questions,
        topics=topics_of(questions),
        failures=sum(each.difference is None for each in questions),
        data_facts=_data_facts(request),
        files=files,
        review=review,
        criteria=[*CRITERIA],
        training_facts=_training_facts(request),
        cost_rows=_cost_rows(spent),
        approval=_approval(request),
        significant_percent=f"{SIGNIFICANT_P * 100:g}",
    )


def manifest(
    request: WriteReportRequest,
    *,
    files: Sequence[DataFile],
    spent: Sequence[Spent],
    code_version: str | None,
) -> dict[str, Any]:
    """Return what the run read, decided and made, for programs."""
    run, approval = request.run, request.approval
    return {
        "manifest_version": 2,
        "code_version": code_version,
        "written_at": request.now.isoformat(),
        "rehearsal": Arn.parse(run.execution_arn).is_rehearsal,
        "run": run.model_dump(mode="json"),
        "model": _model(request),
        "judge": find_judge(run.settings.judge_model).inference_profile,
        "dataset_files": [asdict(each) for each in files],
        "hosting": {
            "arn": request.hosting.hosting_arn,
            "model_units": run.settings.model_units,
            "created_at": request.hosting.created_at.isoformat(),
            "billed_minutes": request.release.billed_minutes,
        },
        "tokens": _tokens(request),
        "approval": approval.model_dump(mode="json") if approval else None,
        "review": request.review.model_dump(mode="json") if request.review else None,
        "spent": [asdict(each) for each in spent],
        "spent_usd": total(spent),
        **{name: getattr(request, name).model_dump(mode="json") for name in _SECTIONS},
    }


def _model(request: WriteReportRequest) -> dict[str, Any]:
    model, training = find_model(request.run.settings.model), request.training
    return {
        "key": model.key,
        "customization_model_id": model.customization_model_id,
        "base_inference_model_id": model.base_inference_model_id,
        "custom_model_arn": training.custom_model_arn,
        "training_job_arn": training.job_arn,
        "training_minutes": training.age_minutes,
    }


def summary(request: WriteReportRequest, spent: Sequence[Spent]) -> str:
    """Return a few plain lines for a mail."""
    verdict, lived = request.verdict, _minutes(request.release.billed_minutes)
    cost, quoted = dollars(total(spent)), dollars(request.quote.expected_usd)
    return (
        f"{_HEADLINES[verdict.verdict]}. {verdict.reason}\n"
        f"{request.loss_curves.verdict}\n"
        f"{_review_line(request)}"
        f"Failures: {request.base_answers.failed} answers of the base model, "
        f"{request.tuned_answers.failed} of the tuned one; questions without both "
        f"scores: {request.judgements.failed}.\n"
        f"Provisioned throughput lived {lived}. The run cost about {cost}, quoted {quoted}."
    )


def _review_line(request: WriteReportRequest) -> str:
    review = request.review
    if review is None or review.mean_score is None:
        return ""
    return (
        f"The reviewed training data scores {review.mean_score:.2f} of 10 on average, over "
        f"{review.reviewed} records.\n"
    )


def _answer(side: Literal["Base", "Tuned"], record: Record) -> AnswerRow:
    error = record.get("error")
    judge_error = record.get("judge_error")
    remark = record.get("reason", "")
    if error:
        remark = f"no answer: {error}"
    elif judge_error:
        remark = f"not judged: {judge_error}"
    return AnswerRow(
        side=side,
        text=record.get("answer"),
        score=record.get("score"),
        remark=remark,
        failed=bool(error or judge_error),
        truncated=record.get("truncated", False),
    )


def _figures(request: WriteReportRequest) -> list[Fact]:
    verdict, curves = request.verdict, request.loss_curves
    figures = [
        ("Correctness, tuned", f"{verdict.tuned_correctness:.2f}"),
        ("Correctness, base", f"{verdict.base_correctness:.2f}"),
        ("Better / equal / worse", f"{verdict.wins} / {verdict.ties} / {verdict.losses}"),
        ("Throughput lived", _minutes(request.release.billed_minutes)),
    ]
    if curves.best_validation_loss is not None:
        best = f"{curves.best_validation_loss:.3f} (epoch {curves.best_epoch})"
        figures.append(("Best validation loss", best))
    return figures


def _data_facts(request: WriteReportRequest) -> list[Fact]:
    dataset = request.dataset
    return [
        ("Training records", f"{dataset.training_records:,}"),
        ("Validation records", f"{dataset.validation_records:,}"),
        ("Evaluation questions", f"{dataset.evaluation_examples:,}"),
        ("Training tokens (estimate)", f"{dataset.training_tokens:,}"),
        ("Warnings of the data check", f"{dataset.warnings:,}"),
        ("System prompt", dataset.system_prompt or "none"),
    ]


def _training_facts(request: WriteReportRequest) -> list[Fact]:
    hyperparameters = ", ".join(f"{k} {v}" for k, v in sorted(request.run.hyperparameters.items()))
    return [
        ("Custom model", request.training.custom_model_arn or request.run.custom_model_name),
        ("Training job", request.training.job_arn),
        ("Training took", duration(request.training.age_minutes)),
        ("Hyperparameters", hyperparameters or "the service's defaults"),
    ]


def _cost_rows(spent: Sequence[Spent]) -> list[tuple[str, str, str, str]]:
    """Return what was billed, quoted and actual, and at the end the sums."""
    rows = [(each.what, dollars(each.quoted_usd), dollars(each.usd), each.how) for each in spent]
    quoted = sum(each.quoted_usd for each in spent)
    return [*rows, ("Together", dollars(quoted), dollars(total(spent)), "")]


def _approval(request: WriteReportRequest) -> str:
    approval = request.approval
    if approval is None:
        return "Nobody had to approve the quote."
    reason = f": {approval.reason}" if approval.reason else ""
    return f"The quote was approved on {utc(approval.decided_at)}{reason}."


def _tokens(request: WriteReportRequest) -> Mapping[str, Mapping[str, int]]:
    sources: dict[str, Answers | Judgements] = {
        "base": request.base_answers,
        "tuned": request.tuned_answers,
        "judge": request.judgements,
    }
    return {
        name: {"input": source.input_tokens, "output": source.output_tokens}
        for name, source in sources.items()
    }


def _minutes(minutes: float | None) -> str:
    return "a time that was not measured" if minutes is None else duration(minutes)
