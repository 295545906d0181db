"""One range of one file, line by line: what is wrong, and what is needed of it for the whole."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, NamedTuple

from lambdas.domain.catalogue import Model
from lambdas.domain.validation import lines
from lambdas.domain.validation.advice import Sketch, record_advice, sketch
from lambdas.domain.validation.blocks import Block, LineReader, LongLine, Range
from lambdas.domain.validation.clean import clean_reader
from lambdas.domain.validation.codes import Severity
from lambdas.domain.validation.conversation import Conversation, Example
from lambdas.domain.validation.fields import Kind, field_of
from lambdas.domain.validation.findings import KEPT_PER_CODE, Problem, Problems
from lambdas.domain.validation.odd import parsed, read_odd
from lambdas.domain.validation.records import read_conversation, read_example
from lambdas.domain.validation.sources import Source
from lambdas.domain.validation.systems import SystemPrompts
from lambdas.domain.validation.tokens import estimate, family_of, least_tokens

MAX_COMPARED = 25_000  # records of one file that are compared; more than any model takes
MAX_ID_CHARACTERS = 128
# The tokens of a file of this size are estimated in full, those of a larger one at some points:
# an estimate takes far longer than all error rules.
_WHOLE_BYTES = 1024**2
_POINTS, _POINTS_WITH_WARNINGS = 16, 512
_CUT_CHARACTERS = 512  # of each text at a point
_CARRIAGE_RETURN = 0x0D


@dataclass(frozen=True)
class Task:
    """How one file is scanned."""

    kind: Kind
    model: Model
    size_bytes: int
    warnings: bool
    compare: bool = True  # False: enough records are kept to be compared


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
    counts: Counter[tuple[str, Severity]] = field(default_factory=Counter)
    systems: SystemPrompts = field(default_factory=SystemPrompts)
    ids: list[tuple[int, str]] = field(default_factory=list)
    compared: list[Compared] = field(default_factory=list)

    _kept: Counter[tuple[str, Severity]] = field(default_factory=Counter)

    def add(self, problems: Problems, *, warnings: bool) -> None:
        """Count the last line's problems and keep the first of each code."""
        for key, count in problems.counts.items():
            if warnings or key[1] == "error":
                self.counts[key] += count
        for each in problems.found:
            key = (each.code, each.severity)
            if key in self.counts and self._kept[key] < KEPT_PER_CODE:
                self._kept[key] += 1
                self.problems.append((self.lines, each))

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
        self.result = Scanned()
        self._task = task
        self._at_start = part.start == 0
        self._limit = task.model.limits.max_tokens_per_record
        self._family = family_of(task.model)
        self._field_of = field_of(task.kind, task.model.record_format)
        points = _POINTS_WITH_WARNINGS if task.warnings else _POINTS
        self._step = 1 if task.size_bytes <= _WHOLE_BYTES else task.size_bytes // points
        self._read = clean_reader(task.model, warnings=task.warnings)
        self._line = self._example_line if task.kind == "evaluation" else self._record_line

    def long_line(self) -> None:
        self.result.lines += 1
        self.result.records += 1
        problems = Problems()
        lines.add_too_long(problems)
        self._add(problems)

    def block(self, block: Block) -> None:
        """Check a block's lines without copying the clean ones out of it."""
        buffer, at, last, offset = block
        find, result, check = buffer.find, self.result, self._line
        has_returns = find(b"\r", at, last) >= 0
        with memoryview(buffer) as view:
            while at < last:
                end = find(b"\n", at, last)
                if end < 0:
                    end = last
                result.lines += 1
                stop = self._without_return(buffer, at, end) if has_returns else end
                check(buffer, view, at, stop, offset + at)
                at = end + 1

    def _without_return(self, buffer: bytearray, start: int, end: int) -> int:
        if end == start or buffer[end - 1] != _CARRIAGE_RETURN:
            return end
        is_read = end - 1 - start <= lines.MAX_LINE_BYTES
        if is_read and buffer[start : end - 1].strip():
            self.result.crlf_lines += 1
            self.result.first_crlf_line = self.result.first_crlf_line or self.result.lines
        return end - 1

    def _record_line(
        self, buffer: bytearray, view: memoryview, start: int, stop: int, offset: int
    ) -> None:
        value: object = None
        if stop - start <= lines.MAX_LINE_BYTES:
            value = parsed(view[start:stop])
            plain = self._read(buffer, start, stop, value) if type(value) is dict else None
            if plain is not None:
                self.result.records += 1
                self._count_texts(plain.system, plain.turns, offset, stop - start)
                if self._task.warnings or stop - start > self._limit:
                    self._say_more(plain.conversation, stop - start, Problems())
                return
        problems = Problems()
        record = self._odd_record(bytes(view[start:stop]), value, problems)
        conversation = None
        if record is not None:
            conversation = read_conversation(record, self._task.model, problems)
        if conversation:
            texts = [turn.text for turn in conversation.turns]
            self._count_texts(conversation.system, texts, offset, stop - start)
            self._say_more(conversation, stop - start, problems)
        else:
            self._add(problems)

    def _example_line(
        self, buffer: bytearray, view: memoryview, start: int, stop: int, offset: int
    ) -> None:
        del buffer
        fits = stop - start <= lines.MAX_LINE_BYTES
        value = parsed(view[start:stop]) if fits else None
        problems = Problems()
        record = self._odd_record(bytes(view[start:stop]), value, problems)
        example = None if record is None else read_example(record, problems)
        if not example:
            self._add(problems)
            return
        self._check_id(example, problems)
        texts = [example.question, example.reference_answer]
        self._count_texts(None, texts, offset, stop - start)
        self._compare(example.conversation, problems)
        self._add(problems)

    def _odd_record(self, line: bytes, value: object, problems: Problems) -> dict[str, Any] | None:
        number = self.result.lines if self._at_start else self.result.lines + 1
        record = read_odd(line, value, number, problems)
        self.result.records += ("blank-line", "error") not in problems.counts
        return record

    def _check_id(self, example: Example, problems: Problems) -> None:
        self.result.ids.append((self.result.lines, example.id))
        if len(example.id) > MAX_ID_CHARACTERS:
            problems.error(
                "id",
                "id-too-long",
                f"{len(example.id)} characters",
                f"use at most {MAX_ID_CHARACTERS}",
            )

    def _count_texts(
        self, system: str | None, texts: Sequence[str], offset: int, size_bytes: int
    ) -> None:
        result = self.result
        characters = sum(map(len, texts)) + len(system or "")
        result.characters += characters
        if self._task.kind == "training":
            result.systems.add(system)
        if offset // self._step != (offset + size_bytes) // self._step:
            self._estimate((system or "", *texts))

    def _estimate(self, texts: Sequence[str]) -> None:
        if self._step > 1:
            texts = [text[:_CUT_CHARACTERS] for text in texts]
        self.result.sampled_characters += sum(map(len, texts))
        tokens = estimate(texts, self._family)
        self.result.sampled_tokens += tokens.most
        self.result.sampled_expected_tokens += tokens.expected

    def _say_more(self, conversation: Conversation, size_bytes: int, problems: Problems) -> None:
        # A token is at least one byte: a shorter line cannot be over the limit.
        if size_bytes > self._limit:
            self._check_length(conversation, problems)
        self._compare(conversation, problems)
        self._add(problems)

    def _check_length(self, conversation: Conversation, problems: Problems) -> None:
        least = least_tokens(conversation.texts)
        if least > self._limit:
            problems.error(
                "",
                "too-many-tokens",
                f"about {least} tokens or more, of {self._limit} allowed",
                "shorten or split the record",
            )
        elif self._task.warnings:
            most = estimate(conversation.texts, self._family).most
            if most > self._limit:
                problems.warning(
                    "",
                    "maybe-too-many-tokens",
                    f"between {least} and {most} tokens, of {self._limit} allowed",
                    "shorten or split the record if the job refuses it",
                )

    def _compare(self, conversation: Conversation, problems: Problems) -> None:
        if not self._task.warnings:
            return
        for each in record_advice(conversation, self._field_of):
            problems.add(each)
        if self._task.compare and len(self.result.compared) < MAX_COMPARED:
            whole = repr((conversation.system, conversation.turns))
            digest = sha256(whole.encode(errors="surrogatepass")).digest()[:16]
            self.result.compared.append(Compared(self.result.lines, digest, sketch(conversation)))

    def _add(self, problems: Problems) -> None:
        self.result.add(problems, warnings=self._task.warnings)
