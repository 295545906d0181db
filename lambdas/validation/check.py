"""Checks a whole dataset: all lines of all files, counts, sizes, duplicates and leaks."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from mmap import mmap

from lambdas.domain.models.model import Judge, Model
from lambdas.validation.formats.answer_schema import (
    ANSWER_SCHEMA,
    MAX_SCHEMA_BYTES,
    AnswerSchema,
    NotASchema,
)
from lambdas.validation.formats.conversation import general_id
from lambdas.validation.formats.fields import ASKED, FILE_KINDS, FileKind
from lambdas.validation.formats.tokens import least_tokens
from lambdas.validation.jsonl.findings import Findings
from lambdas.validation.jsonl.ranges import DatasetSource, split_ranges
from lambdas.validation.report import AsideReason, FileSummary, ValidationReport
from lambdas.validation.scan import ComparedRecord, RangeResult, ScanOptions, most_compared
from lambdas.validation.warnings.dataset_warnings import Sketch, dataset_warnings
from lambdas.validation.warnings.exact_duplicates import ExactDuplicates
from lambdas.validation.warnings.system_prompts import SystemPrompts
from lambdas.validation.workers import scan_ranges

MAX_EVALUATION_BYTES = 64 * 1024**2
# What an evaluation question says nothing for, by the code of its warning.
_ASIDE: Mapping[str, AsideReason] = {
    "leak": "in training or validation",
    "near-leak": "nearly in training or validation",
    "duplicate": "asked twice",
    "repeated-prompt": "asked twice",
    "near-duplicate": "nearly asked twice",
}
_UTF_16_OR_32 = (
    *(b"\xff\xfe", b"\xfe\xff", b"{\x00", b"\x00{", b"\x00\x00\x00{", b"\x00\x00\xfe\xff"),
)
# Characters of file names: https://docs.aws.amazon.com/nova/latest/userguide/
# fine-tune-prepare-data-understanding.html, read 2026-11-23.
_KEY = re.compile(r"[A-Za-z0-9_\-/.]+")
_URI = re.compile(r"s3://[^/]+/(?P<key>.*)", re.DOTALL)

_ADD_QUESTIONS = (
    "add questions, or give evaluation more of one file with --split 60/10/30; the least is the "
    "environment's min_evaluation_questions or, without it, what can decide at all"
)
_ADD_RECORDS: Mapping[FileKind, str] = {
    "training": "add records",
    "validation": "add records, or remove the file",
    "evaluation": _ADD_QUESTIONS,
    "general": "add questions, or remove the file",
}


@dataclass(frozen=True)
class Options:
    """How a dataset is checked."""

    system_prompt: str | None = None  # that evaluation will use
    warnings: bool = True
    fail_on: frozenset[str] = frozenset()  # codes of warnings that make the dataset invalid
    min_evaluation_questions: int = 0  # fewer that can decide make the dataset invalid
    judge: Judge | None = None  # who reads the evaluation's answers; None: unknown
    max_answer_tokens: int = 0  # of each; 0: unknown
    needs_schema: bool = False  # the answers are to be held against one
    workers: int = 1  # processes, for files of at least `workers.LEAST_SHARED_BYTES`


@dataclass(frozen=True)
class ReadProgress:
    """How far one file has been read."""

    file: str
    bytes_done: int
    bytes_total: int
    records: int


def check(  # noqa: PLR0913, PLR0917  # files, and how to check them
    model: Model,
    training: DatasetSource,
    validation: DatasetSource | None = None,
    evaluation: DatasetSource | None = None,
    options: Options = Options(),
    progress: Callable[[ReadProgress], None] | None = None,
    *,
    general: DatasetSource | None = None,
    answer_schema: DatasetSource | None = None,
) -> ValidationReport:
    """Check a dataset against the rules of a model; invalid bytes never raise.

    `general` has questions on anything else, which show what tuning made the model forget.

    Raises
    ------
    Exception
        A source cannot be read: OSError for a file, an error of `lambdas.domain.errors` for S3.
    WorkerDied
        A worker process was killed.
    """
    checking = _Check(model, options, progress or (lambda _: None))
    checking.schema(answer_schema)
    for kind, source in zip(FILE_KINDS, (training, validation, evaluation, general), strict=True):
        if source is not None:
            checking.file(kind, source)
    return checking.finish()


@dataclass
class _File:
    """What is known of one file."""

    kind: FileKind
    name: str  # in findings
    size_bytes: int
    is_read: bool = False
    total: RangeResult = field(default_factory=RangeResult)  # of its ranges so far
    sketches: list[tuple[int, Sketch]] = field(default_factory=list)
    ids: dict[str, int] = field(default_factory=dict)  # of questions: the line of each
    aside: dict[int, AsideReason] = field(default_factory=dict)  # of questions: by their lines

    @property
    def records(self) -> int:
        return self.total.records

    def set_aside(self, line: int | None, code: str) -> None:
        if line is not None and self.kind in ASKED and code in _ASIDE:
            self.aside.setdefault(line, _ASIDE[code])

    def aside_ids(self) -> dict[str, AsideReason]:
        return {each: self.aside[line] for each, line in self.ids.items() if line in self.aside}

    def summary(self) -> FileSummary:
        total = self.total
        share = total.characters / total.sampled_characters if total.sampled_characters else 0.0
        return FileSummary(
            lines=total.lines,
            records=total.records,
            size_bytes=self.size_bytes,
            tokens=round(total.sampled_tokens * share),
            least_tokens=round(total.sampled_least_tokens * share),
            expected_tokens=round(total.sampled_expected_tokens * share),
            japanese=total.japanese,
        )


@dataclass
class _Check:
    """What is known of the files read so far."""

    model: Model
    options: Options
    progress: Callable[[ReadProgress], None]
    findings: Findings = field(default_factory=Findings)
    files: dict[FileKind, _File] = field(default_factory=dict)
    systems: SystemPrompts = field(default_factory=SystemPrompts)
    duplicates: ExactDuplicates = field(default_factory=ExactDuplicates)
    answer_schema: AnswerSchema | None = None

    @property
    def warnings(self) -> bool:
        return self.options.warnings or bool(self.options.fail_on)

    @property
    def by_name(self) -> dict[str, _File]:
        return {file.name: file for file in self.files.values()}

    def file(self, kind: FileKind, source: DatasetSource) -> None:
        """Check one file by itself and against those before it."""
        name = f"{source.name} ({kind})" if source.name in self.by_name else source.name
        file = self.files[kind] = _File(kind, name, source.size_bytes)
        self._check_key(name, source.name)
        if self._is_readable(file) and self._is_utf_8(file, source):
            self._read(file, source)

    def schema(self, source: DatasetSource | None) -> None:
        """Read the schema that reference answers, and later answers, are held against."""
        if source is None:
            if self.options.needs_schema:
                message = "the metric json-schema needs a schema, and there is none"
                fix = "add one to the dataset's folder, or choose another metric"
                self.findings.tell("answer-schema", "", message, fix, file=ANSWER_SCHEMA)
            return
        self._check_key(source.name, source.name)
        content = source.read(0, min(source.size_bytes, MAX_SCHEMA_BYTES + 1))
        try:
            self.answer_schema = AnswerSchema.parse(content)
        except NotASchema as error:
            file, line = source.name, error.line
            self.findings.tell("answer-schema", error.path, str(error), file=file, line=line)

    def finish(self) -> ValidationReport:
        """Apply the rules that span files."""
        self._check_total()
        by_name = self.by_name
        if self.warnings:
            training = self.files["training"].name
            for finding in self.systems.warnings(training, self.options.system_prompt):
                self.findings.add(finding)
            sketches = {name: file.sketches for name, file in by_name.items()}
            asked = (self.files[kind].name if kind in self.files else None for kind in ASKED)
            for finding in dataset_warnings(sketches, *asked):
                self.findings.add(finding)
                by_name[finding.file].set_aside(finding.line, finding.code)
            self._check_clean_questions()
        self.findings.sort(list(by_name))
        return ValidationReport(
            self.model,
            self.findings,
            {name: file.summary() for name, file in by_name.items()},
            self._system_prompt(),
            self.options.fail_on,
            *(self.files[kind].aside_ids() if kind in self.files else {} for kind in ASKED),
        )

    def _check_key(self, name: str, uri: str) -> None:
        parts = _URI.fullmatch(uri)
        if parts and not _KEY.fullmatch(parts["key"]):
            self.findings.tell("bad-key", file=name)

    def _is_readable(self, file: _File) -> bool:
        limits = self.model.limits
        limit = {
            "training": limits.max_training_bytes,
            "validation": limits.max_validation_bytes,
        }.get(file.kind, MAX_EVALUATION_BYTES)
        if limit is None or file.size_bytes <= limit:
            return True
        message = f"{file.size_bytes} bytes; at most {limit} are allowed"
        self.findings.tell("file-too-large", "", message, file=file.name)
        return False

    def _is_utf_8(self, file: _File, source: DatasetSource) -> bool:
        longest = max(map(len, _UTF_16_OR_32))
        if not source.read(0, min(longest, file.size_bytes)).startswith(_UTF_16_OR_32):
            return True
        self.findings.tell("utf-16", file=file.name, line=1)
        return False

    def _read(self, file: _File, source: DatasetSource) -> None:
        file.is_read = True
        options, ranges = self._scan_options(file), split_ranges(file.size_bytes)
        results = scan_ranges(options, source, ranges, self.options.workers)
        for part, result in zip(ranges, results, strict=True):
            self._merge(file, result)
            options.compares[0] = len(file.sketches) < most_compared(file.kind)
            self.progress(ReadProgress(file.name, part.stop, file.size_bytes, file.records))
        self._check_file_count(file)
        if self.warnings:
            self._warn_of_file(file)

    def _scan_options(self, file: _File) -> ScanOptions:
        answer, judge = self.options.max_answer_tokens, self.options.judge
        system = least_tokens([self._system_prompt() or ""])
        compares = mmap(-1, 1)
        compares[0] = True
        return ScanOptions(
            file.kind,
            self.model,
            file.size_bytes,
            self.warnings,
            question_tokens=self.model.context_tokens - system - answer,
            judged_tokens=judge.context_tokens - answer if judge and judge.context_tokens else None,
            max_answer_tokens=answer,
            answer_schema=self.answer_schema if file.kind == "evaluation" else None,
            compares=compares,
        )

    def _system_prompt(self) -> str | None:
        """Return what the questions are asked with; the training file is read before them."""
        given, common = self.options.system_prompt, self.systems.most_common()
        return given if given is not None else common and common[0]

    def _merge(self, file: _File, result: RangeResult) -> None:
        """Add the result of the next range."""
        before = file.total.lines
        self.findings.add_lines(file.name, before, result.findings)
        for line, example_id in result.ids:
            self._check_id(file, before + line, example_id)
        room = most_compared(file.kind) - len(file.sketches)
        apart = {self.files[kind].name for kind in ASKED if kind in self.files}
        for record in result.compared[:room]:
            self._compare(file, before + record.line, record, apart if file.kind in ASKED else ())
        self.systems.add(result.systems)
        file.total.add(result)

    def _compare(
        self, file: _File, line: int, record: ComparedRecord, apart: Collection[str]
    ) -> None:
        file.sketches.append((line, record.sketch))
        self.duplicates.add_turns(file.name, line, record.turns)
        prompt = record.sketch.same_prompt
        for finding in self.duplicates.find(file.name, line, record.digest, prompt, apart):
            self.findings.add(finding)
            file.set_aside(line, finding.code)

    def _warn_of_file(self, file: _File) -> None:
        total = file.total
        if total.crlf_lines:
            message = f"{total.crlf_lines} of {total.lines} lines end in a carriage return"
            self.findings.tell("crlf", "", message, file=file.name, line=total.first_crlf_line)
        if len(file.sketches) == (most := most_compared(file.kind)) < total.records:
            message = f"only the first {most} records were compared with each other"
            self.findings.tell("not-compared", "", message, "remove records", file=file.name)

    def _check_id(self, file: _File, line: int, example_id: str) -> None:
        first = file.ids.setdefault(example_id, line)
        message = f"the id is the same as in line {first}" if first != line else ""
        questions, known_as = self.files.get("evaluation"), general_id(example_id)
        if file.kind == "general" and questions and (other := questions.ids.get(known_as)):
            message = f"with {general_id('')} before it, it is the id of {questions.name}:{other}"
        if message:
            self.findings.tell("duplicate-id", "id", message, file=file.name, line=line)

    def _check_file_count(self, file: _File) -> None:
        limits = self.model.limits
        least, most = {
            "training": (limits.min_training_records, limits.max_training_records),
            "validation": (limits.min_validation_records, limits.max_validation_records),
            "evaluation": (max(1, self.options.min_evaluation_questions), None),
            "general": (1, None),
        }[file.kind]
        if most == 0:
            message = f"{self.model.name} takes no validation file"
            fix = "remove the file, or add its records to the training file"
            self.findings.tell("too-many-records", "", message, fix, file=file.name)
            return
        self._check_count(file, file.records, least, most)

    def _check_clean_questions(self) -> None:
        """Refuse questions of which too few are left once those that decide nothing are set aside.

        Too few from the start are a finding already.
        """
        file, least = self.files.get("evaluation"), self.options.min_evaluation_questions
        if file and (left := file.records - len(file.aside)) < least <= file.records:
            message = (
                f"{len(file.aside)} of {file.records} questions stand in training or validation, "
                f"or are asked twice, and decide nothing; at least {least} others are needed, not "
                f"{left}"
            )
            self.findings.tell("too-few-records", "", message, _ADD_QUESTIONS, file=file.name)

    def _check_total(self) -> None:
        limits = self.model.limits
        files = [file for kind, file in self.files.items() if kind not in ASKED]
        total = sum(file.records for file in files)
        least = limits.min_total_records if all(file.is_read for file in files) else None
        both = " in training and validation together"
        self._check_count(files[0], total, least, limits.max_total_records, both)

    def _check_count(
        self, file: _File, records: int, least: int | None, most: int | None, where: str = ""
    ) -> None:
        if least is not None and records < least:
            message = f"{records} records{where}; at least {least} are needed"
            fix = _ADD_RECORDS[file.kind]
            self.findings.tell("too-few-records", "", message, fix, file=file.name)
        if most is not None and records > most:
            message = f"{records} records{where}; at most {most} are allowed"
            fix = "remove records, or request a higher quota" if where else ""
            self.findings.tell("too-many-records", "", message, fix, file=file.name)
