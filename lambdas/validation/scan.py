"""Scans one file: the findings of its lines, and what checks of whole files need of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from lambdas.domain.models.model import Model
from lambdas.validation.formats.answer_schema import AnswerSchema
from lambdas.validation.formats.conversation import (
    ASKED,
    Conversation,
    FileKind,
    general_id,
)
from lambdas.validation.formats.records import read_record
from lambdas.validation.formats.tokens import estimate, estimated_tokens, family_of, least_tokens
from lambdas.validation.jsonl import lines
from lambdas.validation.jsonl.findings import Findings
from lambdas.validation.jsonl.ranges import Line
from lambdas.validation.report import AsideReason, FileSummary
from lambdas.validation.warnings.dataset_warnings import Sketch, sketches_of
from lambdas.validation.warnings.language import is_japanese
from lambdas.validation.warnings.record_warnings import record_warnings
from lambdas.validation.warnings.system_prompts import SystemPrompts

# Records of one file that are compared: more than any model takes, or is hosted to be asked.
_MAX_COMPARED, _MAX_ASKED_COMPARED = 25_000, 41_000
# Estimating tokens takes far longer than all error rules: in larger files, records are sampled at
# evenly spaced points.
_FULLY_ESTIMATED_BYTES = 1024**2
_POINTS, _POINTS_WITH_WARNINGS = 16, 512
_SAMPLED_CHARACTERS = 512  # of each text at a point
# What an evaluation question says nothing for, by the code of its warning.
_ASIDE: Mapping[str, AsideReason] = {
    "leak": "in training or validation",
    "near-leak": "nearly in training or validation",
    "duplicate": "asked twice",
    "repeated-prompt": "asked twice",
    "near-duplicate": "nearly asked twice",
}
_TIGHT = 0.8  # of `max_answer_tokens`: an answer as long as expected may be cut off from here on


def most_compared(kind: FileKind) -> int:
    """Return how many records of a file of this kind are compared."""
    return _MAX_ASKED_COMPARED if kind in ASKED else _MAX_COMPARED


@dataclass
class FileScan:
    """What is known of one file, so far as its lines were given to `check`."""

    kind: FileKind
    name: str  # in findings
    size_bytes: int
    model: Model
    findings: Findings  # of all files
    # The tokens that a question may have so that the model can be asked, and with its reference
    # answer so that the judge can compare; None: any number.
    question_tokens: int
    judged_tokens: int | None
    max_answer_tokens: int  # of their answers; 0: unknown
    answer_schema: AnswerSchema | None  # that their reference answers have to satisfy
    questions: FileScan | None  # those of evaluation, of which general ones repeat no id

    is_read: bool = False
    position: int = 0  # of the next line in the file
    lines: int = 0
    characters: int = 0  # of all texts
    crlf_lines: int = 0
    first_crlf_line: int = 0
    japanese: int = 0  # examples whose texts are mostly so
    systems: SystemPrompts = field(default_factory=SystemPrompts)
    ids: dict[str, int] = field(default_factory=dict)  # of questions: the line of each
    aside: dict[int, AsideReason] = field(default_factory=dict)  # of questions: by their lines
    # Of sampled records: their characters, and their tokens at most, at least and as expected.
    samples: list[tuple[int, int, int, int]] = field(default_factory=list)
    sketches: list[tuple[int, Sketch]] = field(default_factory=list)  # by line
    _kept: list[tuple[int, Conversation]] = field(default_factory=list)  # to sketch, by line

    def __post_init__(self) -> None:
        self._token_limit = self.model.limits.max_tokens_per_record
        self._family = family_of(self.model)
        points = _POINTS_WITH_WARNINGS if self.findings.warnings else _POINTS
        is_small = self.size_bytes <= _FULLY_ESTIMATED_BYTES
        self._step = 1 if is_small else self.size_bytes // points

    @property
    def records(self) -> int:
        return self.lines - self.findings.counts[self.name, "blank-line", "error"]

    def set_aside(self, line: int | None, code: str) -> None:
        if line is not None and self.kind in ASKED and code in _ASIDE:
            self.aside.setdefault(line, _ASIDE[code])

    def aside_ids(self) -> dict[str, AsideReason]:
        return {each: self.aside[line] for each, line in self.ids.items() if line in self.aside}

    def summary(self) -> FileSummary:
        characters, *tokens = map(sum, zip((0, 0, 0, 0), *self.samples, strict=True))
        share = self.characters / characters if characters else 0.0
        most, least, expected = (round(each * share) for each in tokens)
        read = self.lines, self.records, self.size_bytes
        return FileSummary(*read, most, least, expected, self.japanese)

    def check(self, line: Line) -> None:
        """Check the next line."""
        start, self.position = self.position, line.stop
        self.lines += 1
        self.findings.line = self.lines
        content = self._without_return(line.content)
        record = lines.parse_line(content, self.findings, is_first=self.lines == 1)
        if record is None:
            return
        conversation = read_record(record, self.kind, self.model, self.findings)
        if conversation is None:
            return
        self.characters += sum(map(len, conversation.texts))
        self.systems.add(conversation.system)
        if line.stop // self._step > start // self._step:
            self._estimate(conversation.texts)
        if self.kind in ASKED:
            self._check_example(conversation, len(content))
        # A token has at least one byte, so a shorter line cannot exceed the limit.
        elif len(content) > self._token_limit:
            self._check_length(conversation.texts)
        if self.findings.warnings:
            self._warn(conversation)
        if self.kind in ASKED:
            self._check_id(record["id"])

    def _without_return(self, line: bytes) -> bytes:
        if not line.endswith(b"\r"):
            return line
        content = line.removesuffix(b"\r")
        if len(content) <= lines.MAX_LINE_BYTES and content.strip():
            self.crlf_lines += 1
            self.first_crlf_line = self.first_crlf_line or self.lines
        return content

    def _estimate(self, texts: Sequence[str]) -> None:
        if self._step > 1:
            texts = [text[:_SAMPLED_CHARACTERS] for text in texts]
        tokens = estimate(texts, self._family)
        # Questions are for every model that a run asks, and for its judge.
        most = estimated_tokens(texts) if self.kind in ASKED else tokens.most
        self.samples.append((sum(map(len, texts)), most, tokens.least, tokens.expected))

    def _check_length(self, texts: Sequence[str]) -> None:
        tokens, limit = estimate(texts, self._family), self._token_limit
        if tokens.least > limit:
            message = f"about {tokens.expected} tokens, {tokens.least} at least"
            self.findings.tell("too-many-tokens", "", f"{message}; {limit} are allowed")
        elif tokens.most > limit:
            message = f"between {tokens.least} and {tokens.most} tokens"
            self.findings.tell("maybe-too-many-tokens", "", f"{message}; {limit} are allowed")

    def _check_example(self, conversation: Conversation, size: int) -> None:
        self._check_room(conversation.texts[:2], self.question_tokens, "model", size)
        self._check_room(conversation.texts, self.judged_tokens, "judge", size)
        if (limit := self.max_answer_tokens) and size > limit * _TIGHT:
            self._check_answer(conversation.answer, limit)
        if (schema := self.answer_schema) and (why := schema.problem(conversation.answer)):
            self.findings.tell("not-of-schema", "reference_answer", why)
        self.japanese += is_japanese(" ".join(conversation.texts))

    def _check_answer(self, answer: str, limit: int) -> None:
        tokens = estimate([answer], self._family)
        if tokens.least > limit or tokens.expected >= limit * _TIGHT:
            message = f"about {tokens.expected} tokens, near or above max_answer_tokens = {limit}"
            message += "; answers as long are cut off"
            self.findings.tell("tight-answers", "reference_answer", message)

    def _check_room(self, texts: Sequence[str], limit: int | None, who: str, size: int) -> None:
        # As above: a shorter line fits.
        if limit is None or size <= limit or (tokens := least_tokens(texts)) <= limit:
            return
        message = (
            f"{tokens} tokens at least; {max(limit, 0)} fit into the {who}'s context beside "
            "its prompt and answers of max_answer_tokens"
        )
        self.findings.tell("does-not-fit", "question", message)

    def _warn(self, conversation: Conversation) -> None:
        for finding in record_warnings(conversation):
            self.findings.add(finding._replace(file=self.name, line=self.lines))
        if len(self.sketches) + len(self._kept) < most_compared(self.kind):
            self._kept.append((self.lines, conversation))

    def _check_id(self, example_id: str) -> None:
        first = self.ids.setdefault(example_id, self.lines)
        message = f"the id is the same as in line {first}" if first != self.lines else ""
        other, known_as = self.questions, general_id(example_id)
        if other and (line := other.ids.get(known_as)):
            message = f"with {general_id('')} before it, it is the id of {other.name}:{line}"
        if message:
            self.findings.tell("duplicate-id", "id", message)

    def compared(self) -> Iterator[tuple[int, Conversation, Sketch]]:
        """Yield what is to be compared of the lines since the last call, sketched together."""
        kept, self._kept = self._kept, []
        sketches = sketches_of([conversation for _, conversation in kept])  # far faster together
        for (line, conversation), sketch in zip(kept, sketches, strict=True):
            self.sketches.append((line, sketch))
            yield line, conversation, sketch
