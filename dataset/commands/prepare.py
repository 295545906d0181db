r"""Write a dataset in a model's format, from data of any kind.

training.jsonl, validation.jsonl, evaluation.jsonl and general.jsonl are written to OUT_DIR and
checked. SOURCE is a folder with training, evaluation and, optionally, validation and general files,
or one file, which is split in three: JSON (a list, or one object after the other), JSONL, CSV, TSV,
XLSX or Parquet, also with .gz; on disk, in S3 (s3://BUCKET/KEY; of a folder, with / at its end), or
- for standard input. A record is a pair of texts (question/answer, prompt/completion and other
usual names, or what --prompt-key and --completion-key say), or a conversation: "messages",
"conversations" or "turns", in Claude's, Converse's, OpenAI's or ShareGPT's format. A folder's
answer.schema.json, a JSON Schema that answers are to satisfy, is copied; so is a .jsonl file in the
model's format. The result depends only on the source and, of a split, the seed.

For example:
  python -m dataset prepare --model nova-micro faq.xlsx build/prepared --split 80/10/10 --seed 7
  python -m dataset prepare --model claude-3-haiku my-folder build/prepared
  python -m dataset prepare --model nova-lite --prompt-key Frage --completion-key Antwort \
      --no-system-prompt fragen.json build/prepared

Exit status: 0 written and valid, 1 written but a run would refuse it, 2 nothing was written
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from itertools import chain, count
from pathlib import Path
from typing import Any

from dataset.commands.report_text import report_text
from dataset.sources.conversations import Entries, Entry, describe, read_entries
from dataset.sources.conversion import (
    Style,
    changes,
    example,
    obstacle,
    usual_system_prompt,
    written,
)
from dataset.sources.files import SourceFile, SourceInvalid, in_folder, list_folder, read_file
from dataset.sources.folders import DATASET_FILES, QUESTION_FILES, find_sources, has_format
from dataset.sources.pairs import USUAL, Keys
from dataset.sources.raw import TABLES
from dataset.sources.split import DEFAULT, default_shares, shares_of, split
from exit_codes import ExitCode
from lambdas.domain.errors import InputInvalid
from lambdas.domain.models.catalogue import MODELS
from lambdas.domain.models.lookup import find_judge, find_model
from lambdas.domain.models.model import Model
from lambdas.domain.run.dataset_files import EVALUATION, FILE_NAMES, GENERAL, TRAINING, VALIDATION
from lambdas.domain.run.execution_input import ExecutionDefaults, Settings
from lambdas.validation import FileSource, FileSummary, ValidationReport
from lambdas.validation.check import Options, check
from lambdas.validation.formats.answer_schema import ANSWER_SCHEMA
from lambdas.validation.formats.conversation import make_conversation
from lambdas.validation.jsonl.display import quantity


@dataclass(frozen=True)
class PrepareOptions:
    """How records are read, written, split and checked."""

    keys: Keys = USUAL
    style: Style = field(default_factory=Style)
    split: str | None = None  # if the source is one file; None: what suits the model
    seed: int = 0
    skip: bool = False  # leave out what cannot be converted, instead of refusing everything
    checks: Options = field(default_factory=Options)


def checks_of_run(settings: Settings, defaults: ExecutionDefaults) -> Options:
    """Return how *Validate dataset* checks the dataset of a run with these settings."""
    return Options(
        system_prompt=settings.system_prompt,
        fail_on=frozenset(defaults.fail_on_warnings),
        min_evaluation_questions=defaults.least_questions,
        judge=find_judge(settings.judge_model),
        max_answer_tokens=settings.max_answer_tokens,
        needs_schema=settings.metric == "json-schema",
    )


@dataclass(frozen=True)
class Prepared:
    """What was written, and whether a run would take it."""

    converted: tuple[str, ...]  # source files that were not copied
    notes: tuple[str, ...]  # on the conversion, for people
    report: ValidationReport

    @property
    def valid(self) -> bool:
        return self.report.valid

    def __str__(self) -> str:
        nouns = ("training record", "validation record", "evaluation example", "general question")
        text = ", ".join(
            quantity(self.report.files.get(name, FileSummary()).records, noun)
            for name, noun in zip(DATASET_FILES, nouns, strict=True)
            if name != GENERAL or name in self.report.files
        )
        return text + (f" (converted: {', '.join(self.converted)})" if self.converted else "")


@dataclass
class _Plan:
    """What to write once everything has been read and can be converted."""

    model: Model
    options: PrepareOptions
    contents: dict[str, bytes] = field(default_factory=dict)  # of files to write as they are
    entries: dict[str, Sequence[Entry]] = field(default_factory=dict)  # of files to convert
    converted: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def read(self, file: SourceFile, *, is_evaluation: bool = False) -> list[Entry]:
        """Return the entries of a file that can be converted.

        Raises
        ------
        SourceInvalid
            Some cannot be, and are not to be skipped; or none can be.
        """
        source = read_entries(file, self.options.keys)
        problems = source.problems + [
            (entry.location, why)
            for entry in source.entries
            if (why := obstacle(entry, self.model, self.options.style, is_asked=is_evaluation))
        ]
        skipped = {location for location, _ in problems}
        entries = [entry for entry in source.entries if entry.location not in skipped]
        if problems and not (self.options.skip and entries):
            raise SourceInvalid("\n".join([*describe(problems), *_hints(file, source, entries)]))
        self.converted.append(file.name)
        self.notes += source.notes(file.name)
        if problems:
            self.notes.append(f"{file.name}: skipped {quantity(len(problems), 'record')}")
            self.notes += (f"skipped {line}" for line in describe(problems))
        return entries

    def finish(self) -> dict[str, bytes]:
        """Convert, and return the contents of all files."""
        usual = usual_system_prompt(chain.from_iterable(self.entries.values()))
        common = None
        for name, entries in self.entries.items():
            is_asked = name in QUESTION_FILES
            said = [
                written(each, self.model, self.options.style, usual, is_asked=is_asked)
                for each in entries
            ]
            if is_asked:
                rows: Iterable[dict[str, Any]] = map(example, count(1), entries, said)
            else:
                rows = (make_conversation(self.model.record_format, each) for each in said)
            self.contents[name] = _json_lines(rows)
            own = common if is_asked else None
            changed = (changes(*each, self.model, own) for each in zip(entries, said, strict=True))
            for what, times in Counter(chain.from_iterable(changed)).items():
                self.notes.append(f"{name}: in {quantity(times, 'record')}, {what}")
            if name == TRAINING:
                [(common, _)] = Counter(each.system for each in said).most_common(1)
        return {name: self.contents[name] for name in FILE_NAMES.values() if name in self.contents}


def _hints(file: SourceFile, source: Entries, usable: Sequence[Entry]) -> Iterator[str]:
    """Yield what to do about a source that is refused; `usable` ones are not to be skipped."""
    if usable:
        yield "To leave such records out: --skip"
    if file.suffix in TABLES and not source.entries:
        yield "The first row names the columns, such as question and answer: is it missing?"


def prepare(
    source: Path | str, out: Path, model: Model, options: PrepareOptions = PrepareOptions()
) -> Prepared:
    """Write the dataset in `source` to `out`, in the format of `model`.

    Findings are returned, not raised: a run refuses invalid data itself, with all reasons. No file
    is written or replaced before everything has been read and converted.

    Raises
    ------
    SourceInvalid
        A file is missing or unreadable, or a record is not a conversation or does not fit the
        format.
    """
    plan = _Plan(model, options)
    place = str(source)
    names = list_folder(place)
    if names is None:
        _plan_split(plan, read_file(place))
    else:
        _plan_folder(plan, place, names)
    report = _write(out, plan.finish(), model, options.checks)
    return Prepared(tuple(plan.converted), tuple(plan.notes), report)


def _plan_split(plan: _Plan, file: SourceFile) -> None:
    entries, given = plan.read(file), plan.options.split
    shares = shares_of(given) if given else default_shares(plan.model, len(entries))
    if not given and not shares[1]:
        plan.notes.append(
            f"no validation file: {plan.model.name} takes none as small as a tenth of these "
            "records, or none at all (--split sets the shares)"
        )
    parts = split(entries, shares, plan.options.seed)
    named = zip((TRAINING, VALIDATION, EVALUATION), parts, strict=True)
    plan.entries |= {name: part for name, part in named if part}


def _plan_folder(plan: _Plan, folder: str, names: Sequence[str]) -> None:
    for name, own in find_sources(folder, names).items():
        file = read_file(in_folder(folder, own))
        is_plain = plan.options.style == Style() and file.suffix == ".jsonl"
        if is_plain and has_format(file.content, name, plan.model):
            plan.contents[name] = file.content
        else:
            plan.entries[name] = plan.read(file, is_evaluation=name in QUESTION_FILES)
    if ANSWER_SCHEMA in names:
        plan.contents[ANSWER_SCHEMA] = read_file(in_folder(folder, ANSWER_SCHEMA)).content


def _json_lines(records: Iterable[Mapping[str, Any]]) -> bytes:
    # A lone surrogate, which UTF-8 cannot hold, stays the JSON escape that it came as.
    return b"".join(
        (json.dumps(record, ensure_ascii=False) + "\n").encode(errors="backslashreplace")
        for record in records
    )


def _write(
    out: Path, contents: Mapping[str, bytes], model: Model, checks: Options
) -> ValidationReport:
    """Write all files and check them; if one cannot be written, nothing has changed."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=out, prefix=".prepare-") as scratch:
            folder = Path(scratch)
            for name, content in contents.items():
                (folder / name).write_bytes(content)
            files = {
                kind.replace("-", "_"): FileSource(folder / name, name)
                for kind, name in FILE_NAMES.items()
                if name in contents
            }
            report = check(model, options=checks, progress=None, **files)
            for name in FILE_NAMES.values():
                if (out / name).is_dir():
                    raise SourceInvalid(f"{out / name} is a folder: remove it, or name another")
            for name in contents:
                (folder / name).replace(out / name)
            # A validation set left from an earlier source would become part of this one.
            for name in {*FILE_NAMES.values()} - {*contents}:
                (out / name).unlink(missing_ok=True)
    except OSError as error:
        raise SourceInvalid(f"{out} cannot be written: {error.strerror}") from None
    return report


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", metavar="SOURCE", help="a folder, a file, s3://… or -")
    parser.add_argument("out", type=Path, metavar="OUT_DIR", help="created if need be")
    parser.add_argument("--model", required=True, metavar="KEY", help=", ".join(MODELS))
    parser.add_argument("--overwrite", action="store_true", help="replace the dataset in OUT_DIR")
    add_conversion_arguments(parser)


def add_conversion_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of every command that takes raw data; `conversion_options` reads them."""
    prompts = parser.add_mutually_exclusive_group()
    prompts.add_argument(
        "--system-prompt",
        metavar="TEXT",
        help="for records without one; default: for pairs a general one in their language",
    )
    prompts.add_argument("--no-system-prompt", action="store_true", help="drop the source's, too")
    for part in fields(Keys):
        meaning = f"the source's name for the {part.metadata['of']}"
        parser.add_argument(f"--{part.name}-key", metavar="NAME", help=meaning)
    parser.add_argument(
        "--split",
        metavar="T/V/E",
        help="percentages of one file for training, validation and evaluation; "
        f"default: {DEFAULT}, or 90/0/10 where the model takes no validation file that small",
    )
    parser.add_argument("--seed", type=int, metavar="N", help="of the split; default: 0")
    parser.add_argument("--no-reasoning", action="store_true", help="leave out all reasoning")
    parser.add_argument("--skip", action="store_true", help="leave out what cannot be converted")


def run(options: argparse.Namespace) -> ExitCode:
    """Prepare, and print what was written and what the check found."""
    model = find_model(options.model)
    settings = conversion_options(options, options.source)
    _refuse_to_replace(options.out, options.source, overwrite=options.overwrite)
    prepared = prepare(options.source, options.out, model, settings)
    print_notes(prepared)
    if prepared.report.findings.kept:
        print(report_text(prepared.report), file=sys.stderr)
    print(f"{options.out}: {prepared}, for {model.name}.")
    return ExitCode.OK if prepared.valid else ExitCode.FAILED


def print_notes(prepared: Prepared) -> None:
    for note in prepared.notes:
        print(f"Note: {note}", file=sys.stderr)


def _refuse_to_replace(out: Path, source: str, *, overwrite: bool) -> None:
    if out.exists() and not out.is_dir():
        raise InputInvalid(f"{out} is a file: name a folder")
    # Of links in a loop, Path.resolve() raises a RuntimeError.
    own, folder = (Path(os.path.realpath(each)) for each in (source, out))
    if own == folder or (own.parent == folder and own.name in FILE_NAMES.values()):
        raise InputInvalid(f"{out} has the SOURCE, which would be replaced: name another folder")
    if not overwrite and out.is_dir() and any(out.iterdir()):
        raise InputInvalid(f"{out} is not empty: name another folder, or give --overwrite")


def conversion_options(given: argparse.Namespace, source: str) -> PrepareOptions:
    """Return the options as given on a command line.

    Raises
    ------
    InputInvalid
        Some do not go together.
    """
    if bool(given.prompt_key) != bool(given.completion_key):
        raise InputInvalid("--prompt-key and --completion-key go together: give both")
    if (given.split or given.seed is not None) and list_folder(source) is not None:
        raise InputInvalid("--split and --seed are for a SOURCE that is one file")
    return PrepareOptions(
        Keys(*(getattr(given, f"{part.name}_key") for part in fields(Keys))),
        Style(given.system_prompt, given.no_system_prompt, given.no_reasoning),
        given.split,
        given.seed or 0,
        given.skip,
    )
