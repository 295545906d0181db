"""*Write report*: one HTML file for people, one manifest for programs."""

from __future__ import annotations

from lambdas.aws.artefacts import Artefacts
from lambdas.aws.billing import Billing
from lambdas.aws.record_files import S3Shards
from lambdas.domain.cost.actuals import bill_of, finished
from lambdas.domain.cost.quote import Quote
from lambdas.domain.data_review.results import DataReview
from lambdas.domain.reporting.report import afterwards_of, html, manifest, summary
from lambdas.domain.run.contracts import Report, WriteReportRequest
from lambdas.domain.run.variables import WriteReportVariables
from lambdas.domain.training.input_status import InputStatus, input_status, reports_of
from lambdas.runtime.pricing import calculator
from lambdas.runtime.step import logger, step, variables_of


def write_report(request: WriteReportRequest) -> Report:
    run, variables = request.run, variables_of(WriteReportVariables)
    verdict = request.verdict
    artefacts = Artefacts(run.bucket)
    quote = Quote.model_validate(artefacts.read_json(request.quote.quote_key))
    bill = bill_of(quote, finished(request, calculator(variables, run.region)))
    Billing(artefacts, run.prefix).keep(bill)
    counted, curves = _input_status(artefacts, request), request.loss_curves
    page = html(
        request,
        results=S3Shards(artefacts, verdict.results_prefix).first(verdict.shards),
        decided=artefacts.read_json(verdict.verdict_key),
        losses_svg=artefacts.read_text(curves.svg_key) if curves else None,
        bill=bill,
        input_status=counted,
        review=_review(artefacts, request),
    )
    facts = manifest(request, bill=bill, input_status=counted, code_version=variables.code_version)
    return Report(
        report_key=artefacts.put_text(f"{run.prefix}/report.html", page),
        manifest_key=artefacts.put_json(f"{run.prefix}/manifest.json", facts),
        summary=summary(request, bill),
        afterwards=afterwards_of(request),
        metered_usd=bill.usd,
        metered_at_most=bill.at_most,
    )


def _input_status(artefacts: Artefacts, request: WriteReportRequest) -> InputStatus | None:
    if request.training is None:
        return None
    try:
        found = artefacts.list_keys(f"{request.run.prefix}/training/")
        keys = reports_of(found, request.training.job_arn)
        return input_status([artefacts.read_text(key) for key in keys])
    except Exception as error:  # noqa: BLE001  # all is paid for: a count never fails the run
        logger.warning("no input status", exc_info=True)
        return InputStatus(problem=f"its report could not be read: {error}")


def _review(artefacts: Artefacts, request: WriteReportRequest) -> DataReview | None:
    outcome = request.review
    return DataReview.model_validate(artefacts.read_json(outcome.review_key)) if outcome else None


handler = step("Write report", WriteReportRequest)(write_report)
