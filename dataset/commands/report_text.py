"""The validator's report as text: findings by file and kind, counted, the first few shown."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from lambdas.validation import KEPT_PER_CODE, FileSummary, Finding, Severity, ValidationReport
from lambdas.validation.jsonl.display import quantity, shortened

_SHOWN_PER_KIND = 3
_SHOWN_CHARACTERS = 300


def report_text(report: ValidationReport) -> str:
    """Return the files, the findings in each, and the verdict in the last line."""
    by_file: defaultdict[str, list[Finding]] = defaultdict(list)
    for finding in report.findings.kept:
        by_file[finding.file].append(finding)
    heads = {name: name for name in by_file}
    heads |= {name: _head(name, summary) for name, summary in report.files.items()}
    files = ["\n".join([head, *_kinds(report, by_file[name])]) for name, head in heads.items()]
    return "\n\n".join([*files, verdict_text(report)])


def _head(name: str, summary: FileSummary) -> str:
    size = f"{quantity(summary.records, 'record')}, {quantity(summary.size_bytes, 'byte')}"
    return f"{name}: {size}, at most {quantity(summary.tokens, 'token')}"


def _kinds(report: ValidationReport, findings: Sequence[Finding]) -> Iterator[str]:
    by_kind: defaultdict[tuple[Severity, str], list[Finding]] = defaultdict(list)
    for finding in findings:
        by_kind[finding.severity, finding.code].append(finding)
    for (severity, code), found in sorted(by_kind.items(), key=lambda kind: kind[0]):
        count = report.findings.counts[found[0].file, code, severity]
        is_refused = severity == "warning" and code in report.fail_on
        yield f"  {severity}{' (not accepted here)' * is_refused} {code}: {count:,}"
        yield from map(_finding, found[:_SHOWN_PER_KIND])
        if count > _SHOWN_PER_KIND:
            kept = f", the first {KEPT_PER_CODE} with --json" if count > KEPT_PER_CODE else ""
            yield f"    … and {count - _SHOWN_PER_KIND:,} more{kept}"


def _finding(finding: Finding) -> str:
    where = "the file" if finding.line is None else f"line {finding.line}"
    text = f"{where} {finding.field}".rstrip() + f": {finding.message} ({finding.fix})"
    return f"    {shortened(text, _SHOWN_CHARACTERS)}"


def verdict_text(report: ValidationReport) -> str:
    """Return one line: valid or not, for which model, and how many findings."""
    errors, warnings = report.findings.count("error"), report.findings.count("warning")
    counted = f"{quantity(errors, 'error')}, {quantity(warnings, 'warning')}"
    if report.valid:
        return f"Valid for {report.model.name}: {counted}."
    if codes := report.refusing_warnings():
        return (
            f"REFUSED for {report.model.name}: {counted}, of which {', '.join(codes)} is not "
            "accepted here (fail_on_warnings, --fail-on). Correct the warnings and check again."
        )
    return f"INVALID for {report.model.name}: {counted}. Correct the errors and check again."
