"""Checks a generated pair: it must be well-formed, new, and grounded in its section."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from dataset.generation import text_matching as matching
from dataset.sources.sections import Section
from lambdas.validation.jsonl.display import shortened
from lambdas.validation.warnings.language import CODES, language_of, latin_share
from lambdas.validation.warnings.sketches import (
    NEAR,
    SKETCH_HASHES,
    normalised,
    similarity,
    sketch_text,
)

LANGUAGES_BY_CODE = {"ja": "Japanese"} | {
    code: name for name, codes in CODES.items() for code in codes.split()
}
LEAST_QUOTE = 12  # letters and digits; a shorter quote is found anywhere
LEAST_COVERED = 0.6  # of an answer's content words must be in its section
_NEAR_IN_SAME_TERMS = 0.5  # Jaccard index from which two texts with the same terms are duplicates
# Question words that tell questions apart; "what" and "which" are interchangeable.
_INTERROGATIVE = re.compile(r"\b(?:how|when|where|who|why)\b|いつ|どこ|どれ|なぜ|誰")
# What only somebody with the document open can follow: "according to the text", "in section 3".
_PART = (
    r"(?:document|text|passage|excerpt|article|paper|report|manual|guide|author|section|chapter|"
    r"paragraph|page|table|figure|appendix)"
)
_OPEN_DOCUMENT = re.compile(
    rf"\b(?:according to|based on|as (?:\w+ )?(?:in|by)|(?:mentioned|described|stated|listed|given|"
    rf"discussed|explained|shown|defined|provided|outlined) (?:in|by)) "
    rf"(?:the|this|that) (?:\w+ )?(?:{_PART}|context)\b"
    rf"|\b(?:this|the (?:above|following|given|provided|attached|preceding)) {_PART}\b"
    rf"|\bdo(?:es)? the {_PART} (?:say|state|mention|describe|list|explain|recommend|claim)"
    r"|\b(?:in|see|under|from|of|by) (?:section|chapter|paragraph|page|table|figure|appendix) "
    r"\d+(?:\.\d+)*\b(?!,? of\b)"
    r"|(?<![一-龥])(?:本文|文書|文章|資料|本書|原文|記事|マニュアル)(?:によると|によれば|に基づ|に(?:は)?"
    r"(?:書かれ|記載|記され|述べられ))"
    r"|この(?:文書|文章|本文|資料|章|節|項|セクション|ページ|記事|マニュアル|表|図)"
    r"|(?:上記|前述|後述|以下|次)の(?:文書|文章|本文|資料|表|図|章|節)"
    r"|(?<![一-龥])(?:本章|本節|本項|本稿|本資料|本文書)"
    r"|(?<![一-龥])第\s*\d+\s*[章節](?:で|に|の(?:内容|説明|記述)|によ)"
    r"|(?<![一-龥])[図表]\s*\d+",
    re.IGNORECASE,
)
_MAX_CHARACTERS = 4_000
_SHOWN = 90  # characters of a question in a message
_SKETCH_BYTES = SKETCH_HASHES * 4  # of a text long enough to compare

_Text = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=_MAX_CHARACTERS)
]


class GeneratedPair(BaseModel):
    """One pair as the model returns it."""

    model_config = ConfigDict(frozen=True, strict=True)

    question: _Text = Field(description="stands on its own and names its subject")
    answer: _Text = Field(
        description="one to four complete sentences, with facts of the document only"
    )
    quote: _Text = Field(
        description="the supporting passage, copied from the document letter by letter"
    )
    topic: _Text = Field(description="the subject in one to three words")


@dataclass(frozen=True)
class Refusal:
    """A pair that was not kept; `code` is a key of `REASONS`."""

    code: str
    question: str
    detail: str

    def __str__(self) -> str:
        return f"{shortened(self.question, _SHOWN)}: {self.detail}"


REASONS = {
    "schema": "does not match the tool's schema",
    "language": "in another language than requested",
    "open-document": "only makes sense with the document open",
    "duplicate": "asks the same as another pair",
    "same-answer": "has the same answer as another pair",
    "quote-short": "the quote is too short to prove anything",
    "quote-not-found": "the quote is not in the document",
    "number-not-quoted": "a number of the answer is not in the quote",
    "not-covered": "the document does not say this",
}


@dataclass(frozen=True)
class KeptPair:
    """A pair that passed the checks, and its section."""

    pair: GeneratedPair
    section: Section
    question: _Comparable
    answer: _Comparable

    def as_json(self) -> dict[str, str]:
        """Return the raw pair that `python -m dataset prepare` reads, with its origin."""
        origin = {"document": self.section.document, "section": self.section.label}
        return self.pair.model_dump() | origin


class _Comparable:
    """A text, prepared for comparison with others."""

    def __init__(self, text: str, more_terms: Iterable[str] = ()) -> None:
        self.words, self.sketch = normalised(text), sketch_text(text)
        self.terms = matching.terms(text).union(more_terms)

    def same_as(self, other: _Comparable) -> bool:
        """Say whether the texts are nearly the same and no term tells them apart.

        Two questions that differ only in the name they ask about are two questions.
        """
        if self.words == other.words:
            return True
        alike = similarity(self.sketch, other.sketch)
        if self.terms == other.terms:
            return alike >= _NEAR_IN_SAME_TERMS
        return alike >= NEAR and (self.terms < other.terms or other.terms < self.terms)


@dataclass
class KeptPairs:
    """The pairs kept so far; `language` is a code, or None for any."""

    language: str | None = None
    kept: list[KeptPair] = field(default_factory=list)

    def take(self, section: Section, value: object) -> KeptPair | Refusal:
        """Keep the pair, or return the reason not to."""
        try:
            pair = GeneratedPair.model_validate(value)
        except ValidationError as error:
            return Refusal("schema", _question_of(value), _first_problem(error))
        asked = _INTERROGATIVE.findall(pair.question.casefold())
        question, answer = _Comparable(pair.question, asked), _Comparable(pair.answer)
        kept = KeptPair(pair, section, question, answer)
        refusal = next(self._refusals(kept), None)
        if refusal is None:
            self.kept.append(kept)
        return refusal or kept

    def of(self, section: Section) -> list[KeptPair]:
        return [kept for kept in self.kept if kept.section.fingerprint == section.fingerprint]

    def _refusals(self, new: KeptPair) -> Iterator[Refusal]:
        checks = (self._in_other_language(new.pair), _needs_document(new.pair), _ungrounded(new))
        for code, detail in itertools.chain(*checks):
            yield Refusal(code, new.pair.question, detail)
        for other in self.kept:
            if repeat := _repeats(new, other):
                detail = f"{REASONS[repeat]}, {shortened(other.pair.question, _SHOWN)!r}"
                yield Refusal(repeat, new.pair.question, detail)

    def _in_other_language(self, pair: GeneratedPair) -> Iterator[tuple[str, str]]:
        wanted = self.language and detected_as(self.language)
        found = language_of(f"{pair.question} {pair.answer}")
        if wanted and found and found != wanted:
            yield "language", f"it is in {found}, not in {self.language}"


def detected_as(code: str) -> str | None:
    """Return what texts in a language such as ja or pt-BR are detected as; None: not at all."""
    return LANGUAGES_BY_CODE.get(code.partition("-")[0].lower())


def read_pairs(tool_input: object) -> list[object]:
    """Return the pairs in a tool's input; some models return the list as text, or without a key."""
    value: Any = tool_input.get("pairs") if isinstance(tool_input, dict) else tool_input
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return [value]
    return value if isinstance(value, list) else [value]


def _needs_document(pair: GeneratedPair) -> Iterator[tuple[str, str]]:
    for text in (pair.question, pair.answer):
        found = _OPEN_DOCUMENT.search(text)
        if found:
            yield "open-document", f"{REASONS['open-document']}: {found[0]!r}"


def _repeats(new: KeptPair, other: KeptPair) -> str | None:
    if new.question.same_as(other.question):
        return "duplicate"
    is_short = min(len(each.answer.sketch) for each in (new, other)) < _SKETCH_BYTES
    return None if is_short or not new.answer.same_as(other.answer) else "same-answer"


def _ungrounded(new: KeptPair) -> Iterator[tuple[str, str]]:
    pair, source = new.pair, new.section.text
    quote = matching.squeezed(pair.quote)
    if len(quote) < LEAST_QUOTE:
        yield "quote-short", f"{REASONS['quote-short']}: {shortened(pair.quote, _SHOWN)!r}"
    if quote not in matching.squeezed(source):
        yield "quote-not-found", f"{REASONS['quote-not-found']}: {shortened(pair.quote, _SHOWN)!r}"
    missing = sorted(matching.numbers(pair.answer) - matching.numbers(pair.quote))
    if missing:
        yield "number-not-quoted", f"{REASONS['number-not-quoted']}: {', '.join(missing)}"
    share = matching.covered(_terms_to_cover(pair), source)
    if share < LEAST_COVERED:
        yield "not-covered", f"{share:.0%} of the answer's words are in the document"


def _terms_to_cover(pair: GeneratedPair) -> set[str]:
    """Return the answer's content words; of a translation, only names and other Latin words."""
    is_latin = _is_latin(pair.answer)
    languages = {language_of(pair.answer), language_of(pair.quote)} - {None}
    if is_latin == _is_latin(pair.quote) and len(languages) < 2:  # noqa: PLR2004  # two
        return matching.terms(pair.answer)
    return set() if is_latin else {term for term in matching.terms(pair.answer) if term.isascii()}


def _is_latin(text: str) -> bool:
    return latin_share(text) >= 0.5  # noqa: PLR2004  # half of it


def _question_of(value: object) -> str:
    question = value.get("question") if isinstance(value, dict) else None
    return question if isinstance(question, str) else repr(value)


def _first_problem(error: ValidationError) -> str:
    first = error.errors()[0]
    where = ".".join(map(str, first["loc"])) or "the pair"
    return f"{where}: {first['msg']}"
