"""Holds the validator to the reference: same verdict, findings, lines and counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType

from lambdas.domain.models.model import Model
from lambdas.validation import KEPT_PER_CODE, MAX_LINE_BYTES, ValidationReport
from lambdas.validation.check import Options, check
from lambdas.validation.jsonl import lines, ranges
from tests.fakes.bytes_source import BytesSource
from tests.unit.validation.corpus.corpus import Kind
from tests.unit.validation.corpus.reference import Found, Told, judge

# Warnings that the reference knows; all others compare records, or read their meaning.
_RULES = {"crlf", "schema-version", "reserved-word"}


@dataclass(frozen=True)
class Cuts:
    """Into how small parts a file is cut; no cut may change what is found."""

    range_bytes: int = 8 * 1024**2
    max_line_bytes: int = MAX_LINE_BYTES


@contextmanager
def cut(cuts: Cuts) -> Iterator[None]:
    """Make the validator cut files so."""
    figures: tuple[tuple[ModuleType, str, int], ...] = (
        (ranges, "RANGE_BYTES", cuts.range_bytes),
        (ranges, "MAX_LINE_BYTES", cuts.max_line_bytes),
        (lines, "MAX_LINE_BYTES", cuts.max_line_bytes),
    )
    real = [getattr(module, name) for module, name, _ in figures]
    for module, name, figure in figures:
        setattr(module, name, figure)
    try:
        yield
    finally:
        for (module, name, _), figure in zip(figures, real, strict=True):
            setattr(module, name, figure)


def disagreement(
    model: Model, files: Mapping[Kind, bytes], cuts: Cuts = Cuts(), *, warnings: bool = False
) -> str:
    """Say in what validator and reference differ; empty if in nothing."""
    told = judge(model, files, max_line_bytes=cuts.max_line_bytes)
    sources = {kind: BytesSource(kind, content) for kind, content in files.items()}
    options = Options(warnings=warnings)
    with cut(cuts):
        report = check(
            model,
            sources["training"],
            sources.get("validation"),
            sources.get("evaluation"),
            options,
        )
    return "\n".join(_differences(report, told, warnings=warnings))


def _differences(report: ValidationReport, told: Told, *, warnings: bool) -> Iterator[str]:
    expected = [each for each in told.found if warnings or each.severity == "error"]
    yield from _counts(report, expected)
    yield from _findings(report, expected)
    for kind in told.lines:
        summary = report.files[kind]
        here, there = (summary.lines, summary.records), (told.lines[kind], told.records[kind])
        if here != there:
            yield f"{kind}: lines and records are {here}, by the reference {there}"
    if report.valid != told.valid:
        yield f"valid is {report.valid}, by the reference {told.valid}"


def _is_rule(code: str, severity: str) -> bool:
    return severity == "error" or code in _RULES


def _counts(report: ValidationReport, expected: list[Found]) -> Iterator[str]:
    ours = {key: n for key, n in report.findings.counts.items() if _is_rule(*key[1:])}
    theirs = Counter((each.file, each.code, each.severity) for each in expected)
    if ours != dict(theirs):
        yield f"counts are {ours}, by the reference {dict(theirs)}"


def _findings(report: ValidationReport, expected: list[Found]) -> Iterator[str]:
    """Compare findings one by one, but for codes of which not all are kept."""
    counts = Counter((str(each.file), each.code) for each in expected)
    kept = [each for each in report.findings.kept if _is_rule(each.code, each.severity)]
    ours = Counter(
        (each.file, each.line or 0, each.field, each.code, str(each.severity))
        for each in kept
        if counts[each.file, each.code] <= KEPT_PER_CODE
    )
    theirs = Counter(
        (str(each.file), each.line, each.field, each.code, each.severity)
        for each in expected
        if counts[each.file, each.code] <= KEPT_PER_CODE
    )
    for who, only in (("validator", ours - theirs), ("reference", theirs - ours)):
        for each in sorted(only):
            yield f"only the {who} finds {each}"
