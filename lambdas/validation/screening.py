"""The optional check, after the rules: Amazon Comprehend looks for names and addresses.

DetectPiiEntities takes English and Spanish, and 100 KB of UTF-8 a request:
https://docs.aws.amazon.com/comprehend/latest/APIReference/API_DetectPiiEntities.html.
It is billed in units of 100 characters, at least 3 a request:
https://aws.amazon.com/comprehend/pricing/. Both read 2026-11-23.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from operator import add
from typing import Literal, NamedTuple, Protocol

from lambdas.domain.errors import OutOfTime, ServiceUnavailable, Throttled
from lambdas.domain.models.model import Model
from lambdas.validation.formats.conversation import Conversation, FileKind
from lambdas.validation.formats.records import read_record
from lambdas.validation.jsonl.findings import Finding, Findings
from lambdas.validation.jsonl.lines import parse_line
from lambdas.validation.jsonl.ranges import DatasetSource, read_lines
from lambdas.validation.report import ValidationReport
from lambdas.validation.warnings.language import language_of, latin_share

COMPREHEND = "Comprehend"
LanguageCode = Literal["en", "es"]
_UNIT_CHARACTERS, _LEAST_UNITS = 100, 3
_MOST_BYTES = 100_000
_LEAST_LATIN = 0.5  # share of the letters, of a text that may be in one of the two
_CONCURRENT_REQUESTS = 8
_BATCH_RECORDS = 100  # of which a death of the function loses at most the last
_LEAST_SCORE = 0.95  # below, products and companies are often taken for persons
_NAMES: Mapping[str, str] = {
    "NAME": "a name",
    "ADDRESS": "an address",
    "EMAIL": "an e-mail address",
    "PHONE": "a phone number",
    "PASSPORT_NUMBER": "a passport number",
    "DRIVER_ID": "a driver's licence number",
    "LICENSE_PLATE": "a licence plate",
    "SSN": "a social security number",
    "BANK_ACCOUNT_NUMBER": "a bank account number",
    "CREDIT_DEBIT_NUMBER": "a payment card number",
}


class PiiEntity(NamedTuple):
    type: str  # as DetectPiiEntities names it
    score: float


DetectPii = Callable[[str, LanguageCode], Iterable[PiiEntity]]
Records = Sequence[tuple[int, Conversation]]  # by line


PartKey = tuple[int, int]  # line, and number in the record


class Screening(NamedTuple):
    """What was found, in how many whole records, for how many billed units."""

    problems: tuple[Finding, ...] = ()
    records: int = 0
    units: int = 0
    left: tuple[PartKey, ...] = ()  # parts not screened


class ScreeningJournal(Protocol):
    """What has been made of batches of records, by name, so that none is paid for twice."""

    def kept(self, batch: str) -> Screening | None:
        """Return what was kept last; None if the batch has not begun."""

    def begin(self, batch: str, screening: Screening) -> bool:
        """Keep a batch's first; False, and nothing is kept, if another call has begun it."""

    def keep(self, batch: str, screening: Screening, *, moved: bool) -> None:
        """Keep what was made of a batch; `moved`: the service has answered about some of it."""


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
    within the budget. Only a request whose answer is lost is made again: it is paid for twice if
    the service charges for it, and both are in what it has cost.

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
        found = screen_in_batches(kind, planned, pii)
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
        planned[kind] = sample_records(sources[kind], kind, report.model, units)
        units -= sum(billed_units(record) for _, record in planned[kind])
    return planned


def _add_screening(report: ValidationReport, name: str, found: Screening) -> None:
    for problem in found.problems:
        report.findings.add(problem._replace(file=name))
    records = report.files[name].records
    if found.records < records:
        message = (
            f"Amazon Comprehend checked {found.records} of {records} records: the others are "
            "neither in English nor in Spanish, exceed the budget, or have no answer"
        )
        report.findings.tell("not-screened", "", message, file=name)


def sample_records(source: DatasetSource, kind: FileKind, model: Model, units: int) -> Records:
    """Return the records that so many units pay for: all, or those of every 2nd, 4th, 8th … line.

    The sample is the same each time, and no more is held than the units pay for. A line without a
    record is skipped, and so is a record that costs nothing or alone exceeds the units.
    """
    kept: list[tuple[int, Conversation, int]] = []
    step, spent = 1, 0
    for number, line in enumerate(read_lines(source), start=1):
        content = line.content.removesuffix(b"\r")
        record = None if number % step else parse_line(content, Findings())
        conversation = read_record(record, kind, model, Findings()) if record else None
        cost = billed_units(conversation) if conversation else 0
        if conversation is None or not 0 < cost <= units:
            continue
        kept.append((number, conversation, cost))
        spent += cost
        while spent > units:
            step *= 2
            kept = [each for each in kept if not each[0] % step]
            spent = sum(each[2] for each in kept)
    return [(number, record) for number, record, _ in kept]


def screen_in_batches(name: str, records: Records, pii: PiiCheck) -> Screening:
    """Screen all given records; `name` is that of their file.

    A batch that an earlier call has begun, and not ended, counts as paid for and not screened.
    Without a journal nobody can go on: then, what a busy service leaves is not screened.

    Raises
    ------
    OutOfTime
        `may_begin` denied a batch; the journal has those before it.
    Throttled or ServiceUnavailable
        The service is too busy; the journal has what it has answered.
    """
    journal, total = pii.journal, Screening()
    for start in range(0, len(records), _BATCH_RECORDS):
        batch = records[start : start + _BATCH_RECORDS]
        parts = {(line, at): part for line, said in batch for at, part in enumerate(_parts(said))}
        key = f"{name}-{batch[0][0]}"
        kept = journal.kept(key) if journal is not None else None
        before = kept or Screening(left=tuple(parts))
        if before.left and not pii.may_begin():
            raise OutOfTime(
                f"{name}: Amazon Comprehend was asked about {start} of {len(records)} records, and "
                "no time was left to begin on the next"
            )
        if journal is not None and before.left:  # a call that dies meanwhile has paid for it
            units = before.units + sum(_units(parts[each].text) for each in before.left)
            begun = before._replace(units=units, left=())
            before = _still_left(journal, key, before, begun, is_first=kept is None)
        found, refused = _screen(parts, before, pii.detect)
        if journal is not None and before.left:
            journal.keep(key, found, moved=found.left != before.left)
        total = Screening(*map(add, total, found))
        if refused and journal is not None:
            raise type(refused)(
                f"{name}: Amazon Comprehend has screened {total.records} of {len(records)} records "
                f"and answers no more: {refused}. Nothing was trained. Start again later; if it "
                "recurs, request more of the quotas of DetectPiiEntities, or set "
                "comprehend_max_usd = 0 in [validation] of the environment and look for personal "
                "data yourself"
            ) from refused
        if refused:
            break
    return total


def _still_left(
    journal: ScreeningJournal, batch: str, before: Screening, begun: Screening, *, is_first: bool
) -> Screening:
    """Keep that a batch has `begun`; return `before`, or what another call has made of it first."""
    if is_first:
        is_ours = journal.begin(batch, begun)
        return before if is_ours else journal.kept(batch) or begun
    journal.keep(batch, begun, moved=False)
    return before


def _screen(
    parts: Mapping[PartKey, _Part], before: Screening, detect: DetectPii
) -> tuple[Screening, Exception | None]:
    """Screen what `before` has left; return also why the service refused to go on, if it did.

    If the service is too busy the rest is left, so that what it has answered is not asked again. A
    request that was not throttled may be paid for although no answer came.
    """
    refusals: list[Exception] = []

    def ask(each: PartKey) -> tuple[list[Finding] | None, int]:
        """Return what is found, None without an answer, and the units that may be billed."""
        if refusals:
            return None, 0
        part = parts[each]
        try:
            entities = detect(part.text, part.language)
            return [*_problems(entities, part.field, each[0])], _units(part.text)
        except (Throttled, ServiceUnavailable) as refused:
            refusals.append(refused)
            return None, 0 if isinstance(refused, Throttled) else _units(part.text)

    with ThreadPoolExecutor(_CONCURRENT_REQUESTS) as threads:
        asked = [*zip(before.left, threads.map(ask, before.left), strict=True)]
    left = tuple(part for part, (found, _) in asked if found is None)
    done = {line for line, _ in before.left} - {line for line, _ in left}
    problems = (problem for _, (found, _) in asked for problem in found or ())
    units = before.units + sum(units for _, (_, units) in asked)
    found = Screening((*before.problems, *problems), before.records + len(done), units, left)
    return found, next(iter(refusals), None)


def billed_units(conversation: Conversation) -> int:
    """Return the units that screening a conversation costs; 0 if its language is not supported."""
    return sum(_units(part.text) for part in _parts(conversation))


def _units(text: str) -> int:
    return max(_LEAST_UNITS, math.ceil(len(text) / _UNIT_CHARACTERS))


def _problems(entities: Iterable[PiiEntity], path: str, line: int) -> Iterator[Finding]:
    """Yield what is found in one part of a turn."""
    found = {each.type for each in entities if each.type in _NAMES and each.score >= _LEAST_SCORE}
    if found:
        message = f"Amazon Comprehend finds {', '.join(_NAMES[name] for name in sorted(found))}"
        yield Finding.of("personal-data", path, message, line=line)


def _language_code(conversation: Conversation) -> LanguageCode | None:
    """Return the language code, English for what is too short to tell; None for any other."""
    known = {language_of(turn.text) for turn in conversation.turns} - {None}
    whole = " ".join(turn.text for turn in conversation.turns)
    if not known and latin_share(whole) < _LEAST_LATIN:
        return None
    if known <= {"English"}:
        return "en"
    return "es" if known <= {"English", "Spanish"} else None


class _Part(NamedTuple):
    """What one request sends."""

    field: str  # that has the text, or more of it
    text: str
    language: LanguageCode


def _parts(conversation: Conversation) -> list[_Part]:
    """Return the turns in parts that fit a request; none if their language is not supported.

    A character has at most four bytes.
    """
    parts: list[_Part] = []
    if not (language := _language_code(conversation)):
        return parts
    for at, turn in enumerate(conversation.turns):
        text = turn.text.encode(errors="replace").decode()
        size = len(text) if len(text.encode()) <= _MOST_BYTES else _MOST_BYTES // 4
        field = conversation.field_of(at)
        pieces = (text[start : start + size] for start in range(0, len(text), size or 1))
        parts += [_Part(field, piece, language) for piece in pieces if piece.strip()]
    return parts
