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
from threading import Event
from typing import Literal, NamedTuple, Protocol

from lambdas.domain.errors import OutOfTime, ServiceUnavailable, Throttled
from lambdas.validation.formats.conversation import Conversation
from lambdas.validation.formats.fields import FieldOf
from lambdas.validation.jsonl.problems import Problem
from lambdas.validation.warnings.language import language_of, latin_share

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

    problems: tuple[tuple[int, Problem], ...]
    records: int
    units: int


class ScreeningJournal(Protocol):
    """What has been made of batches of records, by name, so that none is paid for twice."""

    def kept(self, batch: str) -> Screening | None:
        """Return what was kept last; None if the batch has not begun."""

    def keep(self, batch: str, screening: Screening) -> None: ...


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

    Raises
    ------
    OutOfTime
        `may_begin` denied a batch; the journal has those before it.
    """
    problems: list[tuple[int, Problem]] = []
    screened = units = 0
    for start in range(0, len(records), _BATCH_RECORDS):
        batch = records[start : start + _BATCH_RECORDS]
        key = f"{name}-{batch[0][0]}"
        kept = journal.kept(key) if journal else None
        if kept is None and not may_begin():
            raise OutOfTime(
                f"{name}: Amazon Comprehend was asked about {start} of {len(records)} records, and "
                "no time was left to begin on the next"
            )
        found = kept or _screen_batch(key, batch, detect, field_of_turn, journal)
        problems += found.problems
        screened += found.records
        units += found.units
        if kept is None and found.records < len(batch):  # too busy
            break
    return Screening(tuple(problems), screened, units)


def _screen_batch(
    key: str,
    batch: Records,
    detect: DetectPii,
    field_of_turn: FieldOf,
    journal: ScreeningJournal | None,
) -> Screening:
    if journal is None:
        return screen(batch, detect, field_of_turn)
    units = sum(billed_units(conversation) for _, conversation in batch)
    journal.keep(key, Screening((), 0, units))
    found = screen(batch, detect, field_of_turn)
    journal.keep(key, found)
    return found


def screen(records: Records, detect: DetectPii, field_of_turn: FieldOf) -> Screening:
    """Screen all given records, by line; whatever `billed_units` is 0 for should not be given.

    If the service is too busy, return what it has screened so far: repeating all requests would
    cost twice. A record about which it answered in part counts as paid for.
    """
    busy = Event()
    asked: list[Conversation] = []

    def screen_one(record: tuple[int, Conversation]) -> list[Problem] | None:
        if busy.is_set():
            return None
        asked.append(record[1])
        try:
            return [*_problems(record[1], detect, field_of_turn)]
        except (Throttled, ServiceUnavailable):
            busy.set()
            return None

    with ThreadPoolExecutor(_CONCURRENT_REQUESTS) as threads:
        results = [*threads.map(screen_one, records)]
    done = [
        (line, conversation, problems)
        for (line, conversation), problems in zip(records, results, strict=True)
        if problems is not None
    ]
    return Screening(
        problems=tuple((line, problem) for line, _, problems in done for problem in problems),
        records=len(done),
        units=sum(map(billed_units, asked)),
    )


def billed_units(conversation: Conversation) -> int:
    """Return the units that screening a conversation costs; 0 if its language is not supported."""
    if _language_code(conversation) is None:
        return 0
    return sum(
        max(_LEAST_UNITS, math.ceil(len(part) / _UNIT_CHARACTERS))
        for turn in conversation.turns
        for part in _parts(turn.text)
    )


def _problems(
    conversation: Conversation, detect: DetectPii, field_of_turn: FieldOf
) -> Iterator[Problem]:
    language = _language_code(conversation) or "en"
    for at, turn in enumerate(conversation.turns):
        found = {
            entity.type
            for part in _parts(turn.text)
            for entity in detect(part, language)
            if entity.type in _NAMES and entity.score >= _LEAST_SCORE
        }
        if found:
            yield Problem(
                field_of_turn(at),
                "personal-data",
                f"Amazon Comprehend finds {', '.join(_NAMES[name] for name in sorted(found))}",
                "replace it with made-up data, unless it is public",
                "warning",
            )


def _language_code(conversation: Conversation) -> LanguageCode | None:
    """Return the language code, English for what is too short to tell; None for any other."""
    known = {language_of(turn.text) for turn in conversation.turns} - {None}
    if not known and _is_in_another_script(conversation):
        return None
    if known <= {"English"}:
        return "en"
    return "es" if known <= {"English", "Spanish"} else None


def _is_in_another_script(conversation: Conversation) -> bool:
    return latin_share(" ".join(turn.text for turn in conversation.turns)) < _LEAST_LATIN


def _parts(text: str) -> Iterator[str]:
    """Split a text into parts that fit a request; a character has at most four bytes."""
    size = len(text) if len(text.encode(errors="replace")) <= _MOST_BYTES else _MOST_BYTES // 4
    for start in range(0, len(text), size or 1):
        part = text[start : start + size].encode(errors="replace").decode()
        if part.strip():
            yield part
