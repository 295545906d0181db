"""The optional check, after the rules: Amazon Comprehend looks for names and addresses."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

from lambdas.domain.models.model import Model
from lambdas.validation.formats.conversation import Conversation
from lambdas.validation.formats.fields import FileKind, field_of
from lambdas.validation.formats.records import read_record
from lambdas.validation.jsonl.findings import Finding, Findings
from lambdas.validation.jsonl.lines import parse_line
from lambdas.validation.jsonl.ranges import read_lines, read_range, split_ranges
from lambdas.validation.jsonl.sources import DatasetSource
from lambdas.validation.report import ValidationReport
from lambdas.validation.warnings.pii_screening import (
    COMPREHEND,
    DetectPii,
    Records,
    Screening,
    ScreeningJournal,
    billed_units,
    screen_in_batches,
)

_PART_BYTES = 16 << 20  # few requests: each waits for its first byte


@dataclass(frozen=True)
class PiiCheck:
    """Amazon Comprehend, and what asking it may cost."""

    detect: DetectPii
    max_usd: float  # for all files together
    usd_per_unit: float  # the list price
    say: Callable[[str], object]  # told what it will cost and has cost
    journal: ScreeningJournal | None = None
    may_begin: Callable[[], bool] = lambda: True  # another batch


def screened(
    report: ValidationReport, sources: Mapping[FileKind, DatasetSource], pii: PiiCheck
) -> ValidationReport:
    """Add what Amazon Comprehend finds in the files, which come in the report's order.

    An invalid dataset costs nothing: Amazon Comprehend is not asked about it.

    Which records it is asked about follows from the files and the budget alone, never from what it
    said: whoever is called again asks about these and no others, so that all calls together stay
    within the budget.

    Raises
    ------
    OutOfTime, Throttled or ServiceUnavailable
        What `screen_in_batches` raises.
    """
    if not report.valid:
        return report
    names = dict(zip(sources, report.files, strict=True))
    pii.say(
        f"Amazon Comprehend will cost ${pii.max_usd:.2f} at most, at its list price of "
        f"${pii.usd_per_unit:.4f} for 100 characters; records beyond that are not checked."
    )
    checked = units = 0
    for kind, planned in _planned(report, names, sources, pii).items():
        fields = field_of(kind, report.model.record_format)
        found = screen_in_batches(
            kind, planned, pii.detect, fields, pii.journal, may_begin=pii.may_begin
        )
        _add_screening(report, names[kind], found)
        checked += found.records
        units += found.units
    report.findings.sort(list(report.files))
    records = sum(report.files[name].records for name in names.values())
    spent = units * pii.usd_per_unit
    pii.say(f"Amazon Comprehend checked {checked:,} of {records:,} records for ${spent:.4f}.")
    coverage = {"records": checked, "of_records": records, "cost_usd": round(spent, 4)}
    return replace(report, services={COMPREHEND: coverage})


def _planned(
    report: ValidationReport,
    names: Mapping[FileKind, str],
    sources: Mapping[FileKind, DatasetSource],
    pii: PiiCheck,
) -> dict[FileKind, Records]:
    """Return the records of each file that the budget pays for."""
    # Whole units, of which rounding must not make one less: 0.3 / 0.0001 is 2999.9999999999995.
    units = int(round(pii.max_usd / pii.usd_per_unit, 6))
    planned: dict[FileKind, Records] = {}
    # The smallest first: evaluation and validation are short, and training takes the rest.
    for kind in sorted(names, key=lambda each: report.files[names[each]].size_bytes):
        sample = sample_records(sources[kind], kind, report.model, billed_units, units)
        planned[kind] = sample.records
        units -= int(sample.cost)
    return planned


def _add_screening(report: ValidationReport, name: str, found: Screening) -> None:
    for line, problem in found.problems:
        report.findings.add(problem._replace(file=name, line=line))
    records = report.files[name].records
    if found.records < records:
        message = (
            f"Amazon Comprehend checked {found.records} of {records} records: the others are "
            "neither in English nor in Spanish, exceed the budget, or have no answer"
        )
        report.findings.add(Finding.of("not-screened", "", message, file=name))


class Sample(NamedTuple):
    """Records by line, how far apart they are, and what they cost together."""

    records: list[tuple[int, Conversation]]
    step: int  # 1: every line, 2: every second …
    cost: float


def sample_records(
    source: DatasetSource,
    kind: FileKind,
    model: Model,
    cost_of: Callable[[Conversation], float],
    budget: float,
) -> Sample:
    """Return the records that `budget` pays for: all, or those of every 2nd, 4th, 8th … line.

    The sample is the same each time, and no more is held than the budget pays for. A line without a
    record is skipped, and so is a record that costs nothing or alone exceeds the budget.
    """
    kept: list[tuple[int, Conversation, float]] = []
    step, spent = 1, 0.0
    for number, line in enumerate(_lines(source), start=1):
        record = None if number % step else parse_line(line, Findings())
        conversation = read_record(record, kind, model, Findings()) if record else None
        cost = cost_of(conversation) if conversation else 0
        if conversation is None or not 0 < cost <= budget:
            continue
        kept.append((number, conversation, cost))
        spent += cost
        while spent > budget:
            step *= 2
            kept = [each for each in kept if not each[0] % step]
            spent = sum(each[2] for each in kept)
    return Sample([(number, record) for number, record, _ in kept], step, spent)


def _lines(source: DatasetSource) -> Iterator[bytes]:
    for part in split_ranges(source.size_bytes, _PART_BYTES):
        for line in read_lines(source, part, read_range(source, part)):
            yield line.content.removesuffix(b"\r")
