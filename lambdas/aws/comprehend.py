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
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Literal

from lambdas.aws.clients import client, translated
from lambdas.domain.validation.conversation import Conversation
from lambdas.domain.validation.findings import Problem

USD_PER_UNIT = 0.0001
_UNIT_CHARACTERS, _LEAST_UNITS = 100, 3
_MOST_BYTES = 100_000
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
        *,
        max_cost_usd: float,
        language: Literal["en", "es"] = "en",
    ) -> Screening:
        """Look for personal data in as many records as the money reaches for.

        Where it does not reach for all, every second, third … record is looked at, the same ones
        each time. Other languages than `language` are not recognised and find little.
        """
        units = [_units(each) for _, each in records]
        most = round(max_cost_usd / USD_PER_UNIT)
        step = max(1, math.ceil(sum(units) / most)) if most > 0 else len(records) + 1
        problems: list[tuple[int, Problem]] = []
        looked_at, spent = 0, 0
        for (line, each), needed in islice(zip(records, units, strict=True), step - 1, None, step):
            if spent + needed <= most:
                spent += needed
                looked_at += 1
                problems += ((line, problem) for problem in self._problems(each, language))
        return Screening(tuple(problems), looked_at, len(records), spent * USD_PER_UNIT)

    def _problems(self, conversation: Conversation, language: str) -> Iterator[Problem]:
        for path, text in _paths(conversation):
            found = {
                entity["Type"]
                for part in _parts(text)
                for entity in self._entities(part, language)
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


def _paths(conversation: Conversation) -> Iterator[tuple[str, str]]:
    for at, turn in enumerate(conversation.turns):
        if turn.text.strip():
            yield f"messages[{at}].content", turn.text


def _parts(text: str) -> Iterator[str]:
    """Cut a text into parts that a request takes; four bytes is the most a character has."""
    size = len(text) if len(text.encode(errors="replace")) <= _MOST_BYTES else _MOST_BYTES // 4
    for start in range(0, len(text), size):
        part = text[start : start + size].encode(errors="replace").decode()
        if part.strip():
            yield part


def _units(conversation: Conversation) -> int:
    """Return what the conversation's texts are billed as."""
    return sum(
        max(_LEAST_UNITS, math.ceil(len(part) / _UNIT_CHARACTERS))
        for _, text in _paths(conversation)
        for part in _parts(text)
    )
