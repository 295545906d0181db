"""One range of one file, line by line: what is wrong, and what is needed of it for the whole."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, NamedTuple

from lambdas.domain.models.catalogue import Model
from lambdas.validation.formats.clean import Shape, is_clean_of, shape_of
from lambdas.validation.formats.conversation import Conversation, Example
from lambdas.validation.formats.fields import Kind, field_of
from lambdas.validation.formats.records import RecordReader, read_example, turns_of
from lambdas.validation.formats.tokens import estimate, family_of, least_tokens
from lambdas.validation.jsonl import lines
from lambdas.validation.jsonl.blocks import Block, LineReader, LongLine, Range
from lambdas.validation.jsonl.duplicate_keys import is_whole
from lambdas.validation.jsonl.problems import KEPT_PER_CODE, Problem, ProblemKey, Problems
from lambdas.validation.jsonl.slow_path import read_odd
from lambdas.validation.jsonl.sources import Source
from lambdas.validation.jsonl.values import PARSER, Parsed, parse, parser_of
from lambdas.validation.warnings.advice import Sketch, record_advice, sketch
from lambdas.validation.warnings.system_prompts import SystemPrompts

MAX_COMPARED = 25_000  # records of one file that are compared; more than any model takes
MAX_ID_CHARACTERS = 128
# The tokens of a file of this size are estimated in full, those of a larger one at some points:
# an estimate takes far longer than all error rules.
_WHOLE_BYTES = 1024**2
_POINTS, _POINTS_WITH_WARNINGS = 16, 512
_CUT_CHARACTERS = 512  # of each text at a point


@dataclass(frozen=True)
class Task:
    """How one file is scanned."""

    kind: Kind
    model: Model
    size_bytes: int
    warnings: bool
    compare: bool = True  # False: enough records are kept to be compared
    full: frozenset[ProblemKey] = frozenset()  # of what enough problems were kept in ranges before


class Compared(NamedTuple):
    """What is kept of a record to compare it with others."""

    line: int  # from 1, within the range
    digest: bytes
    sketch: Sketch


@dataclass
class Scanned:
    """What one range holds; lines count from 1 within it."""

    lines: int = 0
    records: int = 0
    characters: int = 0  # of all texts
    sampled_characters: int = 0
    sampled_tokens: int = 0
    sampled_expected_tokens: int = 0
    crlf_lines: int = 0
    first_crlf_line: int = 0
    problems: list[tuple[int, Problem]] = field(default_factory=list)
    counts: Counter[ProblemKey] = field(default_factory=Counter)
    systems: SystemPrompts = field(default_factory=SystemPrompts)
    ids: list[tuple[int, str]] = field(default_factory=list)
    compared: list[Compared] = field(default_factory=list)

    full: set[ProblemKey] = field(default_factory=set)  # of which enough problems are kept
    _kept: Counter[ProblemKey] = field(default_factory=Counter)

    def add(self, problems: Problems, *, warnings: bool) -> None:
        """Count the last line's problems and keep the first of each code."""
        for key, count in problems.counts.items():
            if warnings or key[1] == "error":
                self.counts[key] += count
        for each in problems.found:
            key = (each.code, each.severity)
            if key in self.counts and key not in self.full:
                self._keep(key, each)

    def _keep(self, key: ProblemKey, problem: Problem) -> None:
        self.problems.append((self.lines, problem))
        self._kept[key] += 1
        if self._kept[key] == KEPT_PER_CODE:
            self.full.add(key)

    def add_counts(self, later: Scanned) -> None:
        """Add the sums of a later range."""
        self.lines += later.lines
        self.records += later.records
        self.characters += later.characters
        self.sampled_characters += later.sampled_characters
        self.sampled_tokens += later.sampled_tokens
        self.sampled_expected_tokens += later.sampled_expected_tokens
        self.crlf_lines += later.crlf_lines


def scan(task: Task, source: Source, part: Range, head: io.BufferedIOBase) -> Scanned:
    """Check every line that begins in the range; `head` is its stream, opened by `head_of`."""
    scanner = _Scanner(task, part)
    for block in LineReader(source, part, head).blocks():
        if isinstance(block, LongLine):
            scanner.long_line()
        else:
            scanner.block(block)
    return scanner.result


class _Scanner:
    def __init__(self, task: Task, part: Range) -> None:
        self.result = Scanned(full=set(task.full))
        self._task = task
        self._at_start = part.start == 0
        self._parser = PARSER  # for the lines of the block at hand
        self._limit = task.model.limits.max_tokens_per_record
        self._family = family_of(task.model)
        self._field_of = field_of(task.kind, task.model.record_format)
        points = _POINTS_WITH_WARNINGS if task.warnings else _POINTS
        self._step = 1 if task.size_bytes <= _WHOLE_BYTES else task.size_bytes // points
        self._shape_of = shape_of(task.model.record_format)
        self._is_clean = is_clean_of(task.model, warnings=task.warnings)
        self._counts_systems = task.kind == "training"
        self._records = RecordReader(task.model)
        self._problems = Problems(full=self.result.full)  # of the line at hand

    def long_line(self) -> None:
        self.result.lines += 1
        self._add_too_long()

    def block(self, block: Block) -> None:
        """Check a block's lines."""
        buffer, first, last, _ = block
        # Asked of a whole block at once, as asking each line takes as long as checking it.
        self._parser = parser_of(buffer, first, last)
        with memoryview(buffer) as view:
            if self._task.kind == "evaluation":
                self._check_examples(block, view)
            else:
                self._check_records(block, view)

    def _add_too_long(self) -> None:
        self.result.records += 1
        lines.add_too_long(self._problems)
        self._add()

    def _readable(self, line: bytes) -> bytes | None:
        """Return the line without a carriage return at its end; None if it is too long."""
        ends_in_return = line.endswith(b"\r")
        line = line.removesuffix(b"\r")
        if len(line) > lines.MAX_LINE_BYTES:
            self._add_too_long()
            return None
        if ends_in_return and line.strip():
            self.result.crlf_lines += 1
            self.result.first_crlf_line = self.result.first_crlf_line or self.result.lines
        return line

    def _check_records(self, block: Block, view: memoryview) -> None:
        """Check records. Most have no fault, and many are short: each call here would show."""
        buffer, at, last, offset = block
        find, result = buffer.find, self.result
        has_returns = find(b"\r", at, last) >= 0
        shape_of, is_clean = self._shape_of, self._is_clean
        load, sees_all = self._parser
        most_bytes = 0 if self._task.warnings else self._limit  # of lines of which no more is said
        point = self._next_point(offset + at) - offset
        while at < last:
            end = find(b"\n", at, last)
            line = view[at:end].tobytes()
            at = end + 1
            result.lines += 1
            if has_returns or len(line) > lines.MAX_LINE_BYTES:
                readable = self._readable(line)
                if readable is None:
                    point = self._next_point(offset + at) - offset
                    continue
                line = readable
            try:
                value = load(line)
            except ValueError as error:
                value = error.with_traceback(None)  # a traceback would hold the line
            shape = shape_of(value) if type(value) is dict else None
            if shape is not None and (
                not (sees_all or is_whole(line, value, shape[3])) or (has_returns and b"\r" in line)
            ):
                shape = None
            if shape is None or at >= point or len(line) > most_bytes or not is_clean(shape):
                self._look_closer(line, value, shape, is_point=at >= point)
                point = self._next_point(offset + at) - offset
            else:
                result.records += 1
                self._count_texts(shape[0], shape[2])
            del line, value, shape  # long ones are parsed a third faster into memory just used

    def _look_closer(
        self, line: bytes, value: object, shape: Shape | None, *, is_point: bool
    ) -> None:
        """Check a record of which there may be more to say than that it has no fault."""
        if shape is None:
            record = self._odd_record(line, value)
            said = [] if record is None else self._records.read(record, self._problems)
        else:
            self.result.records += 1
            said = self._records.judge(shape, self._problems)
        turns = [text for _, role, text in said if role != "system"]
        if turns:
            system = said[0][2] if len(turns) < len(said) else None
            self._count_texts(system, turns)
            if is_point:
                self._estimate((system or "", *turns))
            # A token is at least one byte: a shorter line cannot be over the limit.
            if len(line) > self._limit:
                self._check_length((system or "", *turns))
            if self._task.warnings:
                self._compare(Conversation(system, turns_of(said)))
        self._add()

    def _next_point(self, offset: int) -> int:
        """Return the next offset at which tokens are estimated."""
        return (offset // self._step + 1) * self._step

    def _check_examples(self, block: Block, view: memoryview) -> None:
        offset = block.offset + block.first
        for line in bytes(view[block.first : block.last - 1]).split(b"\n"):
            self.result.lines += 1
            begin, offset = offset, offset + len(line) + 1
            readable = self._readable(line)
            if readable is not None:
                self._check_example(readable, is_point=offset >= self._next_point(begin))

    def _check_example(self, line: bytes, *, is_point: bool) -> None:
        value, _ = parse(self._parser, line)
        record = self._odd_record(line, value)
        example = None if record is None else read_example(record, self._problems)
        if example:
            self._check_id(example)
            texts = [example.question, example.reference_answer]
            self._count_texts(None, texts)
            if is_point:
                self._estimate(texts)
            if self._task.warnings:
                self._compare(example.conversation)
        self._add()

    def _odd_record(self, line: bytes, value: object) -> dict[str, Any] | None:
        number = self.result.lines if self._at_start else self.result.lines + 1
        parsed = Parsed(value, self._parser.sees_all)
        record = read_odd(line, parsed, number, self._problems)
        self.result.records += ("blank-line", "error") not in self._problems.counts
        return record

    def _check_id(self, example: Example) -> None:
        self.result.ids.append((self.result.lines, example.id))
        if len(example.id) > MAX_ID_CHARACTERS:
            self._problems.error(
                "id",
                "id-too-long",
                f"{len(example.id)} characters",
                f"use at most {MAX_ID_CHARACTERS}",
            )

    def _count_texts(self, system: str | None, texts: Sequence[str]) -> None:
        self.result.characters += sum(map(len, texts)) + (len(system) if system else 0)
        if self._counts_systems:
            self.result.systems.add(system)

    def _estimate(self, texts: Sequence[str]) -> None:
        if self._step > 1:
            texts = [text[:_CUT_CHARACTERS] for text in texts]
        self.result.sampled_characters += sum(map(len, texts))
        tokens = estimate(texts, self._family)
        self.result.sampled_tokens += tokens.most
        self.result.sampled_expected_tokens += tokens.expected

    def _check_length(self, texts: Sequence[str]) -> None:
        least = least_tokens(texts)
        if least > self._limit:
            self._problems.error(
                "",
                "too-many-tokens",
                f"about {least} tokens or more, of {self._limit} allowed",
                "shorten or split the record",
            )
        elif self._task.warnings:
            most = estimate(texts, self._family).most
            if most > self._limit:
                self._problems.warning(
                    "",
                    "maybe-too-many-tokens",
                    f"between {least} and {most} tokens, of {self._limit} allowed",
                    "shorten or split the record if the job refuses it",
                )

    def _compare(self, conversation: Conversation) -> None:
        for each in record_advice(conversation, self._field_of):
            self._problems.add(each)
        if self._task.compare and len(self.result.compared) < MAX_COMPARED:
            whole = repr((conversation.system, conversation.turns))
            digest = sha256(whole.encode(errors="surrogatepass")).digest()[:16]
            self.result.compared.append(Compared(self.result.lines, digest, sketch(conversation)))

    def _add(self) -> None:
        if self._problems.counts:
            self.result.add(self._problems, warnings=self._task.warnings)
        self._problems.clear()
