"""The mail at the end of a run: the result, where it is, what to do next."""

from __future__ import annotations

import json

from lambdas.domain.cost.actuals import Bill
from lambdas.domain.cost.quote import dollars
from lambdas.domain.errors import DEATHS
from lambdas.domain.hosting.afterwards import afterwards
from lambdas.domain.run.console import execution_url, object_url
from lambdas.domain.run.contracts import (
    AnnounceHoldRequest,
    Hold,
    MeterStoppedRunRequest,
    NotifyRequest,
    Release,
    ReportToTell,
    RunToTell,
)


def subject(request: NotifyRequest) -> str:
    name = request.run.name if request.run else request.execution.name
    return f"{_outcome(request)}: {name}"


def body(request: NotifyRequest, bill: Bill | None) -> str:
    """Return the message as plain text, with the cause of a failure verbatim.

    `bill` is of a run that failed; the summary of a report has its own.
    """
    parts = [
        _failure(request) if request.failure else _success(request),
        _hosting(request),
        _cost(bill) if bill and request.run else "",
        _where(request),
        _next_step(request),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def stopped_subject(request: MeterStoppedRunRequest, run: str) -> str:
    return f"{_ENDED[request.status]}: {run}"


def stopped_body(request: MeterStoppedRunRequest, run: str, bill: Bill) -> str:
    """Return the message about a run that could not send its own."""
    ended = _ENDED_BY_GUARD if request.release else _LEFT_BEHIND
    return (
        f"Run {run} {_ENDED[request.status]} and could not send its mail. {ended} If its training "
        "was complete, the model is kept, and a new execution goes on with it if its input has "
        f'"tuned_by_run": "{run}"; once both models had answered, "answers_of_run": "{run}" '
        "judges their answers.\n\n"
        f"{_cost(bill)}\n\nExecution: {execution_url(request.execution.arn)}\n"
    )


_ENDED_BY_GUARD = (
    "The guard has stopped its job and released its hosting: nothing of it bills by the hour any "
    "more."
)
_LEFT_BEHIND = (
    "The guard could not end what it had begun: A CUSTOMIZATION JOB OR A THROUGHPUT MAY STILL "
    "BILL. The guard's failed execution says why, and how to look for them. The reaper tries again."
)


def hold_subject(request: AnnounceHoldRequest) -> str:
    run = request.run
    return f"{run.name} is held for {run.settings.hold_minutes} minutes"


def hold_body(request: AnnounceHoldRequest, hold: Hold) -> str:
    """Return the message that a hold begins."""
    run, hosting = request.run, request.hosting
    return (
        f"All questions of run {run.name} are answered. Its throughput, {hosting.name}, is held "
        f"for {run.settings.hold_minutes} minutes (hold_minutes) and bills by the hour meanwhile. "
        "To end the hold at once: stop the execution, whose guard releases it; the run has no "
        "verdict then.\n\n"
        f"{afterwards(run, request.dataset, hosting, hold.until)}\n\n"
        f"Execution: {execution_url(run.execution_arn)}\n"
    )


_ENDED = {"ABORTED": "was stopped", "FAILED": "failed", "TIMED_OUT": "timed out"}


def _cost(bill: Bill) -> str:
    lines = (
        f"- {each.what}: {'at most ' if each.at_most else ''}{dollars(each.usd)}, {each.how}"
        for each in bill.items
        if each.usd
    )
    return "\n".join([f"Cost: {bill}.", *lines])


def _outcome(request: NotifyRequest) -> str:
    if request.failure:
        return f"failed in {request.failure.state}"
    if request.verdict is None:
        return "finished"
    verdict = request.verdict.verdict
    said = f"tuned model is {verdict}" if verdict in {"better", "worse"} else verdict
    return f"{said}, with reservations" if request.verdict.is_qualified else said


def _success(request: NotifyRequest) -> str:
    if request.report:
        return request.report.summary
    return request.verdict.reason if request.verdict else "The run is finished."


def _failure(request: NotifyRequest) -> str:
    failure = request.failure
    if failure is None:
        return ""
    said = f"State: {failure.state}\nError: {failure.error}\nCause: {failure.cause}"
    means = DEATHS.get(failure.error)
    return f"The run failed.\n\n{said}" + (f"\n\n{means}." if means else "")


def _hosting(request: NotifyRequest) -> str:
    if request.run is None:
        return "Nothing was bought."
    if request.release:
        return _released(request.run.hosting_name, request.release)
    return (request.report and request.report.afterwards) or ""


def _released(name: str, release: Release) -> str:
    if not release.found:
        return f"Hosting {name}: there was nothing to release."
    if release.kind == "on-demand":
        return f"Deployment {name} is deleted: a new run deploys the custom model again."
    minutes = release.billed_minutes
    lived = "" if minutes is None else f" after {minutes:.0f} minutes"
    return f"Provisioned throughput {name} was released{lived}: nothing bills by the hour any more."


def _where(request: NotifyRequest) -> str:
    execution = f"Execution: {execution_url(request.execution.arn)}"
    if request.run is None:
        return execution
    lines = [f"Files: s3://{request.run.bucket}/{request.run.prefix}/", execution]
    if request.report:
        lines = _report_lines(request.run, request.report) + lines
    return "\n".join(lines)


def _report_lines(run: RunToTell, report: ReportToTell) -> list[str]:
    return [
        f"Report: s3://{run.bucket}/{report.report_key}",
        f"Report in the console: {object_url(run.region, run.bucket, report.report_key)}",
    ]


def _next_step(request: NotifyRequest) -> str:
    if request.failure:
        return "Next: do what the cause says, then start a new execution. The run's files are kept."
    if request.verdict is None:
        return ""
    verdict = request.verdict
    step = _NEXT.get(verdict.verdict, "read the report.")
    if verdict.is_qualified:
        step = _NEXT_IF_QUALIFIED
    if verdict.verdict == "not decisive" and verdict.missing:
        step = _NEXT_IF_MISSING
    run = (request.run.tuned_by_run or request.run.name) if request.run else ""
    again = json.dumps({"tuned_by_run": run})
    return f"Next: {step.replace('{tuned_by_run}', again)}"


_NEXT_IF_QUALIFIED = (
    "before you serve the custom model, read in the report what it forgot, or which model may do "
    "as well without tuning."
)
_NEXT_IF_MISSING = (
    "read in the report which answers or judgements are missing, and why, then start again with "
    "{tuned_by_run}, which trains nothing; add evaluation questions if there are few."
)
_NEXT = {
    "better": "read the answers in the report, then serve the custom model: on demand by the token "
    "where its base can be, or by throughput, which bills by the hour from its purchase on.",
    "worse": "read where the answers got worse in the report; more or better training data helps "
    "more than more epochs. Delete the custom model if it is not needed.",
    "no difference shown": "read the answers in the report. Ask more questions if a smaller "
    "difference is worth it, or train on more or better data.",
    "not decisive": "add evaluation questions, and start again with {tuned_by_run}, which trains "
    "nothing; with few of them, chance decides.",
}
