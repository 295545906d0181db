"""The rules of a whole dataset: every line of every file, counts, sizes, duplicates and leaks."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from lambdas.domain.models.catalogue import Model
from lambdas.validation.findings.findings import Finding, Findings
from lambdas.validation.findings.report import FileSummary, Report
from lambdas.validation.formats.fields import Kind
from lambdas.validation.jsonl.blocks import ranges_of
from lambdas.validation.jsonl.problems import Severity
from lambdas.validation.jsonl.sources import Source
from lambdas.validation.scan import MAX_COMPARED, Compared, Scanned, Task
from lambdas.validation.warnings.advice import Sketch, dataset_advice
from lambdas.validation.warnings.system_prompts import SystemPrompts
from lambdas.validation.workers import Work, scan_ranges

MAX_EVALUATION_BYTES = 64 * 1024**2
_CHARACTERS_PER_TOKEN = 6  # as `tokens.least_tokens` counts
_HEAD_BYTES = 4
_WIDE = (b"\xff\xfe", b"\xfe\xff", b"{\x00", b"\x00{", b"\x00\x00\x00{", b"\x00\x00\xfe\xff")
# What file names may hold: https://docs.aws.amazon.com/nova/latest/userguide/
# fine-tune-prepare-data-understanding.html, read 2026-11-23.
_KEY = re.compile(r"[A-Za-z0-9_\-/.]+")
_URI = re.compile(r"s3://[^/]+/(?P<key>.*)", re.DOTALL)


@dataclass(frozen=True)
class Options:
    """How a dataset is checked."""

    system_prompt: str | None = None  # that answers are to be asked with
    warnings: bool = True
    fail_on: frozenset[str] = frozenset()  # codes of warnings that make the dataset invalid
    workers: int = 1  # processes, for files of more than `workers.LEAST_SHARED_BYTES`


@dataclass(frozen=True)
class Progress:
    """How far one file is read."""

    file: str
    bytes_done: int
    bytes_total: int
    records: int


def check(  # noqa: PLR0913, PLR0917  # three files, and how to check them
    model: Model,
    training: Source,
    validation: Source | None = None,
    evaluation: Source | None = None,
    options: Options = Options(),
    progress: Callable[[Progress], None] | None = None,
) -> Report:
    """Check a dataset against the rules of a model; whatever the bytes, this returns.

    Raises
    ------
    Exception
        What a source raises that cannot be read: OSError of a file, an error of
        `lambdas.domain.errors` of an object in S3.
    WorkerDied
        A worker process was ended from outside.
    """
    checking = _Check(model, options, progress or (lambda _: None))
    sources: dict[Kind, Source | None] = {
        "training": training,
        "validation": validation,
        "evaluation": evaluation,
    }
    for kind, source in sources.items():
        if source is not None:
            checking.file(kind, source)
    return checking.finish()


@dataclass
class _Check:
    """What is known of the files that have been read."""

    model: Model
    options: Options
    progress: Callable[[Progress], None]
    findings: Findings = field(default_factory=Findings)
    files: dict[str, FileSummary] = field(default_factory=dict)
    names: dict[Kind, str] = field(default_factory=dict)
    systems: SystemPrompts = field(default_factory=SystemPrompts)
    sketches: dict[str, list[tuple[int, Sketch]]] = field(default_factory=dict)
    _digests: dict[tuple[str, bytes], int] = field(default_factory=dict)
    _prompts: dict[bytes, list[tuple[str, int]]] = field(default_factory=dict)
    _ids: dict[str, int] = field(default_factory=dict)

    @property
    def warnings(self) -> bool:
        return self.options.warnings or bool(self.options.fail_on)

    def file(self, kind: Kind, source: Source) -> None:
        """Check one file by itself, and against those before it."""
        name, size = source.name, source.size_bytes
        if name in self.files:
            name = f"{name} ({kind})"
        self.names[kind] = name
        self.files[name] = FileSummary(size_bytes=size)
        self.sketches[name] = []
        self._check_key(name, source.name)
        if self._is_readable(kind, name, size) and self._is_utf_8(name, source, size):
            self._read(kind, source)

    def finish(self) -> Report:
        """Apply the rules that span files."""
        self._check_total()
        self._check_system_prompts()
        if self.warnings:
            for finding in dataset_advice(self.sketches, evaluation=self.names.get("evaluation")):
                self.findings.add(finding)
        self.findings.sort(list(self.files))
        common = self.systems.most_common()
        given = self.options.system_prompt
        return Report(
            self.model,
            self.findings,
            self.files,
            given if given is not None else common and common[0],
            self.options.fail_on,
        )

    def _check_key(self, name: str, uri: str) -> None:
        parts = _URI.fullmatch(uri)
        if parts and not _KEY.fullmatch(parts["key"]):
            self.findings.add_file(
                name,
                "bad-key",
                "the key is empty or holds a character that Bedrock refuses",
                "use letters without accents, digits, and _ - / . only",
            )

    def _is_readable(self, kind: Kind, name: str, size: int) -> bool:
        limits = self.model.limits
        limit = {
            "training": limits.max_training_bytes,
            "validation": limits.max_validation_bytes,
            "evaluation": MAX_EVALUATION_BYTES,
        }[kind]
        if limit is None or size <= limit:
            return True
        self.findings.add_file(
            name,
            "file-too-large",
            f"{size} bytes are more than the {limit} allowed",
            "leave records out; the lines were not checked",
        )
        return False

    def _is_utf_8(self, name: str, source: Source, size: int) -> bool:
        with source.open(0, min(_HEAD_BYTES, size)) as stream:
            head = stream.read()
        if not head.startswith(_WIDE):
            return True
        self.findings.add(
            Finding(
                name,
                1,
                "",
                "utf-16",
                "error",
                "the file is in UTF-16 or UTF-32",
                "save it as UTF-8; the lines were not checked",
            )
        )
        return False

    def _read(self, kind: Kind, source: Source) -> None:
        name, size = self.names[kind], source.size_bytes
        sketches = self.sketches[name]
        work = Work(
            Task(kind, self.model, size, self.warnings),
            source,
            ranges_of(size),
            compares=lambda: len(sketches) < MAX_COMPARED,
            full=lambda: self.findings.full(name),
        )
        total = Scanned()
        results = scan_ranges(work, self.options.workers)
        for part, found in zip(work.ranges, results, strict=True):
            self._merge(kind, name, total, found)
            self.progress(Progress(name, part.stop, size, total.records))
        self.files[name] = _summary(total, size)
        self._check_count(kind, name, total.records)
        if self.warnings:
            self._warn_of_file(name, total)

    def _merge(self, kind: Kind, name: str, total: Scanned, found: Scanned) -> None:
        """Add what a range holds to what stands before it in the file."""
        before = total.lines
        self.findings.add_counted(name, before, found.problems, found.counts)
        for line, example_id in found.ids:
            self._check_id(name, before + line, example_id)
        room = MAX_COMPARED - len(self.sketches[name])
        for each in found.compared[:room]:
            self._compare(name, before + each.line, each)
        if kind == "training":
            self.systems.merge(found.systems)
        if found.first_crlf_line and not total.first_crlf_line:
            total.first_crlf_line = before + found.first_crlf_line
        total.add_counts(found)

    def _warn_of_file(self, name: str, total: Scanned) -> None:
        if total.crlf_lines:
            self.findings.add(
                Finding(
                    name,
                    total.first_crlf_line,
                    "",
                    "crlf",
                    "warning",
                    f"{total.crlf_lines} of {total.lines} lines end in a carriage return",
                    "end lines in a line feed only",
                )
            )
        if len(self.sketches[name]) == MAX_COMPARED < total.records:
            self.findings.add_file(
                name,
                "not-compared",
                f"only the first {MAX_COMPARED} records were compared with each other",
                "leave records out",
                "warning",
            )

    def _check_id(self, name: str, line: int, example_id: str) -> None:
        first = self._ids.setdefault(example_id, line)
        if first != line:
            self.findings.add(
                Finding(
                    name,
                    line,
                    "id",
                    "duplicate-id",
                    "error",
                    f"the id of line {first}",
                    "give each example its own",
                )
            )

    def _compare(self, name: str, line: int, record: Compared) -> None:
        self.sketches[name].append((line, record.sketch))
        for code, message, fix in self._repeats(name, line, record):
            self.findings.add(Finding(name, line, "", code, "warning", message, fix))

    def _repeats(self, name: str, line: int, record: Compared) -> Iterator[tuple[str, str, str]]:
        """Yield code, message and fix of what stands earlier, in this file or another."""
        places = self._prompts.setdefault(record.sketch.same_prompt, [])
        elsewhere = next(((file, at) for file, at in places if file != name), None)
        here = next((at for file, at in places if file == name), None)
        same = self._digests.setdefault((name, record.digest), line)
        if same != line:
            yield "duplicate", f"the same record as line {same}", "keep one, unless on purpose"
        if elsewhere:
            place = f"{elsewhere[0]}:{elsewhere[1]}"
            yield (
                "leak",
                f"the same prompt as {place}, so it measures memory",
                "word it otherwise, or remove one of the two",
            )
        if here is None:
            places.append((name, line))
        elif same == line:
            yield "repeated-prompt", f"the same prompt as line {here}", "keep the better answer"

    def _check_count(self, kind: Kind, name: str, records: int) -> None:
        limits = self.model.limits
        least = limits.min_training_records if kind == "training" else 1
        most = {
            "training": limits.max_training_records,
            "validation": limits.max_validation_records,
            "evaluation": None,
        }[kind]
        if records < least:
            self.findings.add_file(
                name,
                "too-few-records",
                f"{records} records, of at least {least} needed",
                "add records" if kind != "validation" else "add records, or remove the file",
            )
        if most is not None and records > most:
            self.findings.add_file(
                name,
                "too-many-records",
                f"{records} records, of at most {most} allowed",
                "leave records out",
            )

    def _check_total(self) -> None:
        kinds: tuple[Kind, ...] = ("training", "validation")
        names = [self.names[kind] for kind in kinds if kind in self.names]
        total = sum(self.files[name].records for name in names)
        least, limit = self.model.limits.min_total_records, self.model.limits.max_total_records
        if least is not None and total < least and not self._gave_up(names):
            self.findings.add_file(
                names[0],
                "too-few-records",
                f"{total} records of training and validation together, of at least {least} needed",
                "add records",
            )
        if limit is not None and total > limit:
            self.findings.add_file(
                names[0],
                "too-many-records",
                f"{total} records of training and validation together are more than {limit}",
                "leave records out, or have the account's quota raised",
            )

    def _gave_up(self, names: list[str]) -> bool:
        """Say whether one of the files has records that were not counted."""
        return any(
            f.file in names and f.code in ("utf-16", "file-too-large") for f in self.findings.kept
        )

    def _check_system_prompts(self) -> None:
        common = self.systems.most_common()
        if not self.warnings or common is None:
            return
        if len(self.systems.counts) > 1:
            self._warn_of_training(
                "several-system-prompts",
                f"{self.systems.distinct} different system prompts (none counts as one); the most "
                f"common stands in {common[1]} of {self.systems.records} records",
                "train with one, and ask with the same",
            )
        given = self.options.system_prompt
        if given is not None and given not in self.systems.counts and not self.systems.others:
            self._warn_of_training(
                "other-system-prompt",
                "no training record has the system prompt that answers are asked with",
                "ask with the prompt that the model was trained with",
            )

    def _warn_of_training(self, code: str, message: str, fix: str) -> None:
        severity: Severity = "warning"
        self.findings.add_file(self.names["training"], code, message, fix, severity)


def _summary(total: Scanned, size_bytes: int) -> FileSummary:
    share = total.characters / total.sampled_characters if total.sampled_characters else 0.0
    least = total.characters // _CHARACTERS_PER_TOKEN
    most = max(least, round(total.sampled_tokens * share))
    expected = round(total.sampled_expected_tokens * share)
    return FileSummary(
        lines=total.lines,
        records=total.records,
        size_bytes=size_bytes,
        tokens=most,
        least_tokens=least,
        expected_tokens=min(max(least, expected), most),
    )
