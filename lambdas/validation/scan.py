"""Scans one byte range of one file: its problems, and what checks of the whole file need."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import NamedTuple

from lambdas.domain.models.model import Model
from lambdas.validation.formats.conversation import Conversation, EvaluationExample
from lambdas.validation.formats.fast_path import Shape, is_clean_of, no_shape, shape_of
from lambdas.validation.formats.fields import FileKind, field_of
from lambdas.validation.formats.records import RecordReader, RoleText, read_example, turns_of
from lambdas.validation.formats.tokens import estimate, family_of, least_tokens
from lambdas.validation.jsonl import lines
from lambdas.validation.jsonl.blocks import Block, ByteRange, LineReader
from lambdas.validation.jsonl.duplicate_keys import has_unique_keys
from lambdas.validation.jsonl.parsers import JITER, fastest_parser
from lambdas.validation.jsonl.problems import KEPT_PER_CODE, Problem, ProblemKey, Problems
from lambdas.validation.jsonl.slow_path import read_object
from lambdas.validation.jsonl.sources import DatasetSource
from lambdas.validation.warnings.dataset_warnings import Sketch, sketch
from lambdas.validation.warnings.record_warnings import record_warnings
from lambdas.validation.warnings.system_prompts import SystemPrompts

MAX_COMPARED = 25_000  # records of one file that are compared; more than any model takes
MAX_ID_CHARACTERS = 128
# Estimating tokens takes far longer than all error rules: in larger files, records are sampled at
# evenly spaced points.
_FULLY_ESTIMATED_BYTES = 1024**2
_POINTS, _POINTS_WITH_WARNINGS = 16, 512
_SAMPLED_CHARACTERS = 512  # of each text at a point


@dataclass(frozen=True)
class ScanOptions:
    """How one file is scanned."""

    kind: FileKind
    model: Model
    size_bytes: int
    warnings: bool
    compare: bool = True  # False: earlier ranges have enough records to compare
    full: frozenset[ProblemKey] = frozenset()  # keys of which earlier ranges have enough problems


class ComparedRecord(NamedTuple):
    """What is kept of a record to compare it with others."""

    line: int  # from 1, within the range
    digest: bytes
    sketch: Sketch


@dataclass
class RangeResult:
    """The result of one range; lines count from 1 within it."""

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
    compared: list[ComparedRecord] = field(default_factory=list)

    full: set[ProblemKey] = field(default_factory=set)  # keys of which enough problems are kept
    _kept: Counter[ProblemKey] = field(default_factory=Counter)

    def add(self, problems: Problems, *, warnings: bool) -> None:
        """Count the problems of the last line and keep the first of each code."""
        for key, count in problems.counts.items():
            if warnings or key[1] == "error":
                self.counts[key] += count
        for problem in problems.found:
            key = (problem.code, problem.severity)
            if key in self.counts and key not in self.full:
                self.problems.append((self.lines, problem))
                self._kept[key] += 1
                if self._kept[key] == KEPT_PER_CODE:
                    self.full.add(key)

    def add_counts(self, later: RangeResult) -> None:
        """Add the sums of a later range."""
        self.lines += later.lines
        self.records += later.records
        self.characters += later.characters
        self.sampled_characters += later.sampled_characters
        self.sampled_tokens += later.sampled_tokens
        self.sampled_expected_tokens += later.sampled_expected_tokens
        self.crlf_lines += later.crlf_lines


def scan(
    options: ScanOptions, source: DatasetSource, part: ByteRange, head: io.BufferedIOBase
) -> RangeResult:
    """Check every line that begins in the range; `head` is its stream from `open_range`."""
    scanner = _Scanner(options, part)
    for block in LineReader(source, part, head).blocks():
        if block is None:
            scanner.long_line()
        else:
            scanner.block(block)
    return scanner.result


class _Scanner:
    def __init__(self, options: ScanOptions, part: ByteRange) -> None:
        model, kind = options.model, options.kind
        self.result = RangeResult(full=set(options.full))
        self._options = options
        self._is_first_range = part.start == 0
        self._parser = JITER  # for the lines of the current block
        self._token_limit = model.limits.max_tokens_per_record
        self._family = family_of(model)
        self._field_of = field_of(kind, model.record_format)
        points = _POINTS_WITH_WARNINGS if options.warnings else _POINTS
        is_small = options.size_bytes <= _FULLY_ESTIMATED_BYTES
        self._step = 1 if is_small else options.size_bytes // points
        self._shape_of = no_shape if kind == "evaluation" else shape_of(model.record_format)
        self._is_clean = is_clean_of(model, warnings=options.warnings)
        self._counts_systems = kind == "training"
        self._records = RecordReader(model)
        self._problems = Problems(full=self.result.full)  # of the current line

    def long_line(self) -> None:
        self.result.lines += 1
        self._add_too_long()

    def block(self, block: Block) -> None:
        """Check the lines of a block."""
        # Choosing the parser for each line would cost as much as checking it.
        self._parser = fastest_parser(block.buffer, block.end)
        with memoryview(block.buffer) as view:
            self._check_records(block, view)

    def _add_too_long(self) -> None:
        self.result.records += 1
        lines.add_too_long(self._problems)
        self._add_problems()

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
        """Check records. Nearly all have no problem and many are short, so every call counts."""
        buffer, stop, offset = block
        find, result = buffer.find, self.result
        has_returns = find(b"\r", 0, stop) >= 0
        shape_of, is_clean = self._shape_of, self._is_clean
        load, finds_duplicate_keys = self._parser
        fast_bytes = 0 if self._options.warnings else self._token_limit  # longest on the fast path
        at = 0
        point = self._next_point(offset) - offset
        while at < stop:
            end = find(b"\n", at, stop)
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
                value = error.with_traceback(None)  # a traceback would keep the line in memory
            shape = shape_of(value) if type(value) is dict else None
            if shape is not None and (
                not (finds_duplicate_keys or has_unique_keys(line, value, shape[3]))
                or (has_returns and b"\r" in line)
            ):
                shape = None
            if shape is None or at >= point or len(line) > fast_bytes or not is_clean(shape):
                self._check_record(line, value, shape, is_point=at >= point)
                point = self._next_point(offset + at) - offset
            else:
                result.records += 1
                self._count_texts(shape[0], shape[2])
            del line, value, shape  # parsing long lines is a third faster in reused memory

    def _check_record(
        self, line: bytes, value: object, shape: Shape | None, *, is_point: bool
    ) -> None:
        """Check a record that the fast path did not pass."""
        if shape is None:
            texts = self._read(line, value)
        else:
            self.result.records += 1
            texts = self._records.read_parts(*shape[:3], self._problems)
        turns = [text for _, role, text in texts if role != "system"]
        if turns:
            system = texts[0][2] if len(turns) < len(texts) else None
            self._count_texts(system, turns)
            if is_point:
                self._estimate((system or "", *turns))
            # A token has at least one byte, so a shorter line cannot exceed the limit.
            if len(line) > self._token_limit and self._options.kind != "evaluation":
                self._check_length((system or "", *turns))
            if self._options.warnings:
                self._compare(Conversation(system, turns_of(texts)))
        self._add_problems()

    def _read(self, line: bytes, value: object) -> Sequence[RoleText]:
        number = self.result.lines if self._is_first_range else self.result.lines + 1
        record = read_object(line, value, self._parser, number, self._problems)
        self.result.records += ("blank-line", "error") not in self._problems.counts
        if record is None:
            return ()
        if self._options.kind != "evaluation":
            return self._records.read(record, self._problems)
        example = read_example(record, self._problems)
        if example is None:
            return ()
        self._check_id(example)
        return (0, "user", example.question), (1, "assistant", example.reference_answer)

    def _next_point(self, offset: int) -> int:
        """Return the next offset at which tokens are estimated."""
        return (offset // self._step + 1) * self._step

    def _check_id(self, example: EvaluationExample) -> None:
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
            texts = [text[:_SAMPLED_CHARACTERS] for text in texts]
        self.result.sampled_characters += sum(map(len, texts))
        tokens = estimate(texts, self._family)
        self.result.sampled_tokens += tokens.most
        self.result.sampled_expected_tokens += tokens.expected

    def _check_length(self, texts: Sequence[str]) -> None:
        least = least_tokens(texts)
        if least > self._token_limit:
            self._problems.error(
                "",
                "too-many-tokens",
                f"about {least} tokens or more; at most {self._token_limit} are allowed",
                "shorten or split the record",
            )
        elif self._options.warnings:
            most = estimate(texts, self._family).most
            if most > self._token_limit:
                self._problems.warning(
                    "",
                    "maybe-too-many-tokens",
                    f"between {least} and {most} tokens; at most {self._token_limit} are allowed",
                    "shorten or split the record if the job refuses it",
                )

    def _compare(self, conversation: Conversation) -> None:
        for problem in record_warnings(conversation, self._field_of):
            self._problems.add(problem)
        if self._options.compare and len(self.result.compared) < MAX_COMPARED:
            whole = repr((conversation.system, conversation.turns))
            digest = sha256(whole.encode(errors="surrogatepass")).digest()[:16]
            self.result.compared.append(
                ComparedRecord(self.result.lines, digest, sketch(conversation))
            )

    def _add_problems(self) -> None:
        if self._problems.counts:
            self.result.add(self._problems, warnings=self._options.warnings)
        self._problems.clear()
