"""*Write report*: one HTML file for people, one manifest for programs."""

from __future__ import annotations

from lambdas.aws.artefacts import Artefacts
from lambdas.domain.cost.actuals import spent, total
from lambdas.domain.cost.quote import Quote
from lambdas.domain.data_review.results import DataReview
from lambdas.domain.reporting.report import html, manifest, summary
from lambdas.domain.run.contracts import Report, WriteReportRequest
from lambdas.domain.run.variables import WriteReportVariables
from lambdas.runtime.pricing import calculator
from lambdas.runtime.step import step, variables_of


def write_report(request: WriteReportRequest) -> Report:
    run, variables = request.run, variables_of(WriteReportVariables)
    artefacts = Artefacts(run.bucket)
    quote = Quote.model_validate(artefacts.read_json(request.quote.quote_key))
    bill = spent(request, quote, calculator(variables, run.region))
    page = html(
        request,
        judgements=list(artefacts.iter_records(request.judgements.judgements_key)),
        losses_svg=artefacts.read_text(request.loss_curves.svg_key),
        spent=bill,
        review=_review(artefacts, request),
    )
    facts = manifest(request, spent=bill, code_version=variables.code_version)
    return Report(
        report_key=artefacts.put_text(f"{run.prefix}/report.html", page),
        manifest_key=artefacts.put_json(f"{run.prefix}/manifest.json", facts),
        summary=summary(request, bill),
        metered_usd=total(bill),
    )


def _review(artefacts: Artefacts, request: WriteReportRequest) -> DataReview | None:
    outcome = request.review
    return DataReview.model_validate(artefacts.read_json(outcome.review_key)) if outcome else None


handler = step("Write report", WriteReportRequest)(write_report)
