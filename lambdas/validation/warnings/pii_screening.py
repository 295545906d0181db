"""Personal data that only a model finds, such as names: what Amazon Comprehend is sent and finds.

DetectPiiEntities takes English and Spanish, and 100 KB of UTF-8 a request:
https://docs.aws.amazon.com/comprehend/latest/APIReference/API_DetectPiiEntities.html.
It is billed in units of 100 characters, at least 3 a request:
https://aws.amazon.com/comprehend/pricing/. Both read 2026-11-23.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Literal, NamedTuple, Protocol

from lambdas.domain.errors import OutOfTime, ServiceUnavailable, Throttled
from lambdas.validation.formats.conversation import Conversation
from lambdas.validation.formats.fields import FieldOf
from lambdas.validation.jsonl.findings import Finding
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


class Screening(NamedTuple):
    """What was found on which lines, in how many records, for how many billed units."""

    problems: tuple[tuple[int, Finding], ...] = ()
    records: int = 0
    units: int = 0
    left: tuple[tuple[int, int], ...] = ()  # lines not screened whole, and the turn to go on with

    def plus(self, others: Iterable[Screening]) -> Screening:
        """Return what was made of other records, too; only of those is anything left."""
        every = (self, *others)
        return Screening(
            tuple(problem for each in every for problem in each.problems),
            sum(each.records for each in every),
            sum(each.units for each in every),
            tuple(left for each in every[1:] for left in each.left),
        )


class ScreeningJournal(Protocol):
    """What has been made of batches of records, by name, so that none is paid for twice."""

    def kept(self, batch: str) -> Screening | None:
        """Return what was kept last; None if the batch has not begun."""

    def keep(self, batch: str, screening: Screening, *, moved: bool) -> None:
        """Keep what was made of a batch; `moved`: the service has answered about some of it."""


def screen_in_batches(  # noqa: PLR0913  # what the journal and the time do is the caller's
    name: str,
    records: Records,
    detect: DetectPii,
    field_of_turn: FieldOf,
    journal: ScreeningJournal | None,
    *,
    may_begin: Callable[[], bool] = lambda: True,
) -> Screening:
    """Screen all given records as `screen` does; `name` is that of their file.

    A batch that an earlier call has begun, and not ended, counts as paid for and not screened.
    Without a journal nobody can go on: then, what a busy service leaves is not screened.

    Raises
    ------
    OutOfTime
        `may_begin` denied a batch; the journal has those before it.
    Throttled or ServiceUnavailable
        The service is too busy; the journal has what it has answered.
    """
    total = Screening()
    for start in range(0, len(records), _BATCH_RECORDS):
        batch = records[start : start + _BATCH_RECORDS]
        key = f"{name}-{batch[0][0]}"
        kept = journal.kept(key) if journal is not None else None
        before = kept or not_screened(batch)
        if before.left and not may_begin():
            raise OutOfTime(
                f"{name}: Amazon Comprehend was asked about {start} of {len(records)} records, and "
                "no time was left to begin on the next"
            )
        if journal is not None and before.left:  # a call that dies meanwhile has paid for it
            paid = before.units + _units_left(batch, before)
            journal.keep(key, before._replace(units=paid, left=()), moved=False)
        found, refused = screen(batch, before, detect, field_of_turn)
        if journal is not None and before.left:
            journal.keep(key, found, moved=found.left != before.left)
        total = total.plus([found])
        if refused and journal is not None:
            raise type(refused)(_too_busy(name, total.records, len(records), refused)) from refused
        if refused:
            break
    return total._replace(left=())


def not_screened(records: Records) -> Screening:
    return Screening(left=tuple((line, 0) for line, _ in records))


def _too_busy(name: str, screened: int, records: int, refused: Exception) -> str:
    return (
        f"{name}: Amazon Comprehend has screened {screened} of {records} records and answers no "
        f"more: {refused}. Nothing was trained. Start again later; if it recurs, request more of "
        "the quotas of DetectPiiEntities, or set comprehend_max_usd = 0 in [validation] of the "
        "environment and look for personal data yourself"
    )


def _units_left(records: Records, screening: Screening) -> int:
    conversations = dict(records)
    return sum(_units(conversations[line], turn) for line, turn in screening.left)


def screen(
    records: Records, before: Screening, detect: DetectPii, field_of_turn: FieldOf
) -> tuple[Screening, Exception | None]:
    """Screen what `before` has left; return also why the service refused to go on, if it did.

    Whatever `billed_units` is 0 for should not be given.

    If the service is too busy the rest is left, so that what it has answered is not asked again. A
    request that was not throttled may be paid for although no answer came.
    """
    refusals: list[Exception] = []
    conversations = dict(records)

    def screen_one(left: tuple[int, int]) -> Screening:
        line, first = left
        return _screen_record(line, conversations[line], first, detect, field_of_turn, refusals)

    with ThreadPoolExecutor(_CONCURRENT_REQUESTS) as threads:
        found = before.plus(threads.map(screen_one, before.left))
    return found, next(iter(refusals), None)


def _screen_record(  # noqa: PLR0913, PLR0917  # a record, and what is done with it
    line: int,
    conversation: Conversation,
    first: int,
    detect: DetectPii,
    field_of_turn: FieldOf,
    refusals: list[Exception],  # of all records: after one, nothing more is asked
) -> Screening:
    problems: list[tuple[int, Finding]] = []

    def ended(turn: int, paid_until: int) -> Screening:
        units = _units(conversation, first, paid_until)
        return Screening(tuple(problems), 0, units, ((line, turn),))

    for turn in range(first, len(conversation.turns)):
        if refusals:
            return ended(turn, turn)
        try:
            found = [*_problems(conversation, turn, detect, field_of_turn)]
        except (Throttled, ServiceUnavailable) as refused:
            refusals.append(refused)
            return ended(turn, turn if isinstance(refused, Throttled) else turn + 1)
        problems += ((line, problem) for problem in found)
    return Screening(tuple(problems), 1, _units(conversation, first))


def billed_units(conversation: Conversation) -> int:
    """Return the units that screening a conversation costs; 0 if its language is not supported."""
    return _units(conversation, 0) if _language_code(conversation) else 0


def _units(conversation: Conversation, first: int, stop: int | None = None) -> int:
    return sum(
        max(_LEAST_UNITS, math.ceil(len(part) / _UNIT_CHARACTERS))
        for turn in conversation.turns[first:stop]
        for part in _parts(turn.text)
    )


def _problems(
    conversation: Conversation, at: int, detect: DetectPii, field_of_turn: FieldOf
) -> Iterator[Finding]:
    """Yield what is found in one turn."""
    language = _language_code(conversation) or "en"
    found = {
        entity.type
        for part in _parts(conversation.turns[at].text)
        for entity in detect(part, language)
        if entity.type in _NAMES and entity.score >= _LEAST_SCORE
    }
    if found:
        message = f"Amazon Comprehend finds {', '.join(_NAMES[name] for name in sorted(found))}"
        yield Finding.of("personal-data", field_of_turn(at), message)


def _language_code(conversation: Conversation) -> LanguageCode | None:
    """Return the language code, English for what is too short to tell; None for any other."""
    known = {language_of(turn.text) for turn in conversation.turns} - {None}
    whole = " ".join(turn.text for turn in conversation.turns)
    if not known and latin_share(whole) < _LEAST_LATIN:
        return None
    if known <= {"English"}:
        return "en"
    return "es" if known <= {"English", "Spanish"} else None


def _parts(text: str) -> Iterator[str]:
    """Split a text into parts that fit a request; a character has at most four bytes."""
    size = len(text) if len(text.encode(errors="replace")) <= _MOST_BYTES else _MOST_BYTES // 4
    for start in range(0, len(text), size or 1):
        part = text[start : start + size].encode(errors="replace").decode()
        if part.strip():
            yield part
