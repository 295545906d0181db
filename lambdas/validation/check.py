"""Checks a whole dataset: all lines of all files, counts, sizes, duplicates and leaks."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import groupby

from lambdas.domain.models.model import Judge, Model
from lambdas.validation.formats.answer_schema import (
    ANSWER_SCHEMA,
    MAX_SCHEMA_BYTES,
    AnswerSchema,
    NotASchema,
)
from lambdas.validation.formats.conversation import ASKED, FILE_KINDS, FileKind
from lambdas.validation.formats.tokens import least_tokens
from lambdas.validation.jsonl import ranges
from lambdas.validation.jsonl.findings import Findings
from lambdas.validation.jsonl.ranges import DatasetSource, read_lines
from lambdas.validation.report import ValidationReport
from lambdas.validation.scan import FileScan, most_compared
from lambdas.validation.warnings.dataset_warnings import dataset_warnings
from lambdas.validation.warnings.exact_duplicates import ExactDuplicates

MAX_EVALUATION_BYTES = 64 * 1024**2
_UTF_16_OR_32 = (b"\xff\xfe", b"\xfe\xff", b"{\0", b"\0{", b"\0\0\0{", b"\0\0\xfe\xff")
_LONGEST_MARK = max(map(len, _UTF_16_OR_32))
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
    """
    findings = Findings(warnings=options.warnings or bool(options.fail_on))
    checking = _Check(model, options, progress or (lambda _: None), findings)
    checking.schema(answer_schema)
    for kind, source in zip(FILE_KINDS, (training, validation, evaluation, general), strict=True):
        if source is not None:
            checking.file(kind, source)
    return checking.finish()


@dataclass
class _Check:
    """What is known of the files read so far."""

    model: Model
    options: Options
    progress: Callable[[ReadProgress], None]
    findings: Findings
    files: dict[FileKind, FileScan] = field(default_factory=dict)
    duplicates: ExactDuplicates = field(default_factory=ExactDuplicates)
    answer_schema: AnswerSchema | None = None

    @property
    def by_name(self) -> dict[str, FileScan]:
        return {file.name: file for file in self.files.values()}

    def file(self, kind: FileKind, source: DatasetSource) -> None:
        """Check one file by itself and against those before it."""
        name = f"{source.name} ({kind})" if source.name in self.by_name else source.name
        file = self.files[kind] = self._scan(kind, name, source.size_bytes)
        self.findings.file = name
        self._check_key(source.name)
        if self._is_readable(file, source):
            self._read(file, source)

    def schema(self, source: DatasetSource | None) -> None:
        """Read the schema that reference answers, and later answers, are held against."""
        self.findings.file = source.name if source else ANSWER_SCHEMA
        if source is None:
            if self.options.needs_schema:
                message = "the metric json-schema needs a schema, and there is none"
                fix = "add one to the dataset's folder, or choose another metric"
                self.findings.tell("answer-schema", "", message, fix)
            return
        self._check_key(source.name)
        content = source.read(0, min(source.size_bytes, MAX_SCHEMA_BYTES + 1))
        try:
            self.answer_schema = AnswerSchema.parse(content)
        except NotASchema as error:
            self.findings.tell("answer-schema", error.path, str(error), line=error.line)

    def finish(self) -> ValidationReport:
        """Apply the rules that span files."""
        self._check_total()
        by_name = self.by_name
        if self.findings.warnings:
            training = self.files["training"]
            for finding in training.systems.warnings(training.name, self.options.system_prompt):
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

    def _check_key(self, uri: str) -> None:
        parts = _URI.fullmatch(uri)
        if parts and not _KEY.fullmatch(parts["key"]):
            self.findings.tell("bad-key")

    def _is_readable(self, file: FileScan, source: DatasetSource) -> bool:
        limits, size = self.model.limits, file.size_bytes
        most = {
            "training": limits.max_training_bytes,
            "validation": limits.max_validation_bytes,
        }.get(file.kind, MAX_EVALUATION_BYTES)
        if most is not None and size > most:
            self.findings.tell("file-too-large", "", f"{size} bytes; at most {most} are allowed")
        elif source.read(0, min(_LONGEST_MARK, size)).startswith(_UTF_16_OR_32):
            self.findings.tell("utf-16", line=1)
        else:
            return True
        return False

    def _read(self, file: FileScan, source: DatasetSource) -> None:
        file.is_read = True
        batches = groupby(read_lines(source), key=lambda line: line.stop // ranges.RANGE_BYTES)
        for _, lines in batches:  # of lines that are sketched together
            for line in lines:
                file.check(line)
            self._compare(file)
            done = min(file.position, file.size_bytes)
            self.progress(ReadProgress(file.name, done, file.size_bytes, file.records))
        self.findings.line = None
        self._check_file_count(file)
        if self.findings.warnings:
            self._warn_of_file(file)

    def _scan(self, kind: FileKind, name: str, size_bytes: int) -> FileScan:
        answer, judge = self.options.max_answer_tokens, self.options.judge
        system = least_tokens([self._system_prompt() or ""])
        return FileScan(
            kind,
            name,
            size_bytes,
            self.model,
            self.findings,
            question_tokens=self.model.context_tokens - system - answer,
            judged_tokens=judge.context_tokens - answer if judge and judge.context_tokens else None,
            max_answer_tokens=answer,
            answer_schema=self.answer_schema if kind == "evaluation" else None,
            questions=self.files.get("evaluation"),
        )

    def _system_prompt(self) -> str | None:
        """Return what the questions are asked with; the training file is read before them."""
        given, training = self.options.system_prompt, self.files.get("training")
        common = training.systems.most_common() if training else None
        return given if given is not None else common and common[0]

    def _compare(self, file: FileScan) -> None:
        asked = {self.files[kind].name for kind in ASKED if kind in self.files}
        apart = asked if file.kind in ASKED else ()
        for line, record, sketch in file.compared():
            place, prompt = (file.name, line), sketch.same_prompt
            for code, message in self.duplicates.find(place, record, prompt, apart):
                self.findings.tell(code, "", message, line=line)
                file.set_aside(line, code)

    def _warn_of_file(self, file: FileScan) -> None:
        if file.crlf_lines:
            message = f"{file.crlf_lines} of {file.lines} lines end in a carriage return"
            self.findings.tell("crlf", "", message, line=file.first_crlf_line)
        if len(file.sketches) == (most := most_compared(file.kind)) < file.records:
            message = f"only the first {most} records were compared with each other"
            self.findings.tell("not-compared", "", message, "remove records")

    def _check_file_count(self, file: FileScan) -> None:
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
            self.findings.tell("too-many-records", "", message, fix)
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
        self, file: FileScan, records: int, least: int | None, most: int | None, where: str = ""
    ) -> None:
        if least is not None and records < least:
            message = f"{records} records{where}; at least {least} are needed"
            fix = _ADD_RECORDS[file.kind]
            self.findings.tell("too-few-records", "", message, fix, file=file.name)
        if most is not None and records > most:
            message = f"{records} records{where}; at most {most} are allowed"
            fix = "remove records, or request a higher quota" if where else ""
            self.findings.tell("too-many-records", "", message, fix, file=file.name)
