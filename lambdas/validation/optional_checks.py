"""The optional check, after the rules: Amazon Comprehend looks for names and addresses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from lambdas.domain.models.model import Model
from lambdas.validation.check import Options, ReadProgress, check
from lambdas.validation.findings.report import ValidationReport
from lambdas.validation.formats.fields import FILE_KINDS, FileKind, field_of
from lambdas.validation.jsonl.sources import DatasetSource
from lambdas.validation.sampling import sample_records
from lambdas.validation.warnings.pii_screening import (
    DetectPii,
    Screening,
    ScreeningJournal,
    billed_units,
    screen_in_batches,
)

COMPREHEND = "Comprehend"


@dataclass(frozen=True)
class PiiCheck:
    """Amazon Comprehend, and what asking it may cost."""

    detect: DetectPii
    max_usd: float  # for all files together
    usd_per_unit: float  # the list price
    say: Callable[[str], object]  # told what it will cost and has cost
    journal: ScreeningJournal | None = None


_DEFAULTS = Options()


def check_with_services(
    model: Model,
    sources: Mapping[FileKind, DatasetSource],
    options: Options = _DEFAULTS,
    pii: PiiCheck | None = None,
    progress: Callable[[ReadProgress], None] | None = None,
) -> ValidationReport:
    """Check a dataset by the rules and, if it is valid and `pii` is given, by Amazon Comprehend.

    An invalid dataset costs nothing: Amazon Comprehend is not asked about it.

    Raises
    ------
    Exception
        What `check` or the PII check raises.
    """
    validation, evaluation = sources.get("validation"), sources.get("evaluation")
    report = check(model, sources["training"], validation, evaluation, options, progress)
    if pii is None or not report.valid:
        return report
    # `check` keeps the files in this order, and renames one of two with the same name.
    names = dict(zip((kind for kind in FILE_KINDS if kind in sources), report.files, strict=True))
    return screened(report, names, sources, pii)


def screened(
    report: ValidationReport,
    names: Mapping[FileKind, str],
    sources: Mapping[FileKind, DatasetSource],
    pii: PiiCheck,
) -> ValidationReport:
    """Add what Amazon Comprehend finds; each file may cost what those before it have left."""
    pii.say(
        f"Amazon Comprehend will cost ${pii.max_usd:.2f} at most, at its list price of "
        f"${pii.usd_per_unit:.4f} for 100 characters; records beyond that are not checked."
    )
    checked, left = 0, pii.max_usd
    # The smallest first: evaluation and validation are short, and training takes the rest.
    for kind in sorted(names, key=lambda each: report.files[names[each]].size_bytes):
        found = _screen(report, kind, sources[kind], pii, left / pii.usd_per_unit)
        _add_screening(report, names[kind], found)
        checked += found.records
        left -= found.units * pii.usd_per_unit
    report.findings.sort(list(report.files))
    records = sum(report.files[name].records for name in names.values())
    spent = pii.max_usd - left
    pii.say(f"Amazon Comprehend checked {checked:,} of {records:,} records for ${spent:.4f}.")
    coverage = {"records": checked, "of_records": records, "cost_usd": round(spent, 4)}
    return replace(report, services={COMPREHEND: coverage})


def _screen(
    report: ValidationReport,
    kind: FileKind,
    source: DatasetSource,
    pii: PiiCheck,
    max_units: float,
) -> Screening:
    # Whole units, of which rounding must not make one less: 0.3 / 0.0001 is 2999.9999999999995.
    units = int(round(max_units, 6))
    sample = sample_records(source, kind, report.model, billed_units, units)
    fields = field_of(kind, report.model.record_format)
    return screen_in_batches(kind, sample.records, pii.detect, fields, pii.journal)


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
