"""Warnings that only comparing the records of a dataset shows.

Records are compared by sketches: small summaries, which are kept of all files.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

from lambdas.validation.formats.conversation import Conversation
from lambdas.validation.jsonl.findings import Finding
from lambdas.validation.warnings.endings import AnswerEnding, ending_of
from lambdas.validation.warnings.language import language_of
from lambdas.validation.warnings.near_duplicates import MOST_COMPARED, NearPairs
from lambdas.validation.warnings.sketches import (
    normalised,
    sampled,
    similarity,
    sketch_words,
    without_short_texts,
)
from lambdas.validation.warnings.topics import MOST_QUESTIONS, SAME_TOPIC, Topics, pack_words

_LEAKS = ("near-leak", "answer-leak")
_NEAR_ANSWERS = 0.6  # similarity of the answers of near-duplicates
_LEAST_ANSWERS = 20  # with fewer, nothing is typical
_TYPICAL = 0.9  # share of training answers from which a style is typical
_RARE_LANGUAGE = 0.05
_TIMES_MEDIAN = 5  # an outlier is at least so many times shorter or longer than the median
_FENCE_QUARTILES = 3  # Tukey's "far out", on a logarithmic scale
_SHOWN_LINES = 8


class Sketch(NamedTuple):
    """What comparing records needs to know of one: at most 550 bytes."""

    same_prompt: int  # hash of the prompt's words
    prompt: bytes
    answer: bytes
    words: bytes
    answer_characters: int
    answer_language: str | None
    ending: AnswerEnding | None


def sketches_of(conversations: Sequence[Conversation]) -> list[Sketch]:
    """Reduce records to what `dataset_warnings` compares."""
    prompts = [each.prompt for each in conversations]
    answers = [each.turns[-1].text if each.turns else "" for each in conversations]
    asked, said = ([*map(normalised, texts)] for texts in (prompts, answers))
    return [
        Sketch(hash(plain), prompt, answer, words, len(text), language_of(text), ending_of(text))
        for plain, text, prompt, answer, words in zip(
            asked,
            answers,
            sketch_words([*map(sampled, prompts, asked)]),
            sketch_words([*map(sampled, answers, said)]),
            map(pack_words, asked, said),
            strict=True,
        )
    ]


Sketches = Mapping[str, Sequence[tuple[int, Sketch]]]  # (line, sketch) by file


def dataset_warnings(
    sketches: Sketches, evaluation: str | None = None, general: str | None = None
) -> Iterator[Finding]:
    """Yield the warnings about records compared with each other.

    Files come in the order training, validation, evaluation, general; `evaluation` names the one
    whose questions are compared with the topics of training, and `general` one whose answers need
    not be like those of training. Neither leaks into the other.
    """
    training = next(iter(sketches), None)
    if training is None:
        return
    yield from _near_duplicates(sketches, {evaluation, general})
    typical = _TypicalAnswers([record for _, record in sketches[training]])
    for file, records in sketches.items():
        for line, record in records if file != general else ():
            yield from typical.outliers(file, line, record)
    if evaluation and (questions := sketches.get(evaluation)):
        yield from _topics(training, sketches[training], evaluation, questions)


def _near_duplicates(sketches: Sketches, asked: set[str | None]) -> Iterator[Finding]:
    """Yield near-duplicates within files and near leaks between them, one per record."""
    places = [(file, *record) for file, records in sketches.items() for record in records]
    found: dict[int, Finding] = {}  # by position of the record
    by_prompt = NearPairs([record.prompt for _, _, record in places])
    by_answer = NearPairs(without_short_texts(record.answer for _, _, record in places))
    for what, pairs in (("prompt", by_prompt), ("answer", by_answer)):
        for later, near in groupby(pairs, key=itemgetter(1)):
            for earlier, _, alike in sorted(near):
                files = {places[earlier][0], places[later][0]}
                if len(files) > 1 and files <= asked:
                    continue
                finding = _near_duplicate(what, places[earlier], places[later], alike)
                if finding and later not in found:
                    found[later] = finding
                    yield finding
    first = places[0][0] if places else ""
    # A near-duplicate can be an undetected leak as well, but not in the first file.
    settled = {at for at, each in found.items() if each.code in _LEAKS or each.file == first}
    unsettled = (by_prompt.incomplete | by_answer.incomplete) - settled
    yield from _not_compared([places[at][:2] for at in sorted(unsettled)])


def _not_compared(records: Iterable[tuple[str, int]]) -> Iterator[Finding]:
    """Yield a finding per file for the records not compared with all that they resemble."""
    for file, places in groupby(records, key=itemgetter(0)):
        lines = [line for _, line in places]
        more = len(lines) - _SHOWN_LINES
        shown = ", ".join(map(str, lines[:_SHOWN_LINES]))
        shown += f" and {more} more" if more > 0 else ""
        message = (
            f"{len(lines)} of the records resemble more others than each is compared with "
            f"({MOST_COMPARED} at most): lines {shown}"
        )
        yield Finding.of("not-compared", "", message, file=file)


def _near_duplicate(
    what: str, earlier: tuple[str, int, Sketch], later: tuple[str, int, Sketch], alike: float
) -> Finding | None:
    (first_file, first_line, first), (file, line, record) = earlier, later
    if first.same_prompt == record.same_prompt:
        return None  # reported as an exact duplicate, repeated prompt or leak
    if first_file != file:
        code = "near-leak" if what == "prompt" else "answer-leak"
        message = f"nearly the {what} of {first_file}:{first_line} ({alike:.0%} similar), so it "
        return Finding.of(code, "", f"{message}measures memorization", line=line, file=file)
    if what == "answer" or similarity(first.answer, record.answer) < _NEAR_ANSWERS:
        return None
    message = f"nearly the record of line {first_line} (prompts {alike:.0%} similar)"
    return Finding.of("near-duplicate", "", message, line=line, file=file)


class _TypicalAnswers:
    """Typical length, language and ending of the training answers."""

    def __init__(self, training: Sequence[Sketch]) -> None:
        self._shortest, self._longest, self._median = _fences(training)
        self._languages = Counter(each.answer_language for each in training)
        known = Counter(each.answer_language for each in training if each.answer_language)
        [(language, count)] = known.most_common(1) or [("", 0)]
        is_typical = known.total() >= _LEAST_ANSWERS and count >= _TYPICAL * known.total()
        self._language = language if is_typical else None
        endings = Counter(each.ending for each in training)
        sentences = endings["closed"] + endings["open"]
        self._closed = sentences >= _LEAST_ANSWERS and endings["closed"] >= _TYPICAL * sentences

    def outliers(self, file: str, line: int, record: Sketch) -> Iterator[Finding]:
        """Yield a warning for each way in which the record's answer is not typical."""
        length = record.answer_characters
        message = f"the answer has {length} characters; the training median is {self._median}"
        if length < self._shortest:
            yield Finding.of("short-answer", "", message, line=line, file=file)
        if length > self._longest:
            yield Finding.of("long-answer", "", message, line=line, file=file)
        if self._closed and record.ending == "open":
            message = "the answer ends without punctuation, unlike almost all training answers"
            yield Finding.of("truncated-answer", "", message, line=line, file=file)
        language = record.answer_language
        is_foreign = self._language and language not in {None, self._language}
        if is_foreign and self._languages[language] <= _RARE_LANGUAGE * self._languages.total():
            message = f"the answer is in {language}, almost all training answers are "
            message += f"in {self._language}"
            yield Finding.of("language-mix", "", message, line=line, file=file)


def _fences(training: Sequence[Sketch]) -> tuple[float, float, int]:
    """Return the lengths below and above which answers are outliers, and the median."""
    lengths = sorted(each.answer_characters for each in training if each.answer_characters)
    if len(lengths) < _LEAST_ANSWERS:
        return 0, math.inf, 0
    first, median, third = (lengths[len(lengths) * quarter // 4] for quarter in (1, 2, 3))
    spread = (third / first) ** _FENCE_QUARTILES
    return (
        min(first / spread, median / _TIMES_MEDIAN),
        max(third * spread, median * _TIMES_MEDIAN),
        median,
    )


def _topics(
    training: str,
    records: Sequence[tuple[int, Sketch]],
    evaluation: str,
    questions: Sequence[tuple[int, Sketch]],
) -> Iterator[Finding]:
    topics = Topics([record.words for _, record in records])
    for line, question in questions[:MOST_QUESTIONS]:
        if found := topics.thin(question.words):
            at, alike = found
            message = f"only {training}:{records[at][0]} is on the topic of this question"
            if alike < SAME_TOPIC:
                message = f"no record of {training} is on the topic of this question"
            yield Finding.of("thin-topic", "", message, line=line, file=evaluation)
