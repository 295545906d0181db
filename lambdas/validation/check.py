"""Checks a whole dataset: all lines of all files, counts, sizes, duplicates and leaks."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from lambdas.domain.models.model import Judge, Model
from lambdas.validation.findings.findings import Findings
from lambdas.validation.findings.report import AsideReason, FileSummary, ValidationReport
from lambdas.validation.formats.answer_schema import (
    ANSWER_SCHEMA,
    MAX_SCHEMA_BYTES,
    AnswerSchema,
    NotASchema,
)
from lambdas.validation.formats.conversation import general_id
from lambdas.validation.formats.fields import ASKED, FileKind
from lambdas.validation.formats.tokens import least_tokens
from lambdas.validation.jsonl.problems import Problem
from lambdas.validation.jsonl.ranges import split_ranges
from lambdas.validation.jsonl.sources import DatasetSource
from lambdas.validation.scan import RangeResult, Room, ScanOptions, most_compared
from lambdas.validation.warnings.dataset_warnings import Sketch, dataset_warnings
from lambdas.validation.warnings.exact_duplicates import ExactDuplicates
from lambdas.validation.warnings.system_prompts import SystemPrompts
from lambdas.validation.workers import FileScan, scan_ranges

MAX_EVALUATION_BYTES = 64 * 1024**2
# What an evaluation question says nothing for, by the code of its warning.
_ASIDE: Mapping[str, AsideReason] = {
    "leak": "in training or validation",
    "near-leak": "nearly in training or validation",
    "duplicate": "asked twice",
    "repeated-prompt": "asked twice",
    "near-duplicate": "nearly asked twice",
}
_TRAINED_ON: tuple[FileKind, ...] = ("training", "validation")
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
    sources: dict[FileKind, DatasetSource | None] = {
        "training": training,
        "validation": validation,
        "evaluation": evaluation,
        "general": general,
    }
    checking.schema(answer_schema)
    for kind, source in sources.items():
        if source is not None:
            checking.file(kind, source)
    return checking.finish()


@dataclass
class _Check:
    """What is known of the files read so far."""

    model: Model
    options: Options
    progress: Callable[[ReadProgress], None]
    findings: Findings = field(default_factory=Findings)
    files: dict[str, FileSummary] = field(default_factory=dict)
    names: dict[FileKind, str] = field(default_factory=dict)
    systems: SystemPrompts = field(default_factory=SystemPrompts)
    duplicates: ExactDuplicates = field(default_factory=ExactDuplicates)
    sketches: dict[str, list[tuple[int, Sketch]]] = field(default_factory=dict)
    # By file of questions: the line of each id, and why a line is set aside.
    ids: dict[str, dict[str, int]] = field(default_factory=lambda: defaultdict(dict))
    aside: dict[str, dict[int, AsideReason]] = field(default_factory=lambda: defaultdict(dict))
    answer_schema: AnswerSchema | None = None

    @property
    def warnings(self) -> bool:
        return self.options.warnings or bool(self.options.fail_on)

    def file(self, kind: FileKind, source: DatasetSource) -> None:
        """Check one file by itself and against those before it."""
        name, size = source.name, source.size_bytes
        if name in self.files:
            name = f"{name} ({kind})"
        self.names[kind] = name
        self.files[name] = FileSummary(size_bytes=size)
        self.sketches[name] = []
        self._check_key(name, source.name)
        if self._is_readable(kind, name, size) and self._is_utf_8(name, source):
            self._read(kind, source)

    def schema(self, source: DatasetSource | None) -> None:
        """Read the schema that reference answers, and later answers, are held against."""
        if source is None:
            if self.options.needs_schema:
                fix = "add one to the dataset's folder, or choose another metric"
                message = "the metric json-schema needs a schema, and there is none"
                self.findings.add_file(ANSWER_SCHEMA, "answer-schema", message, fix)
            return
        self._check_key(source.name, source.name)
        content = source.read(0, min(source.size_bytes, MAX_SCHEMA_BYTES + 1))
        try:
            self.answer_schema = AnswerSchema.parse(content)
        except NotASchema as error:
            fix = "correct the schema; no reference was held against it"
            problem = Problem(error.path, "answer-schema", str(error), fix)
            self.findings.add_problem(source.name, error.line, problem)

    def finish(self) -> ValidationReport:
        """Apply the rules that span files."""
        self._check_total()
        if self.warnings:
            for problem in self.systems.warnings(self.options.system_prompt):
                self.findings.add_problem(self.names["training"], None, problem)
            for finding in dataset_warnings(self.sketches, *map(self.names.get, ASKED)):
                self.findings.add(finding)
                self._set_aside(finding.file, finding.line, finding.code)
            self._check_clean_questions()
        self.findings.sort(list(self.files))
        return ValidationReport(
            self.model,
            self.findings,
            self.files,
            self._system_prompt(),
            self.options.fail_on,
            *(self._aside_ids(kind) for kind in ASKED),
        )

    def _set_aside(self, file: str, line: int | None, code: str) -> None:
        if line is not None and file in self._asked and code in _ASIDE:
            self.aside[file].setdefault(line, _ASIDE[code])

    @property
    def _asked(self) -> set[str]:
        """The files of questions."""
        return {self.names[kind] for kind in ASKED if kind in self.names}

    def _aside_ids(self, kind: FileKind) -> dict[str, AsideReason]:
        """Return the questions of a file that are set aside, by their ids."""
        file = self.names.get(kind, "")
        aside = self.aside[file]
        return {each: aside[line] for each, line in self.ids[file].items() if line in aside}

    def _check_key(self, name: str, uri: str) -> None:
        parts = _URI.fullmatch(uri)
        if parts and not _KEY.fullmatch(parts["key"]):
            message = "the key is empty or has a character that Bedrock refuses"
            fix = "use only letters without accents, digits, and _ - / ."
            self.findings.add_file(name, "bad-key", message, fix)

    def _is_readable(self, kind: FileKind, name: str, size: int) -> bool:
        limits = self.model.limits
        limit = {
            "training": limits.max_training_bytes,
            "validation": limits.max_validation_bytes,
        }.get(kind, MAX_EVALUATION_BYTES)
        if limit is None or size <= limit:
            return True
        message = f"{size} bytes; at most {limit} are allowed"
        fix = "remove records; the lines were not checked"
        self.findings.add_file(name, "file-too-large", message, fix)
        return False

    def _is_utf_8(self, name: str, source: DatasetSource) -> bool:
        longest = max(map(len, _UTF_16_OR_32))
        if not source.read(0, min(longest, source.size_bytes)).startswith(_UTF_16_OR_32):
            return True
        message, fix = "the file is in UTF-16 or UTF-32", "save it as UTF-8; no line was checked"
        self.findings.add_problem(name, 1, Problem("", "utf-16", message, fix))
        return False

    def _read(self, kind: FileKind, source: DatasetSource) -> None:
        name, size = self.names[kind], source.size_bytes
        sketches = self.sketches[name]
        scan = FileScan(
            self._scan_options(kind, size),
            source,
            split_ranges(size),
            compares=lambda: len(sketches) < most_compared(kind),
        )
        total = RangeResult()
        for part, result in zip(scan.ranges, scan_ranges(scan, self.options.workers), strict=True):
            self._merge(kind, name, total, result)
            self.progress(ReadProgress(name, part.stop, size, total.records))
        self.files[name] = _summary(total, size)
        self._check_file_count(kind)
        if self.warnings:
            self._warn_of_file(kind, name, total)

    def _scan_options(self, kind: FileKind, size: int) -> ScanOptions:
        options = ScanOptions(kind, self.model, size, self.warnings)
        if kind not in ASKED:
            return options
        return replace(
            options,
            room=self._room(),
            max_answer_tokens=self.options.max_answer_tokens,
            answer_schema=self.answer_schema if kind == "evaluation" else None,
        )

    def _room(self) -> Room:
        """Return what the texts of a record may have so that they can be asked and judged."""
        answer, judge = self.options.max_answer_tokens, self.options.judge
        system = least_tokens([self._system_prompt() or ""])
        return Room(
            question_tokens=self.model.context_tokens - system - answer,
            judged_tokens=judge.context_tokens - answer if judge and judge.context_tokens else None,
        )

    def _system_prompt(self) -> str | None:
        """Return what the questions are asked with; the training file is read before them."""
        given, common = self.options.system_prompt, self.systems.most_common()
        return given if given is not None else common and common[0]

    def _merge(self, kind: FileKind, name: str, total: RangeResult, result: RangeResult) -> None:
        """Add the result of a range to the sum of those before it."""
        before = total.lines
        self.findings.add_problems(name, before, result.problems)
        for line, example_id in result.ids:
            self._check_id(kind, name, before + line, example_id)
        room = most_compared(kind) - len(self.sketches[name])
        apart = self._asked if kind in ASKED else set()
        for record in result.compared[:room]:
            line = before + record.line
            self.sketches[name].append((line, record.sketch))
            prompt = record.sketch.same_prompt
            self.duplicates.add_turns(name, line, record.turns)
            for problem in self.duplicates.find(name, line, record.digest, prompt, apart):
                self.findings.add_problem(name, line, problem)
                self._set_aside(name, line, problem.code)
        if kind == "training":
            self.systems.merge(result.systems)
        if result.first_crlf_line and not total.first_crlf_line:
            total.first_crlf_line = before + result.first_crlf_line
        tokens, line = result.longest_answer
        if tokens > total.longest_answer[0]:
            total.longest_answer = (tokens, before + line)
        total.add_sums(result)

    def _warn_of_file(self, kind: FileKind, name: str, total: RangeResult) -> None:
        if total.crlf_lines:
            message = f"{total.crlf_lines} of {total.lines} lines end in a carriage return"
            problem = Problem("", "crlf", message, "end lines in a line feed only", "warning")
            self.findings.add_problem(name, total.first_crlf_line, problem)
        if total.tight_answers:
            self._warn_of_answers(name, total)
        if len(self.sketches[name]) == (most := most_compared(kind)) < total.records:
            message = f"only the first {most} records were compared with each other"
            fix = "remove records"
            self.findings.add_file(name, "not-compared", message, fix, "warning")

    def _warn_of_answers(self, name: str, total: RangeResult) -> None:
        tokens, line = total.longest_answer
        message = (
            f"the longest of {total.tight_answers} reference answers that come near "
            f"max_answer_tokens = {self.options.max_answer_tokens}: about {tokens} tokens; answers "
            "as long are cut off"
        )
        fix = "raise max_answer_tokens, or shorten the references"
        problem = Problem("reference_answer", "tight-answers", message, fix, "warning")
        self.findings.add_problem(name, line, problem)

    def _check_id(self, kind: FileKind, name: str, line: int, example_id: str) -> None:
        first = self.ids[name].setdefault(example_id, line)
        message = f"the id is the same as in line {first}" if first != line else ""
        if kind == "general":
            file = self.names.get("evaluation", "")
            if other := self.ids[file].get(general_id(example_id)):
                message = f"with {general_id('')} before it, it is the id of {file}:{other}"
        if message:
            problem = Problem("id", "duplicate-id", message, "give each example its own")
            self.findings.add_problem(name, line, problem)

    def _check_file_count(self, kind: FileKind) -> None:
        limits, name = self.model.limits, self.names[kind]
        least, most = {
            "training": (limits.min_training_records, limits.max_training_records),
            "validation": (limits.min_validation_records, limits.max_validation_records),
            "evaluation": (max(1, self.options.min_evaluation_questions), None),
            "general": (1, None),
        }[kind]
        if most == 0:
            message = f"{self.model.name} takes no validation file"
            fix = "remove the file, or add its records to the training file"
            self.findings.add_file(name, "too-many-records", message, fix)
            return
        self._check_count(name, self.files[name].records, least, most)

    def _check_clean_questions(self) -> None:
        """Refuse questions of which too few are left once those that decide nothing are set aside.

        Too few from the start are a finding already.
        """
        name, least = self.names.get("evaluation", ""), self.options.min_evaluation_questions
        records = self.files[name].records if name else 0
        aside = len(self.aside[name])
        left = records - aside
        if left < least <= records:
            message = (
                f"{aside} of {records} questions stand in training or validation, or are "
                f"asked twice, and decide nothing; at least {least} others are needed, not {left}"
            )
            self.findings.add_file(name, "too-few-records", message, _ADD_QUESTIONS)

    def _check_total(self) -> None:
        limits = self.model.limits
        names = [self.names[kind] for kind in _TRAINED_ON if kind in self.names]
        total = sum(self.files[name].records for name in names)
        least = None if self._has_unread(names) else limits.min_total_records
        both = " in training and validation together"
        self._check_count(names[0], total, least, limits.max_total_records, both)

    def _check_count(
        self, name: str, records: int, least: int | None, most: int | None, where: str = ""
    ) -> None:
        if least is not None and records < least:
            message = f"{records} records{where}; at least {least} are needed"
            fixes = {
                self.names.get("validation"): "add records, or remove the file",
                self.names.get("evaluation"): _ADD_QUESTIONS,
                self.names.get("general"): "add questions, or remove the file",
            }
            fix = fixes.get(name, "add records")
            self.findings.add_file(name, "too-few-records", message, fix)
        if most is not None and records > most:
            message = f"{records} records{where}; at most {most} are allowed"
            fix = "remove records, or request a higher quota" if where else "remove records"
            self.findings.add_file(name, "too-many-records", message, fix)

    def _has_unread(self, names: list[str]) -> bool:
        """Return whether the records of one of the files were not counted."""
        return any(
            f.file in names and f.code in ("utf-16", "file-too-large") for f in self.findings.kept
        )


def _summary(total: RangeResult, size_bytes: int) -> FileSummary:
    share = total.characters / total.sampled_characters if total.sampled_characters else 0.0
    return FileSummary(
        lines=total.lines,
        records=total.records,
        size_bytes=size_bytes,
        tokens=round(total.sampled_tokens * share),
        least_tokens=round(total.sampled_least_tokens * share),
        expected_tokens=round(total.sampled_expected_tokens * share),
        japanese=total.japanese,
    )
