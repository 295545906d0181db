"""The report of a run: a self-contained HTML file, a manifest, a short summary."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from heapq import nsmallest
from math import inf
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup
from pydantic import BaseModel

from lambdas.domain.cost.actuals import Bill
from lambdas.domain.cost.quote import dollars
from lambdas.domain.cost.worth import Offer, line
from lambdas.domain.data_review.results import DataReview
from lambdas.domain.data_review.tasks import CRITERIA
from lambdas.domain.evaluation.metrics import METRICS, told
from lambdas.domain.evaluation.records import Record
from lambdas.domain.evaluation.results import SIDES, score_difference
from lambdas.domain.evaluation.similarity.means import MEASURES
from lambdas.domain.evaluation.verdict import rules_of
from lambdas.domain.hosting.afterwards import afterwards, kept_until
from lambdas.domain.models.lookup import find_judge, find_model
from lambdas.domain.run.arns import Arn
from lambdas.domain.run.contracts import (
    Answers,
    Judgements,
    MeanSimilarity,
    Verdict,
    WriteReportRequest,
)
from lambdas.domain.run.dataset_files import run_folder
from lambdas.domain.run.times import duration, utc
from lambdas.domain.training.input_status import InputStatus

MOST_SHOWN = 500  # questions: a page of more opens slowly
MOST_CHARACTERS = 10_000  # of one text: of long documents as questions it would be 64 MB
_TEMPLATE = Path(__file__).with_name("report.html.jinja")
# Of the request, each as it is.
_SECTIONS = (
    "dataset", "quote", "loss_curves", "base_answers", "tuned_answers", "other_answers",
    "judgements", "similarity", "verdict",
)  # fmt: skip


def html(  # noqa: PLR0913  # keyword-only, each from another file of the run
    request: WriteReportRequest,
    *,
    results: Iterable[Record],
    decided: Mapping[str, Any],
    losses_svg: str | None,
    bill: Bill,
    offers: Sequence[Offer],
    input_status: InputStatus | None,
    review: DataReview | None = None,
) -> str:
    """Return the report. Text from data and models is escaped; `losses_svg` is not.

    `decided` is what verdict.json holds. Losses and Bedrock's count are None where nothing was
    trained.
    """
    environment = Environment(autoescape=True, undefined=StrictUndefined)
    metric = METRICS[request.verdict.metric]
    environment.filters |= {
        "change": metric.change,
        "capitalized": lambda name: name[0].upper() + name[1:],
        "difference": score_difference,
        "dollars": dollars,
        "duration": duration,
        "figure": lambda mean: "none" if mean is None else metric.shown(mean),
        "lived": _lived,
        "mark": metric.mark,
        "told": told,
        "utc": utc,
    }
    return environment.from_string(_TEMPLATE.read_text(encoding="utf-8")).render(
        dict(request),
        rehearsal=Arn.parse(request.run.execution_arn).is_rehearsal,
        billed_minutes=request.release.billed_minutes if request.release else None,
        afterwards=afterwards_of(request),
        model=find_model(request.run.settings.model),
        judge=find_judge(request.run.settings.judge_model),
        losses_svg=losses_svg and Markup(losses_svg[losses_svg.index("<svg") :]),  # noqa: S704  # drawn by loss_plot
        training_line=_training_line(request),
        questions=worst_shown(results),
        set_aside=decided["set_aside_questions"],
        topics=decided["topics"],
        measures=MEASURES,
        data_review=review,
        input_status=input_status,
        criteria=[*CRITERIA],
        bill=bill,
        metric=metric,
        offers=offers,
        rules=rules_of(request.run),
    )


def worst_shown(results: Iterable[Record]) -> list[Record]:
    """Return the results in their order: of more than `MOST_SHOWN`, those that went worst.

    A text of more than `MOST_CHARACTERS` is cut, and what is not shown is left out.
    """
    shown = enumerate(map(_shown, results))
    worst = nsmallest(MOST_SHOWN, shown, key=lambda each: _gain(each[1]))
    return [result for _, result in sorted(worst, key=lambda each: each[0])]


def _shown(result: Record) -> Record:
    kept = {name: value for name, value in result.items() if name not in {"history", "others"}}
    return _cut(kept) | {side: _cut(result[side]) for side in SIDES}


def _cut(texts: Record) -> Record:
    return {
        name: f"{value[:MOST_CHARACTERS]}…"
        if isinstance(value, str) and len(value) > MOST_CHARACTERS
        else value
        for name, value in texts.items()
    }


def _gain(result: Record) -> float:
    difference = score_difference(result)
    return -inf if difference is None else difference


def manifest(
    request: WriteReportRequest,
    *,
    bill: Bill,
    offers: Sequence[Offer],
    input_status: InputStatus | None,
    code_version: str | None,
) -> dict[str, Any]:
    """Return what the run read, decided and made, for programs."""
    run = request.run
    return {
        "manifest_version": 3,
        "code_version": code_version,
        "written_at": request.now.isoformat(),
        "rehearsal": Arn.parse(run.execution_arn).is_rehearsal,
        "run": run.model_dump(mode="json"),
        "model": _model(request),
        "metric": run.settings.metric,
        "judge": find_judge(run.settings.judge_model).inference.model_id
        if request.judgements
        else None,
        "hosting": _hosting(request),
        "input_status": _as_json(input_status),
        "tokens": _tokens(request),
        "approval": _as_json(request.approval),
        "screening": _as_json(request.screening),
        "review": _as_json(request.review),
        "offers": [each.model_dump(mode="json") for each in offers],
        "spent": [each.model_dump(mode="json") for each in bill.items],
        "spent_usd": bill.usd,
        "spent_at_most": bill.at_most,
        **{name: _as_json(getattr(request, name)) for name in _SECTIONS},
    }


def afterwards_of(request: WriteReportRequest) -> str | None:
    """Return how to ask the tuned model, and until when; None if it is released."""
    hosting = request.hosting
    until = kept_until(hosting, request.release)
    if hosting is None or until is None:
        return None
    return afterwards(request.run, request.dataset, hosting, until)


def _hosting(request: WriteReportRequest) -> dict[str, Any] | None:
    hosting, release = request.hosting, request.release
    if hosting is None:
        return None
    until = kept_until(hosting, release)
    return {
        "kind": hosting.kind,
        "reason": request.quote.hosting_reason,
        "arn": hosting.hosting_arn,
        "model_units": request.run.settings.model_units if hosting.kind == "provisioned" else None,
        "created_at": hosting.created_at.isoformat(),
        "billed_minutes": release.billed_minutes if release else None,
        "kept_until": until.isoformat() if until else None,
        "afterwards": afterwards_of(request),
    }


def _as_json(section: BaseModel | None) -> dict[str, Any] | None:
    return section.model_dump(mode="json") if section else None


def _model(request: WriteReportRequest) -> dict[str, Any]:
    run, training = request.run, request.training
    model = find_model(run.settings.model)
    return {
        "key": model.key,
        "customization_model_id": model.customization_model_id,
        "base_inference_model_id": model.base_inference.model_id,
        "custom_model_arn": training.custom_model_arn if training else run.tuned_model_arn,
        "training_job_arn": training.job_arn if training else None,
        "training_minutes": training.age_minutes if training else None,
    }


def summary(request: WriteReportRequest, bill: Bill, offers: Sequence[Offer]) -> str:
    """Return a few plain lines for a mail."""
    verdict, quoted = request.verdict, dollars(request.quote.expected_usd)
    return (
        f"{_judged(verdict)}\n"
        f"{line(offers, METRICS[verdict.metric])}\n"
        f"{_similarity_line(verdict.similarity)}"
        f"{_training_line(request)}\n"
        f"{_review_line(request)}"
        f"Failures: {request.base_answers.failed} answers of the base model, "
        f"{request.tuned_answers.failed} of the tuned one; questions without both "
        f"scores: {verdict.missing}.\n"
        f"{_hosted(request)}. The run cost {bill}, quoted {quoted}."
    )


def _judged(verdict: Verdict) -> str:
    others = " ".join(map(told, verdict.others))
    general = [f"General questions: {verdict.forgetting.reason}"] if verdict.forgetting else []
    told_of = [*general, *verdict.caveats, *verdict.alternatives]
    lines = [f"{verdict.sentence} {verdict.reason}", *told_of]
    return "\n".join(filter(None, [*lines, others]))


def _similarity_line(means: MeanSimilarity | None) -> str:
    if means is None:
        return ""
    name, measure = next(each for each in MEASURES.items() if each[0] in means.base)
    base, tuned = (measure.shown(side[name]) for side in (means.base, means.tuned))
    return f"Similarity to the reference answers, {measure.label}: base {base}, tuned {tuned}.\n"


def _training_line(request: WriteReportRequest) -> str:
    run, curves = request.run, request.loss_curves
    if curves:
        return curves.verdict
    if run.answers_of_run:
        by_judge = f"judged again by {find_judge(run.settings.judge_model).name}"
        again = by_judge if request.judgements else f"compared again by {run.settings.metric}"
        return (
            f"Answers of run {run.answers_of_run}, {again}: nothing was trained or hosted, and "
            "neither model asked again. That run's files, with its report if it came so far: "
            f"s3://{run.bucket}/{run_folder(run.answers_of_run)}/"
        )
    return (
        f"Tuned by run {run.tuned_by_run}: nothing was trained. The losses of that run, and its "
        f"report if it came so far: s3://{run.bucket}/{run_folder(str(run.tuned_by_run))}/"
    )


def _review_line(request: WriteReportRequest) -> str:
    review = request.review
    if review is None or review.mean_score is None:
        return ""
    return (
        f"The reviewed training data scores {review.mean_score:.2f} of 10 on average, over "
        f"{review.reviewed} records.\n"
    )


def _tokens(request: WriteReportRequest) -> Mapping[str, Mapping[str, int]]:
    sources: dict[str, Answers | Judgements | None] = {
        **request.answers,
        "judge": request.judgements,
    }
    return {
        name: {"input": source.input_tokens, "output": source.output_tokens}
        for name, source in sources.items()
        if source
    }


def _hosted(request: WriteReportRequest) -> str:
    """Return how the tuned model was hosted, and what became of it, as one sentence."""
    hosting, release = request.hosting, request.release
    if hosting is None:
        return "Nothing was hosted"
    if until := kept_until(hosting, release):
        return f"The model stays deployed on demand until {utc(until)}"
    if hosting.kind == "on-demand":
        return "The model was deployed on demand, and its deployment is deleted"
    return f"Provisioned throughput lived {_lived(release.billed_minutes if release else None)}"


def _lived(minutes: float | None) -> str:
    return "a time that was not measured" if minutes is None else duration(minutes)
