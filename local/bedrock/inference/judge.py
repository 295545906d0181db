"""The offline judge: it calls the tool that it must, as well or as badly as the scenario says.

What it is to judge stands between tags that end in the same fence, which no text holds; whatever
tags a text brings itself are part of it. The prompt around them may be in any language. Its noise
follows from the request alone: two requests that differ in nothing get the same score.

It scores an answer by its words of content against the reference's. Words of the question itself
count little: repeating them does not answer it. In a short answer every word of content is a fact,
and one in another's place a wrong one; a long answer may say the same in other words. A figure is
never a matter of wording. It knows no facts beyond that: what contradicts the reference in the
reference's own words passes, but for a plain negation.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from local.bedrock import chance
from local.bedrock.inference.review import is_review, review
from local.bedrock.scenario import Scenario
from local.bedrock.tokenization import content_stems

LOWEST, HIGHEST = 1, 10
_RECALL_WEIGHT = 0.75  # what is missing costs more than what is added
_LENIENCY = 0.6  # towards a long answer that says it in other words
_LONG = 8  # words of content from which it is full
_SHORT = 6  # up to which each of them is a fact
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_NUMERALS = {
    word: str(value)
    for value, word in enumerate(
        "two three four five six seven eight nine ten eleven twelve".split(),  # noqa: SIM905  # a list of words reads as words
        2,
    )
} | dict(zip("一二三四五六七八九十", map(str, range(1, 11)), strict=True))
_NUMERAL = re.compile(
    r"\b(?:two|three|four|five|six|seven|eight|nine|ten|eleven|twelve)\b"
    r"|[一二三四五六七八九十](?=[年月日時分秒回個人台円倍つ週次件本枚か])",
    re.IGNORECASE,
)
_NEGATION = re.compile(r"\b(?:not|never|no|cannot|without)\b|n['\u2019]t\b|ません|ない|[不没无無]")
_SAME = 0.7  # share of common words from which two texts say the same, or its opposite
_FENCE = re.compile(r"<[^\W\d][\w-]*?-([0-9A-Za-z]{4,})>")
_EQUAL = 0.5  # points that two answers may differ and yet be equally good
_LONGER = 1.0  # points that twice the reference's length brings where what is longer is better
_REFUSAL = "I'm sorry, but I can't help with grading this answer."


@dataclass(frozen=True)
class Asked:
    """What the judge is asked: its own name, the schema of the tool, and the user's message."""

    judge: str
    schema: Mapping[str, Any]
    message: str

    def part(self, tag: str) -> str:
        """Return the text between the tags of a name, or nothing."""
        fence = _FENCE.search(self.message)
        if fence is None:
            return ""
        name = re.escape(f"{tag}-{fence[1]}")
        found = re.search(rf"<{name}>(.*?)</{name}>", self.message, re.DOTALL)
        return found[1].strip() if found else ""

    @property
    def names(self) -> tuple[str, str, str]:
        """What its luck follows from."""
        return self.judge, json.dumps(self.schema, sort_keys=True), self.message


def refuses(scenario: Scenario, asked: Asked) -> str | None:
    """Return what it says in place of calling the tool, or None if it calls it."""
    refused = chance.happens(scenario.seed, scenario.judge_refuses_percent, "refuse", *asked.names)
    return _REFUSAL if refused else None


def judged(scenario: Scenario, asked: Asked) -> dict[str, Any]:
    """Return the tool's input."""
    given = _given(scenario, asked)
    if chance.happens(scenario.seed, scenario.judge_malformed_percent, "malform", *asked.names):
        return _malformed(given, chance.share(scenario.seed, "how", *asked.names))
    return given


def _given(scenario: Scenario, asked: Asked) -> dict[str, Any]:
    if is_review(asked.schema):
        return review(*map(asked.part, ("system_prompt", "prompt", "answer")))
    if "better" in asked.schema.get("properties", {}):
        return _preferred(scenario, asked)
    score, reason = _opinion(scenario, asked, "answer")
    return {"score": max(LOWEST, min(HIGHEST, round(score))), "reason": reason}


def _preferred(scenario: Scenario, asked: Asked) -> dict[str, Any]:
    if scenario.judge_prefers == "first":
        return {"better": "first", "reason": "The first answer convinces at once."}
    lengths = [len(asked.part(tag)) for tag in ("first_answer", "second_answer")]
    if scenario.judge_prefers == "longer" and lengths[0] != lengths[1]:
        better = "first" if lengths[0] > lengths[1] else "second"
        return {"better": better, "reason": "It is the more thorough answer."}
    first, second = (_opinion(scenario, asked, tag) for tag in ("first_answer", "second_answer"))
    if abs(first[0] - second[0]) < _EQUAL:
        return {"better": "equal", "reason": "Both say as much of the reference answer."}
    better, (_, lacking) = ("first", second) if first[0] > second[0] else ("second", first)
    return {"better": better, "reason": f"The other: {lacking}"}


def _opinion(scenario: Scenario, asked: Asked, tag: str) -> tuple[float, str]:
    """Return the score of one answer before it is rounded, and the reason."""
    reference, answer = asked.part("reference_answer"), asked.part(tag)
    score, reason = judge_correctness(asked.part("question"), reference, answer)
    noise = scenario.judge_noise * chance.normal(scenario.seed, "score", tag, *asked.names)
    longer = len(answer) / (len(reference) or 1) - 1 if scenario.judge_prefers == "longer" else 0.0
    return score + noise + _LONGER * longer, reason


def _malformed(given: Mapping[str, Any], how: float) -> dict[str, Any]:
    """Return input that breaks the schema: without what was asked for, in words, or off scale."""
    broken: list[dict[str, Any]] = [
        {},
        dict.fromkeys(given, "rather good"),
        dict.fromkeys(given, -1),
    ]
    return {**broken[int(how * len(broken))], "reason": given["reason"]}


@dataclass(frozen=True)
class _Compared:
    """The words of content of a reference and of an answer, beside those of the question."""

    question: str
    reference: str
    answer: str

    @cached_property
    def asked(self) -> set[str]:
        return set(content_stems(self.question))

    @cached_property
    def wanted(self) -> set[str]:
        return set(content_stems(self.reference)) or _words(self.reference)

    @cached_property
    def said(self) -> set[str]:
        """Its words of content; all its words where the reference is but a "No" or a "B"."""
        stems = set(content_stems(self.answer)) if content_stems(self.reference) else set[str]()
        return stems or _words(self.answer)

    @cached_property
    def new(self) -> set[str]:
        """What the reference says beyond the question; all of it where that is nothing."""
        return self.wanted - self.asked or self.wanted

    @property
    def missing(self) -> set[str]:
        return self.new - self.said

    @property
    def agreement(self) -> float:
        discounted = self.asked if self.wanted - self.asked else set[str]()
        both = _weight(self.wanted & self.said, discounted)
        recall = both / (_weight(self.wanted, discounted) or 1.0)
        precision = both / (_weight(self.said, discounted) or 1.0)
        return _RECALL_WEIGHT * recall + (1 - _RECALL_WEIGHT) * precision


def judge_correctness(question: str, reference: str, answer: str) -> tuple[int, str]:
    """Score the answer from 1 to 10 by its content against the reference; say why in a sentence."""
    if not re.search(r"\w", answer):
        return LOWEST, "The answer is empty."
    texts = _Compared(*map(_figures_as_digits, (question, reference, answer)))
    leniency = 1 + _LENIENCY * min(1.0, len(texts.new) / _LONG)
    score = round(LOWEST + (HIGHEST - LOWEST) * min(1.0, texts.agreement * leniency))
    most, flaw = min(_flaws(texts), default=(HIGHEST, ""))
    if flaw:
        return min(score, most), flaw
    missing = sorted(texts.missing, key=lambda stem: (-len(stem), stem))[:3]
    if not missing:
        return score, "The answer covers what the reference answer says."
    return score, f"Of the reference answer it lacks, among others: {', '.join(missing)}."


def _words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text.casefold()))


def _weight(stems: Iterable[str], asked: set[str]) -> float:
    return sum(0.25 if stem in asked else 1.0 for stem in stems)


def _figures_as_digits(text: str) -> str:
    plain = unicodedata.normalize("NFKC", text)
    return _NUMERAL.sub(lambda found: _NUMERALS[found[0].lower()], plain)


def _flaws(texts: _Compared) -> Iterable[tuple[int, str]]:
    """Yield what keeps a score low however many words agree: the most it may be, and why."""
    if not texts.new & texts.said:
        yield 2, "The answer says nothing of the reference answer but words of the question."
    asked, wanted, said = (
        set(_NUMBER.findall(text)) for text in (texts.question, texts.reference, texts.answer)
    )
    wrong, lacking = sorted(said - wanted - asked), sorted(wanted - asked - said)
    if wrong and lacking:
        most = 6 if wanted & said - asked else 3
        yield most, f"It says {wrong[0]} where the reference answer says {lacking[0]}."
    alien = texts.said - texts.wanted - texts.asked
    swapped = min(len(texts.missing), len(alien))
    if swapped and len(texts.new) <= _SHORT:
        most = 6 if swapped <= len(texts.new) / 4 else 4 if swapped <= len(texts.new) / 2 else 2
        yield most, f"It says {min(alien)} where the reference answer says {min(texts.missing)}."
    common = len(texts.wanted & texts.said) / (len(texts.wanted | texts.said) or 1)
    if common >= _SAME and _negates(texts.reference) != _negates(texts.answer):
        yield 3, "One of them denies what the other says."


def _negates(text: str) -> bool:
    return bool(_NEGATION.search(text.lower()))
