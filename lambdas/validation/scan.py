"""Scans one byte range of one file: its findings, and what checks of the whole file need."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields
from hashlib import sha256
from mmap import mmap
from typing import NamedTuple

from lambdas.domain.models.model import Model
from lambdas.validation.formats.answer_schema import AnswerSchema
from lambdas.validation.formats.conversation import Conversation
from lambdas.validation.formats.fields import ASKED, FileKind, field_of
from lambdas.validation.formats.records import read_record
from lambdas.validation.formats.tokens import estimate, estimated_tokens, family_of, least_tokens
from lambdas.validation.jsonl import lines
from lambdas.validation.jsonl.findings import Findings
from lambdas.validation.jsonl.ranges import ByteRange, DatasetSource, Line, read_lines
from lambdas.validation.warnings.dataset_warnings import Sketch, prompt_digest, sketches_of
from lambdas.validation.warnings.language import is_japanese
from lambdas.validation.warnings.record_warnings import record_warnings

# Records of one file that are compared: more than any model takes, or is hosted to be asked.
_MAX_COMPARED, _MAX_ASKED_COMPARED = 25_000, 41_000
# Estimating tokens takes far longer than all error rules: in larger files, records are sampled at
# evenly spaced points.
_FULLY_ESTIMATED_BYTES = 1024**2
_POINTS, _POINTS_WITH_WARNINGS = 16, 512
_SAMPLED_CHARACTERS = 512  # of each text at a point
_BLANK_LINE = "\n\n"
_PARAGRAPHS = 4  # at a prompt's end that a question may have
_TIGHT = 0.8  # of `max_answer_tokens`: an answer as long as expected may be cut off from here on


@dataclass(frozen=True)
class ScanOptions:
    """How one file is scanned."""

    kind: FileKind
    model: Model
    size_bytes: int
    warnings: bool
    # The tokens that a question may have so that the model can be asked, and with its reference
    # answer so that the judge can compare; None: any number.
    question_tokens: int
    judged_tokens: int | None
    max_answer_tokens: int  # of their answers; 0: unknown
    answer_schema: AnswerSchema | None  # that their reference answers have to satisfy
    compares: mmap  # a byte that all processes share: 0 once there are enough records to compare


class ComparedRecord(NamedTuple):
    """What is kept of a record to compare it with others."""

    line: int  # from 1, within the range
    digest: bytes
    turns: tuple[bytes, ...]  # `prompt_digest` of each question that stands within its prompt
    sketch: Sketch


@dataclass
class Sums:
    """What is added up over the ranges of a file."""

    lines: int = 0
    records: int = 0
    characters: int = 0  # of all texts
    sampled_characters: int = 0
    sampled_least_tokens: int = 0
    sampled_tokens: int = 0
    sampled_expected_tokens: int = 0
    crlf_lines: int = 0
    japanese: int = 0  # examples whose texts are mostly so


@dataclass
class RangeResult(Sums):
    """The result of one range, or of those so far; lines count from 1 within it."""

    first_crlf_line: int = 0
    findings: Findings = field(default_factory=Findings)
    systems: Counter[str | None] = field(default_factory=Counter)
    ids: list[tuple[int, str]] = field(default_factory=list)
    compared: list[ComparedRecord] = field(default_factory=list)

    def add(self, later: RangeResult) -> None:
        """Add the figures of the next range."""
        if later.first_crlf_line and not self.first_crlf_line:
            self.first_crlf_line = self.lines + later.first_crlf_line
        for each in fields(Sums):
            setattr(self, each.name, getattr(self, each.name) + getattr(later, each.name))


def most_compared(kind: FileKind) -> int:
    """Return how many records of a file of this kind are compared."""
    return _MAX_ASKED_COMPARED if kind in ASKED else _MAX_COMPARED


def scan(
    options: ScanOptions, source: DatasetSource, part: ByteRange, content: bytes
) -> RangeResult:
    """Check every line that begins in the range; `content` is what `read_range` read of it."""
    scanner = _Scanner(options)
    for line in read_lines(source, part, content):
        scanner.check(line)
    result = scanner.result
    result.records = result.lines - result.findings.counts["", "blank-line", "error"]
    result.compared = scanner.compared()
    return result


class _Scanner:
    def __init__(self, options: ScanOptions) -> None:
        model, kind = options.model, options.kind
        self._findings = Findings(warnings=options.warnings)
        self.result = RangeResult(findings=self._findings)
        self._options = options
        self._kept: list[tuple[int, Conversation]] = []  # to compare, by line
        self._token_limit = model.limits.max_tokens_per_record
        self._family = family_of(model)
        self._field_of = field_of(kind, model.record_format)
        points = _POINTS_WITH_WARNINGS if options.warnings else _POINTS
        is_small = options.size_bytes <= _FULLY_ESTIMATED_BYTES
        self._step = 1 if is_small else options.size_bytes // points

    def check(self, line: Line) -> None:
        """Check the next line."""
        self.result.lines += 1
        self._findings.line = self.result.lines
        content = self._without_return(line.content)
        conversation = self._read(content, is_first=line.start == 0)
        if conversation is None:
            return
        self.result.characters += sum(map(len, conversation.texts))
        if self._options.kind == "training":
            self.result.systems[conversation.system] += 1
        end = line.start + len(line.content) + 1
        if end // self._step > line.start // self._step:
            self._estimate(conversation.texts)
        # A token has at least one byte, so a shorter line cannot exceed the limit.
        if len(content) > self._token_limit and self._options.kind not in ASKED:
            self._check_length(conversation.texts)
        if self._options.kind in ASKED:
            self._check_example(conversation, len(content))
        if self._options.warnings:
            self._compare(conversation)

    def _without_return(self, line: bytes) -> bytes:
        if not line.endswith(b"\r"):
            return line
        content = line.removesuffix(b"\r")
        if len(content) <= lines.MAX_LINE_BYTES and content.strip():
            self.result.crlf_lines += 1
            self.result.first_crlf_line = self.result.first_crlf_line or self.result.lines
        return content

    def _read(self, line: bytes, *, is_first: bool) -> Conversation | None:
        record = lines.parse_line(line, self._findings, is_first=is_first)
        if record is None:
            return None
        kind, model = self._options.kind, self._options.model
        conversation = read_record(record, kind, model, self._findings)
        if conversation and kind in ASKED:
            self.result.ids.append((self.result.lines, record["id"]))
        return conversation

    def _estimate(self, texts: Sequence[str]) -> None:
        if self._step > 1:
            texts = [text[:_SAMPLED_CHARACTERS] for text in texts]
        self.result.sampled_characters += sum(map(len, texts))
        tokens = estimate(texts, self._family)
        self.result.sampled_least_tokens += tokens.least
        # Questions are for every model that a run asks, and for its judge.
        is_asked = self._options.kind in ASKED
        self.result.sampled_tokens += estimated_tokens(texts) if is_asked else tokens.most
        self.result.sampled_expected_tokens += tokens.expected

    def _check_length(self, texts: Sequence[str]) -> None:
        tokens, limit = estimate(texts, self._family), self._token_limit
        if tokens.least > limit:
            message = f"about {tokens.expected} tokens, {tokens.least} at least"
            self._findings.tell("too-many-tokens", "", f"{message}; {limit} are allowed")
        elif tokens.most > limit:
            message = f"between {tokens.least} and {tokens.most} tokens"
            self._findings.tell("maybe-too-many-tokens", "", f"{message}; {limit} are allowed")

    def _check_example(self, conversation: Conversation, size: int) -> None:
        self._check_room(conversation.texts[:2], self._options.question_tokens, "model", size)
        self._check_room(conversation.texts, self._options.judged_tokens, "judge", size)
        if (limit := self._options.max_answer_tokens) and size > limit * _TIGHT:
            self._check_answer(conversation.answer, limit)
        if (schema := self._options.answer_schema) and (why := schema.problem(conversation.answer)):
            self._findings.tell("not-of-schema", "reference_answer", why)
        self.result.japanese += is_japanese(" ".join(conversation.texts))

    def _check_answer(self, answer: str, limit: int) -> None:
        tokens = estimate([answer], self._family)
        if tokens.least > limit or tokens.expected >= limit * _TIGHT:
            message = f"about {tokens.expected} tokens, near or above max_answer_tokens = {limit}"
            message += "; answers as long are cut off"
            self._findings.tell("tight-answers", "reference_answer", message)

    def _check_room(self, texts: Sequence[str], limit: int | None, who: str, size: int) -> None:
        # As above: a shorter line fits.
        if limit is None or size <= limit or (tokens := least_tokens(texts)) <= limit:
            return
        message = (
            f"{tokens} tokens at least; {max(limit, 0)} fit into the {who}'s context beside "
            "its prompt and answers of max_answer_tokens"
        )
        self._findings.tell("does-not-fit", "question", message)

    def _compare(self, conversation: Conversation) -> None:
        for finding in record_warnings(conversation, self._field_of):
            self._findings.add(finding._replace(line=self.result.lines))
        if self._options.compares[0] and len(self._kept) < most_compared(self._options.kind):
            self._kept.append((self.result.lines, conversation))

    def compared(self) -> list[ComparedRecord]:
        """Return what is kept of the records, sketched together: that is far faster."""
        sketches = sketches_of([conversation for _, conversation in self._kept])
        return [
            ComparedRecord(line, _digest(each), _questions(each), sketch)
            for (line, each), sketch in zip(self._kept, sketches, strict=True)
        ]


def _digest(conversation: Conversation) -> bytes:
    said = [(turn.role, turn.text) for turn in conversation.turns]
    whole = repr((conversation.system, said))
    return sha256(whole.encode(errors="surrogatepass")).digest()[:16]


def _questions(conversation: Conversation) -> tuple[bytes, ...]:
    """Return the digests of what is asked within prompts: by a turn of several, or at an end."""
    asked = [turn.text for turn in conversation.turns if turn.role == "user"]
    turns = asked if len(asked) > 1 else []
    return tuple(map(prompt_digest, [*turns, *(end for text in asked for end in _ends(text))]))


def _ends(prompt: str) -> Iterator[str]:
    """Yield what stands behind the last blank lines: before them, a pair has its system prompt."""
    parts = prompt.rsplit(_BLANK_LINE, _PARAGRAPHS)
    for at in range(1, len(parts)):
        yield _BLANK_LINE.join(parts[at:])
