"""Names, addresses and documents of persons, found by Amazon Comprehend: opt-in, as it costs.

DetectPiiEntities takes English and Spanish, and 100 KB of UTF-8 a request:
https://docs.aws.amazon.com/comprehend/latest/APIReference/API_DetectPiiEntities.html.
It is billed in units of 100 characters, at least 3 a request:
https://aws.amazon.com/comprehend/pricing/. Both read 2026-11-23. The price of a unit is that of the
other text operations, as a third party quotes it
(https://www.cloudzero.com/blog/amazon-comprehend-pricing/): check it before a large run.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Event
from typing import Any, Literal

from lambdas.aws.clients import client, translated
from lambdas.domain.errors import ServiceUnavailable, Throttled
from lambdas.validation.formats.conversation import Conversation
from lambdas.validation.formats.fields import FieldOf, content_of
from lambdas.validation.jsonl.problems import Problem
from lambdas.validation.warnings.language import language_of, script_counts

USD_PER_UNIT = 0.0001
_UNIT_CHARACTERS, _LEAST_UNITS = 100, 3
_MOST_BYTES = 100_000
_AT_ONCE = 8  # requests
_LEAST_SCORE = 0.95  # below, product and company names are often taken for persons'
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


@dataclass(frozen=True)
class Screening:
    """What was found on which lines, in how many of all records, and for how much."""

    problems: tuple[tuple[int, Problem], ...]
    records: int
    of_records: int
    cost_usd: float  # by the list price; what a free tier or another tier takes off is not known


@dataclass(frozen=True)
class Comprehend:
    """Each method raises the named errors of `translated`."""

    comprehend: Any = field(default_factory=lambda: client("comprehend"))

    def screen(
        self,
        records: Sequence[tuple[int, Conversation]],
        field_of_turn: FieldOf = content_of,
    ) -> Screening:
        """Look for personal data in all records given: choose by `units_of` what may be spent.

        Where the service is too busy, what it has looked at until then is returned: to ask for all
        of it again would cost twice.
        """
        busy = Event()

        def look(record: tuple[int, Conversation]) -> list[Problem] | None:
            if busy.is_set():
                return None
            try:
                return [*self._problems(record[1], field_of_turn)]
            except (Throttled, ServiceUnavailable):
                busy.set()
                return None

        with ThreadPoolExecutor(_AT_ONCE) as threads:
            found = [*threads.map(look, records)]
        done = [(*each, problems) for each, problems in zip(records, found, strict=True)]
        units = sum(units_of(said) for _, said, problems in done if problems is not None)
        return Screening(
            problems=tuple((line, each) for line, _, problems in done for each in problems or ()),
            records=sum(problems is not None for problems in found),
            of_records=len(records),
            cost_usd=units * USD_PER_UNIT,
        )

    def _problems(self, conversation: Conversation, field_of_turn: FieldOf) -> Iterator[Problem]:
        language = _language(conversation)
        for path, text in _paths(conversation, field_of_turn):
            found = {
                entity["Type"]
                for part in _parts(text)
                for entity in self._entities(part, language or "en")
                if entity["Type"] in _NAMES and entity["Score"] >= _LEAST_SCORE
            }
            if found:
                named = ", ".join(_NAMES[each] for each in sorted(found))
                yield Problem(
                    path,
                    "personal-data",
                    f"Amazon Comprehend finds {named}",
                    "replace it by a made-up one, unless it is public",
                    "warning",
                )

    def _entities(self, text: str, language: str) -> Sequence[Mapping[str, Any]]:
        with translated("detect personal data with Amazon Comprehend"):
            answer = self.comprehend.detect_pii_entities(Text=text, LanguageCode=language)
        entities: Sequence[Mapping[str, Any]] = answer["Entities"]
        return entities


def _language(conversation: Conversation) -> Literal["en", "es"] | None:
    """Return the language code, English for what is too short to tell; None for any other."""
    known = {language_of(turn.text) for turn in conversation.turns} - {None}
    if not known and _is_of_another_script(conversation):
        return None
    if known <= {"English"}:
        return "en"
    return "es" if known <= {"English", "Spanish"} else None


def _is_of_another_script(conversation: Conversation) -> bool:
    letters = script_counts(" ".join(turn.text for turn in conversation.turns))
    return letters["Latin"] < sum(letters.values()) / 2


def _paths(
    conversation: Conversation, field_of_turn: FieldOf = content_of
) -> Iterator[tuple[str, str]]:
    for at, turn in enumerate(conversation.turns):
        if turn.text.strip():
            yield field_of_turn(at), turn.text


def _parts(text: str) -> Iterator[str]:
    """Cut a text into parts that a request takes; four bytes is the most a character has."""
    size = len(text) if len(text.encode(errors="replace")) <= _MOST_BYTES else _MOST_BYTES // 4
    for start in range(0, len(text), size):
        part = text[start : start + size].encode(errors="replace").decode()
        if part.strip():
            yield part


def units_of(conversation: Conversation) -> int:
    """Return what looking at the conversation is billed as; 0 in a language that is not known."""
    if _language(conversation) is None:
        return 0
    return sum(
        max(_LEAST_UNITS, math.ceil(len(part) / _UNIT_CHARACTERS))
        for _, text in _paths(conversation)
        for part in _parts(text)
    )
