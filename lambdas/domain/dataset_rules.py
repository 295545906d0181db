"""The rules of a whole dataset: every line of every file, counts, sizes, duplicates and leaks."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from lambdas.domain.catalogue import Model
from lambdas.domain.records import (
    Conversation,
    Example,
    Problem,
    Problems,
    Severity,
    parse_line,
    read_conversation,
    read_example,
)

TRAINING, VALIDATION, EVALUATION = "training.jsonl", "validation.jsonl", "evaluation.jsonl"
KEPT_PER_CODE = 100  # of one code in one file; the rest is counted
MAX_EVALUATION_BYTES = 64 * 1024**2
MAX_ID_CHARACTERS = 128
_SHOWN_FINDINGS = 5
_SHOWN_CHARACTERS = 400
_CHARACTERS_PER_TOKEN = 6  # AWS's own planning figure; its checkers refuse by it
_LETTERS_PER_TOKEN = 3
_TOKENS_PER_MESSAGE = 8
_LETTERS = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ "


@dataclass(frozen=True)
class Finding:
    """One breach of one rule; `line` counts from 1, or is None where the whole file is meant."""

    file: str
    line: int | None
    field: str
    code: str
    severity: Severity
    message: str
    fix: str

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        head = f"{place} {self.field}".rstrip()
        return f"{head}: {self.message} ({self.fix})"


@dataclass
class Findings:
    """All findings counted; of each code in each file, the first `KEPT_PER_CODE` kept."""

    kept: list[Finding] = field(default_factory=list)
    counts: Counter[tuple[str, str, Severity]] = field(default_factory=Counter)

    def add(self, finding: Finding) -> None:
        key = (finding.file, finding.code, finding.severity)
        self.counts[key] += 1
        if self.counts[key] <= KEPT_PER_CODE:
            self.kept.append(finding)

    def add_problems(self, file: str, line: int | None, problems: Iterable[Problem]) -> None:
        for each in problems:
            self.add(
                Finding(file, line, each.field, each.code, each.severity, each.message, each.fix)
            )

    def add_file(
        self, file: str, code: str, message: str, fix: str, severity: Severity = "error"
    ) -> None:
        self.add(Finding(file, None, "", code, severity, message, fix))

    def count(self, severity: Severity) -> int:
        return sum(count for (_, _, each), count in self.counts.items() if each == severity)

    def first_errors(self, most: int) -> list[Finding]:
        """Return errors, the first of each kind before the second of any."""
        ranks: Counter[tuple[str, str]] = Counter()
        ranked = []
        for each in self.kept:
            if each.severity == "error":
                ranked.append((ranks[each.file, each.code], each))
                ranks[each.file, each.code] += 1
        return [each for _, each in sorted(ranked, key=lambda pair: pair[0])][:most]


def estimated_tokens(texts: Iterable[str]) -> int:
    """Estimate a record's tokens from above.

    Three letters or spaces count as one token (English needs about one for four and a half),
    each digit, sign and line end as one, and every other character as one for each byte of its
    UTF-8, more than which no byte-level tokenizer can make of it; eight a message for the
    format's own words. Prose is over-counted by about half; only long runs of random letters
    could need more.
    """
    return sum(_text_tokens(text) + _TOKENS_PER_MESSAGE for text in texts if text)


def _text_tokens(text: str) -> int:
    data = text.encode(errors="surrogatepass")
    others = len(data.translate(None, _LETTERS))
    return others - (others - len(data)) // _LETTERS_PER_TOKEN


def least_tokens(texts: Iterable[str]) -> int:
    """Estimate a record's tokens from below: six characters a token, AWS's planning figure."""
    return sum(len(text) for text in texts) // _CHARACTERS_PER_TOKEN


@dataclass
class FileSummary:
    """What one file holds."""

    lines: int = 0
    records: int = 0  # lines that are not blank, right or wrong
    size_bytes: int = 0
    tokens: int = 0  # estimate from above


@dataclass
class DatasetCheck:
    """Checks one dataset: give it each file's lines, in the order training, validation, evaluation.

    It keeps digests of prompts and records, never the records, so that memory stays small.
    """

    model: Model
    system_prompt: str | None = None  # given by the execution's input
    findings: Findings = field(default_factory=Findings)
    files: dict[str, FileSummary] = field(default_factory=dict)
    _systems: Counter[str | None] = field(default_factory=Counter)
    _records: dict[tuple[str, bytes], int] = field(default_factory=dict)
    _prompts: dict[bytes, list[tuple[str, int]]] = field(default_factory=dict)
    _ids: dict[str, int] = field(default_factory=dict)

    def check_file(self, file: str, size_bytes: int, lines: Iterable[bytes]) -> None:
        """Check one file; beyond the size limit its lines are not read at all."""
        summary = self.files[file] = FileSummary(size_bytes=size_bytes)
        limit = self._size_limit(file)
        if limit is not None and size_bytes > limit:
            self.findings.add_file(
                file,
                "file-too-large",
                f"{size_bytes} bytes are more than the {limit} allowed",
                "leave records out; the lines were not checked",
            )
            return
        for number, line in enumerate(lines, start=1):
            self._check_line(file, number, line, summary)
        self._check_count(file, summary.records)

    def finish(self) -> None:
        """Apply the rules that span files; call once, after the last file."""
        total = sum(self._records_in(file) for file in (TRAINING, VALIDATION))
        limit = self.model.limits.max_total_records
        if limit is not None and total > limit:
            self.findings.add_file(
                TRAINING,
                "too-many-records",
                f"{total} records of training and validation together are more than {limit}",
                "leave records out, or have the account's quota raised",
            )
        self._check_system_prompts()

    def answer_system_prompt(self) -> str | None:
        """Return what the questions are asked with: the input's, else training's most common."""
        if self.system_prompt is not None:
            return self.system_prompt
        return self._systems.most_common(1)[0][0] if self._systems else None

    @property
    def valid(self) -> bool:
        return self.findings.count("error") == 0

    def _check_line(self, file: str, number: int, line: bytes, summary: FileSummary) -> None:
        problems = Problems()
        summary.lines += 1
        summary.records += bool(line.strip())
        record = parse_line(line, number, problems)
        if record is not None and file == EVALUATION:
            example = read_example(record, problems)
            if example:
                self._check_example(number, example, problems)
        elif record is not None:
            conversation = read_conversation(record, self.model, problems)
            if conversation:
                summary.tokens += self._check_length(conversation, problems)
                self._check_conversation(file, number, conversation, problems)
        self.findings.add_problems(file, number, problems.found)

    def _check_conversation(
        self, file: str, number: int, conversation: Conversation, problems: Problems
    ) -> None:
        if file == TRAINING:
            self._systems[conversation.system] += 1
        content = _digest(repr((conversation.system, conversation.turns)))
        first = self._records.setdefault((file, content), number)
        if first != number:
            problems.warning(
                "", "duplicate", f"the same record as line {first}", "keep one, unless on purpose"
            )
        self._check_prompt(file, number, conversation.prompt, problems)

    def _check_example(self, number: int, example: Example, problems: Problems) -> None:
        first = self._ids.setdefault(example.id, number)
        if first != number:
            problems.error(
                "id", "duplicate-id", f"the id of line {first}", "give each example its own"
            )
        if len(example.id) > MAX_ID_CHARACTERS:
            problems.error(
                "id",
                "id-too-long",
                f"{len(example.id)} characters",
                f"use at most {MAX_ID_CHARACTERS}",
            )
        self._check_prompt(EVALUATION, number, example.question, problems)

    def _check_length(self, conversation: Conversation, problems: Problems) -> int:
        """Return the upper estimate of the record's tokens."""
        limit = self.model.limits.max_tokens_per_record
        least, most = least_tokens(conversation.texts), estimated_tokens(conversation.texts)
        if least > limit:
            problems.error(
                "",
                "too-many-tokens",
                f"about {least} tokens or more, of {limit} allowed",
                "shorten or split the record",
            )
        elif most > limit:
            problems.warning(
                "",
                "maybe-too-many-tokens",
                f"between {least} and {most} tokens, of {limit} allowed",
                "shorten or split the record if the job refuses it",
            )
        return most

    def _check_prompt(self, file: str, number: int, prompt: str, problems: Problems) -> None:
        places = self._prompts.setdefault(_digest(_normalised(prompt)), [])
        elsewhere = next(((name, line) for name, line in places if name != file), None)
        here = next((line for name, line in places if name == file), None)
        if elsewhere:
            problems.warning(
                "",
                "leak",
                f"the same prompt as {elsewhere[0]}:{elsewhere[1]}, so it measures memory",
                "word it otherwise, or remove one of the two",
            )
        if here is None:
            places.append((file, number))
        elif not any(each.code == "duplicate" for each in problems.found):
            problems.warning(
                "", "repeated-prompt", f"the same prompt as line {here}", "keep the better answer"
            )

    def _check_count(self, file: str, records: int) -> None:
        least, most = self._count_limits(file)
        if records < least:
            self.findings.add_file(
                file,
                "too-few-records",
                f"{records} records, of at least {least} needed",
                "add records" if file != VALIDATION else "add records, or remove the file",
            )
        if most is not None and records > most:
            self.findings.add_file(
                file,
                "too-many-records",
                f"{records} records, of at most {most} allowed",
                "leave records out",
            )

    def _count_limits(self, file: str) -> tuple[int, int | None]:
        limits = self.model.limits
        if file == TRAINING:
            return limits.min_training_records, limits.max_training_records
        return 1, limits.max_validation_records if file == VALIDATION else None

    def _size_limit(self, file: str) -> int | None:
        limits = self.model.limits
        return {
            TRAINING: limits.max_training_bytes,
            VALIDATION: limits.max_validation_bytes,
            EVALUATION: MAX_EVALUATION_BYTES,
        }[file]

    def _records_in(self, file: str) -> int:
        return self.files[file].records if file in self.files else 0

    def _check_system_prompts(self) -> None:
        if len(self._systems) > 1:
            count = self._systems.most_common(1)[0][1]
            self.findings.add_file(
                TRAINING,
                "several-system-prompts",
                f"{len(self._systems)} different system prompts (none counts as one); the most "
                f"common stands in {count} of {self._systems.total()} records",
                "train with one, and ask with the same",
                "warning",
            )
        given = self.system_prompt
        if given is not None and self._systems and given not in self._systems:
            self.findings.add_file(
                TRAINING,
                "other-system-prompt",
                "no training record has the system prompt of the execution's input",
                "ask with the prompt that the model was trained with",
                "warning",
            )


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode(errors="surrogatepass")).digest()[:16]


def _normalised(prompt: str) -> str:
    """Reduce a prompt to its words, so that case, spaces and signs hide no leak."""
    words = re.findall(r"\w+", prompt.casefold())
    return " ".join(words) if words else prompt.strip()


def report(check: DatasetCheck) -> dict[str, Any]:
    """Return runs/<run>/validation.json: the summary, then the findings."""
    findings = check.findings
    return {
        "valid": check.valid,
        "model": check.model.key,
        "record_format": check.model.record_format,
        "errors": findings.count("error"),
        "warnings": findings.count("warning"),
        "files": {name: vars(summary) for name, summary in check.files.items()},
        "counts": [
            {"file": file, "code": code, "severity": severity, "count": count}
            for (file, code, severity), count in findings.counts.items()
        ],
        "kept_per_code_and_file": KEPT_PER_CODE,
        "findings": [vars(each) for each in findings.kept],
    }


def refusal(check: DatasetCheck, report_uri: str) -> str:
    """Return the message for a refused dataset: counts, the first errors, where all are."""
    errors, warnings = check.findings.count("error"), check.findings.count("warning")
    first = check.findings.first_errors(_SHOWN_FINDINGS)
    counts = f"{_counted(errors, 'error')}, {_counted(warnings, 'warning')}"
    lines = [f"the dataset breaks rules of {check.model.name}: {counts}"]
    lines += [_cut(str(each)) for each in first]
    if errors > len(first):
        lines.append(f"… and {errors - len(first)} more")
    return "\n".join([*lines, f"All findings: {report_uri}"])


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "…"
