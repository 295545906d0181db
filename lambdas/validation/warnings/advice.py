"""What is allowed but unwise in a dataset: warnings of one record, and of all records together.

What spans records is told from sketches: small, made in worker processes, compared in one.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import groupby
from operator import itemgetter

from lambdas.validation.findings.findings import Finding
from lambdas.validation.formats.conversation import Conversation
from lambdas.validation.formats.fields import FieldOf, content_of
from lambdas.validation.jsonl.problems import Problem
from lambdas.validation.warnings.endings import Ending, ending_of
from lambdas.validation.warnings.language import language_of
from lambdas.validation.warnings.near_duplicates import MOST_COMPARED, NearPairs
from lambdas.validation.warnings.personal_data import find_personal
from lambdas.validation.warnings.secrets import find_secrets
from lambdas.validation.warnings.sketches import normalised, similarity, sketch_text, telling
from lambdas.validation.warnings.topics import ALIKE, Topics, pack_words

_NEAR_ANSWERS = 0.6  # how alike the answers of near-duplicates are
_LEAST_ANSWERS = 20  # fewer say nothing of what is usual
_USUAL = 0.9  # of the training answers that share a style, from which another one stands out
_RARE_LANGUAGE = 0.05
_TIMES_MEDIAN = 5  # that an outlier is shorter or longer, at least
_FENCE_QUARTILES = 3  # Tukey's "far out", on a logarithmic scale
_MOST_QUESTIONS = 500  # evaluation examples whose topics are looked up
_SHOWN_LINES = 8
_DIGEST_BYTES = 8


@dataclass(frozen=True, slots=True)
class Sketch:
    """What the comparison of records needs of one: at most 550 bytes."""

    same_prompt: bytes
    prompt: bytes
    answer: bytes
    words: bytes
    answer_characters: int
    answer_language: str | None
    ending: Ending | None


def record_advice(
    conversation: Conversation, field_of_turn: FieldOf = content_of
) -> Iterator[Problem]:
    """Yield the warnings that one record shows by itself; no message holds a secret whole."""
    for path, text in _paths(conversation, field_of_turn):
        for hit in find_secrets(text):
            yield _problem(
                path,
                hit.code,
                f"the text holds {hit.what}: {hit.shown}",
                "remove it, and revoke it",
            )
        for hit in find_personal(text):
            yield _problem(
                path,
                hit.code,
                f"the text holds {hit.what}: {hit.shown}",
                "replace it by a made-up one",
            )
    last = len(conversation.turns) - 1
    for at, turn in enumerate(conversation.turns):
        if turn.role == "assistant" and ending_of(turn.text) == "cut":
            which = "the answer" if at == last else "an earlier answer"
            yield _problem(
                field_of_turn(at),
                "truncated-answer",
                f"{which} ends in its middle: …{_tail(turn.text)}",
                "complete it: a model learns to stop there",
            )


def sketch(conversation: Conversation) -> Sketch:
    """Reduce a record to what `dataset_advice` compares."""
    prompt = conversation.prompt
    answer = conversation.turns[-1].text if conversation.turns else ""
    return Sketch(
        same_prompt=_digest(normalised(prompt)),
        prompt=sketch_text(prompt),
        answer=sketch_text(answer),
        words=pack_words(prompt, answer),
        answer_characters=len(answer),
        answer_language=language_of(answer),
        ending=ending_of(answer),
    )


def _problem(path: str, code: str, message: str, fix: str) -> Problem:
    return Problem(path, code, message, fix, "warning")


def _paths(conversation: Conversation, field_of_turn: FieldOf) -> Iterator[tuple[str, str]]:
    if conversation.system:
        yield "system", conversation.system
    for at, turn in enumerate(conversation.turns):
        yield field_of_turn(at), turn.text


def _tail(text: str) -> str:
    """Return the end of a text, on one line, for a message."""
    return " ".join(text[-30:].split()).encode(errors="backslashreplace").decode()


def _digest(text: str) -> bytes:
    return sha256(text.encode(errors="surrogatepass")).digest()[:_DIGEST_BYTES]


Sketches = Mapping[str, Sequence[tuple[int, Sketch]]]


def dataset_advice(sketches: Sketches, *, evaluation: str | None = None) -> Iterator[Finding]:
    """Yield the warnings that only the comparison of records shows.

    `sketches` has each file's records as (line, sketch), the files in the order training,
    validation, evaluation; `evaluation` names the file of questions that topics are looked up for.
    """
    training = next(iter(sketches), None)
    if training is None:
        return
    yield from _near(sketches)
    usual = _Usual([each for _, each in sketches[training]])
    for file, records in sketches.items():
        for line, each in records:
            yield from usual.advise(file, line, each)
    yield from _topics(training, sketches[training], evaluation, sketches.get(evaluation or "", ()))


def _near(sketches: Sketches) -> Iterator[Finding]:
    """Yield near-duplicates within files and near leaks between them, one a record."""
    places = [(file, line, each) for file, records in sketches.items() for line, each in records]
    told: dict[int, Finding] = {}
    by_prompt = NearPairs([each.prompt for _, _, each in places])
    by_answer = NearPairs(
        telling(each.answer for _, _, each in places), known=lambda _, later: later in told
    )
    for what, pairs in (("prompt", by_prompt), ("answer", by_answer)):
        for later, found in groupby(pairs, key=itemgetter(1)):
            for earlier, _, alike in sorted(found):
                finding = _near_pair(what, places[earlier], places[later], alike)
                if finding and later not in told:
                    told[later] = finding
                    yield finding
    first = places[0][0] if places else ""
    # Of a near-duplicate, a leak may still be unknown, unless no file stands before its own.
    settled = {at for at, each in told.items() if each.code == "near-leak" or each.file == first}
    unsettled = (by_prompt.cut | by_answer.cut) - settled
    yield from _left_out([places[at][:2] for at in sorted(unsettled)])


def _left_out(records: Iterable[tuple[str, int]]) -> Iterator[Finding]:
    """Say, file by file, which records were not compared with all that they resemble."""
    for file, found in groupby(records, key=itemgetter(0)):
        lines = [line for _, line in found]
        yield _finding(
            file,
            None,
            "not-compared",
            f"{len(lines)} of the records resemble more others than each is compared with, which "
            f"are {MOST_COMPARED} at most: {_shown_lines(lines)}",
            "look at these yourself: they may be near-duplicates, or leaks, that are not told",
        )


def _near_pair(
    what: str, earlier: tuple[str, int, Sketch], later: tuple[str, int, Sketch], alike: float
) -> Finding | None:
    (first_file, first_line, first), (file, line, each) = earlier, later
    if first.same_prompt == each.same_prompt:
        return None  # told as an exact duplicate, repeated prompt or leak
    if first_file != file:
        return _finding(
            file,
            line,
            "near-leak",
            f"nearly the {what} of {first_file}:{first_line} ({alike:.0%} alike), so it measures "
            "memory",
            "word it otherwise, or remove one of the two",
        )
    if what == "answer" or similarity(first.answer, each.answer) < _NEAR_ANSWERS:
        return None
    return _finding(
        file,
        line,
        "near-duplicate",
        f"nearly the record of line {first_line} (prompts {alike:.0%} alike)",
        "keep one, unless on purpose: repeated records weigh more in training",
    )


class _Usual:
    """What is usual for training answers: their length, language and ending."""

    def __init__(self, training: Sequence[Sketch]) -> None:
        self._shortest, self._longest, self._median = _fences(training)
        self._language = _usual_language(training)
        self._languages = Counter(each.answer_language for each in training)
        endings = Counter(each.ending for each in training)
        sentences = endings["closed"] + endings["open"]
        self._closed = sentences >= _LEAST_ANSWERS and endings["closed"] >= _USUAL * sentences

    def advise(self, file: str, line: int, each: Sketch) -> Iterator[Finding]:
        length = each.answer_characters
        if length < self._shortest:
            yield self._length(file, line, "short-answer", length, "check that it is complete")
        if length > self._longest:
            yield self._length(file, line, "long-answer", length, "check that it is one answer")
        if self._closed and each.ending == "open":
            yield _finding(
                file,
                line,
                "truncated-answer",
                "the answer ends without a sign, as almost no other of its kind does",
                "check that it is complete",
            )
        if self._language and self._is_foreign(each):
            yield _finding(
                file,
                line,
                "language-mix",
                f"the answer is in {each.answer_language}, almost all of training in "
                f"{self._language}",
                "translate or remove it, unless the model is to answer in both",
            )

    def _is_foreign(self, each: Sketch) -> bool:
        """Say whether the answer's language is known, and rare in training."""
        language = each.answer_language
        total = self._languages.total()
        return (
            language not in {None, self._language}
            and self._languages[language] <= _RARE_LANGUAGE * total
        )

    def _length(self, file: str, line: int, code: str, length: int, fix: str) -> Finding:
        message = f"the answer has {length} characters; half of all have {self._median} or more"
        return _finding(file, line, code, message, fix)


def _fences(training: Sequence[Sketch]) -> tuple[float, float, int]:
    """Return the lengths beyond which an answer is an outlier, and the median."""
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


def _usual_language(training: Sequence[Sketch]) -> str | None:
    known = Counter(each.answer_language for each in training if each.answer_language)
    if known.total() < _LEAST_ANSWERS:
        return None
    language, count = known.most_common(1)[0]
    return language if count >= _USUAL * known.total() else None


def _topics(
    training: str,
    records: Sequence[tuple[int, Sketch]],
    evaluation: str | None,
    questions: Iterable[tuple[int, Sketch]],
) -> Iterator[Finding]:
    topics = Topics([each.words for _, each in records])
    lines = [line for line, _ in records]
    if topics.tell and topics.alone:
        yield _finding(
            training,
            None,
            "thin-topic",
            f"{len(topics.alone)} of {len(lines)} records are the only one on their topic: "
            f"{_shown_lines([lines[at] for at in topics.alone])}",
            "add records on what the model is to answer; one example of a fact teaches little",
        )
    for line, each in list(questions)[:_MOST_QUESTIONS]:
        if found := topics.thin(each.words):
            yield _thin(evaluation or "", line, training, lines[found[0]], found[1])


def _thin(file: str, line: int, training: str, nearest: int, alike: float) -> Finding:
    if alike < ALIKE:
        message = f"no record of {training} is on the topic of this question"
    else:
        message = f"only {training}:{nearest} is on the topic of this question"
    fix = "add training records on it, or expect a weak answer"
    return _finding(file, line, "thin-topic", message, fix)


def _shown_lines(lines: Sequence[int]) -> str:
    shown = ", ".join(map(str, lines[:_SHOWN_LINES]))
    more = len(lines) - _SHOWN_LINES
    return f"lines {shown}" + (f" and {more} more" if more > 0 else "")


def _finding(file: str, line: int | None, code: str, message: str, fix: str) -> Finding:
    return Finding(file, line, "", code, "warning", message, fix)
