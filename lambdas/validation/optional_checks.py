"""Checks that ask a service, after the rules: Amazon Comprehend and Bedrock's CountTokens.

Comprehend looks for names and addresses, and costs money. CountTokens replaces the estimate of the
training tokens, for the models that it supports.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from lambdas.domain.models.model import Model
from lambdas.validation.check import Options, ReadProgress, check
from lambdas.validation.findings.report import ValidationReport
from lambdas.validation.formats.conversation import Conversation, Turn
from lambdas.validation.formats.fields import FILE_KINDS, FileKind, field_of
from lambdas.validation.formats.tokens import least_tokens
from lambdas.validation.jsonl.sources import DatasetSource
from lambdas.validation.sampling import sample_records
from lambdas.validation.warnings.pii_screening import DetectPii, Screening, billed_units, screen

MOST_COUNTED = 1_000  # records whose tokens are counted, one request each
_PROBE = Conversation(None, (Turn("user", "Hello?"), Turn("assistant", "Hello.")))

CountTokens = Callable[[str, Conversation], int]  # by foundation model id


@dataclass(frozen=True)
class PiiCheck:
    """Amazon Comprehend, and what asking it may cost."""

    detect: DetectPii
    max_usd: float  # for all files together
    usd_per_unit: float  # the list price


@dataclass(frozen=True)
class OptionalChecks:
    """Which services are asked; none by default."""

    pii: PiiCheck | None = None
    count_tokens: CountTokens | None = None
    say: Callable[[str], object] = lambda _: None  # told what a service will cost and has cost


_DEFAULTS, _NONE = Options(), OptionalChecks()


def check_with_services(
    model: Model,
    sources: Mapping[FileKind, DatasetSource],
    options: Options = _DEFAULTS,
    optional: OptionalChecks = _NONE,
    progress: Callable[[ReadProgress], None] | None = None,
) -> ValidationReport:
    """Check a dataset by the rules and, if it is valid, by the optional checks.

    An invalid dataset costs nothing: no service is asked about it.

    Raises
    ------
    Exception
        What `check`, the PII check or `count_tokens` raises; a model whose tokens cannot be counted
        is refused before the check.
    """
    if optional.count_tokens:
        _count(model, _PROBE, optional.count_tokens)
    validation, evaluation = sources.get("validation"), sources.get("evaluation")
    report = check(model, sources["training"], validation, evaluation, options, progress)
    if not report.valid:
        return report
    # `check` keeps the files in this order, and renames one of two with the same name.
    names = dict(zip((kind for kind in FILE_KINDS if kind in sources), report.files, strict=True))
    if optional.count_tokens:
        training = sources["training"]
        report = _counted(report, names["training"], training, optional.count_tokens, optional.say)
    if optional.pii:
        report = _screened(report, names, sources, optional.pii, optional.say)
    return report


def _count(model: Model, conversation: Conversation, count_tokens: CountTokens) -> int:
    return count_tokens(model.base_inference.foundation_model_id, conversation)


def _counted(
    report: ValidationReport,
    name: str,
    source: DatasetSource,
    count_tokens: CountTokens,
    say: Callable[[str], object],
) -> ValidationReport:
    """Replace the estimate of the records that are counted; the others keep theirs."""
    records = sample_records(source, "training", report.model, lambda _: 1, MOST_COUNTED).records
    say(f"Bedrock counts the tokens of {len(records):,} training records; it is free.")
    counted = sum(_count(report.model, record, count_tokens) for _, record in records)
    summary = report.files[name]
    least = sum(least_tokens(record.texts) for _, record in records)
    is_all = len(records) == summary.records
    rest = 0.0 if is_all else max(0.0, 1 - least / max(summary.least_tokens, 1))
    tokens = counted + round(rest * summary.tokens)
    expected = counted + round(rest * summary.expected_tokens)
    changed = replace(summary, tokens=tokens, expected_tokens=min(expected, tokens))
    services = {"CountTokens": {"records": len(records), "of_records": summary.records}}
    return replace(
        report, files={**report.files, name: changed}, services={**report.services, **services}
    )


def _screened(
    report: ValidationReport,
    names: Mapping[FileKind, str],
    sources: Mapping[FileKind, DatasetSource],
    pii: PiiCheck,
    say: Callable[[str], object],
) -> ValidationReport:
    """Add what Amazon Comprehend finds; each file may cost what those before it have left."""
    say(
        f"Amazon Comprehend will cost ${pii.max_usd:.2f} at most, at its list price of "
        f"${pii.usd_per_unit:.4f} for 100 characters; records beyond that are not checked."
    )
    checked, left = 0, pii.max_usd
    # The smallest first: evaluation and validation are short, and training takes the rest.
    for kind in sorted(names, key=lambda each: report.files[names[each]].size_bytes):
        found = _screen(report, kind, sources[kind], pii.detect, left / pii.usd_per_unit)
        _add_screening(report, names[kind], found)
        checked += found.records
        left -= found.units * pii.usd_per_unit
    report.findings.sort(list(report.files))
    records = sum(report.files[name].records for name in names.values())
    spent = pii.max_usd - left
    say(f"Amazon Comprehend checked {checked:,} of {records:,} records for ${spent:.4f}.")
    coverage = {"records": checked, "of_records": records, "cost_usd": round(spent, 4)}
    return replace(report, services={**report.services, "Comprehend": coverage})


def _screen(
    report: ValidationReport,
    kind: FileKind,
    source: DatasetSource,
    detect: DetectPii,
    max_units: float,
) -> Screening:
    sample = sample_records(source, kind, report.model, billed_units, round(max_units))
    return screen(sample.records, detect, field_of(kind, report.model.record_format))


def _add_screening(report: ValidationReport, name: str, found: Screening) -> None:
    for line, problem in found.problems:
        report.findings.add_problem(name, line, problem)
    records = report.files[name].records
    if found.records < records:
        report.findings.add_file(
            name,
            "not-screened",
            f"Amazon Comprehend checked {found.records} of {records} records: the others are "
            "neither in English nor in Spanish, exceed the budget, or it was too busy",
            "raise the budget, or check the others yourself",
            "warning",
        )
