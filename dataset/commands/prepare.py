r"""Write a dataset in a model's format, from data of any kind.

training.jsonl, validation.jsonl and evaluation.jsonl are written to OUT_DIR and checked. SOURCE is
a folder with training, evaluation and, optionally, validation files (.jsonl, .json or .csv), or one
such file, which is split. JSON holds a list, or one object after the other. A record is a pair of
texts (question/answer, prompt/completion and other usual names, or what --prompt-key and
--completion-key say), or a conversation: "messages", "conversations" or "turns", in Claude's,
Converse's, OpenAI's or ShareGPT's format. A .jsonl file of a folder that is already in the model's
format is copied unchanged. The result depends only on the source and, of a split, the seed.

For example:
  python -m dataset prepare --model nova-micro faq.csv build/prepared --split 80/10/10 --seed 7
  python -m dataset prepare --model claude-3-haiku my-folder build/prepared
  python -m dataset prepare --model nova-lite --prompt-key Frage --completion-key Antwort \
      --no-system-prompt fragen.json build/prepared

Exit status: 0 written and valid, 1 written but a run would refuse it, 2 nothing was written
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from dataset.commands.report_text import quantity, report_text
from dataset.sources.conversations import Entry, ignored_keys, read_entries
from dataset.sources.conversion import (
    SYSTEM_PROMPT,
    Style,
    system_prompts_in_prompts,
    to_examples,
    to_records,
)
from dataset.sources.raw import READERS, SourceInvalid
from dataset.sources.split import DEFAULT, shares_of, split
from exit_codes import ExitCode
from lambdas.domain.errors import InputInvalid
from lambdas.domain.models.catalogue import MODELS
from lambdas.domain.models.lookup import find_model
from lambdas.domain.models.model import Model
from lambdas.domain.run.dataset_files import EVALUATION, TRAINING, VALIDATION
from lambdas.validation import (
    MAX_LINE_BYTES,
    FileSource,
    FileSummary,
    Problems,
    ValidationReport,
    check,
)
from lambdas.validation.formats.pairs import USUAL, Keys
from lambdas.validation.formats.records import read_conversation, read_example
from lambdas.validation.jsonl.lines import parse_line

_NAMES = (TRAINING, VALIDATION, EVALUATION)

Write = Callable[[Path], object]  # writes one file of the result


@dataclass(frozen=True)
class PrepareOptions:
    """How records are read, written and split."""

    keys: Keys = USUAL
    style: Style = field(default_factory=Style)
    split: str = DEFAULT  # if the source is one file
    seed: int = 0


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
        nouns = ("training record", "validation record", "evaluation example")
        text = ", ".join(
            quantity(self.report.files.get(name, FileSummary()).records, noun)
            for name, noun in zip(_NAMES, nouns, strict=True)
        )
        return text + (f" (converted: {', '.join(self.converted)})" if self.converted else "")


@dataclass
class _Plan:
    """What to write once everything has been read and can be converted."""

    writes: dict[str, Write] = field(default_factory=dict)
    converted: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def convert(self, name: str, entries: Sequence[Entry], model: Model, style: Style) -> None:
        if name == EVALUATION:
            self.writes[name] = partial(_write_lines, to_examples(entries, style))
            return
        self.writes[name] = partial(_write_lines, to_records(entries, model, style))
        opened = system_prompts_in_prompts(entries, model, style)
        if opened:
            self.notes.append(
                f"{name}: in {quantity(opened, 'record')} the system prompt is part of the prompt, "
                f"because {model.name} is trained without one; ask the tuned model with the same "
                "text, or prepare with --no-system-prompt"
            )


def prepare(
    source: Path, out: Path, model: Model, options: PrepareOptions = PrepareOptions()
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
    plan = _Plan()
    if source.is_file():
        _plan_split(plan, source, model, options)
    else:
        _plan_folder(plan, source, model, options)
    report = _write(out, plan.writes, model)
    return Prepared(tuple(plan.converted), tuple(plan.notes), report)


def _plan_split(plan: _Plan, source: Path, model: Model, options: PrepareOptions) -> None:
    shares = shares_of(options.split)
    entries = read_entries(source, options.keys)
    parts = split(entries, shares, options.seed)
    for name, part in zip(_NAMES, parts.files, strict=True):
        if part:
            plan.convert(name, part, model, options.style)
    plan.converted.append(source.name)
    plan.notes += (f"{source.name}: {note}" for note in ignored_keys(entries))
    if parts.not_compared:
        plan.notes.append(
            f"{quantity(len(parts.not_compared), 'record')}, the first at {parts.not_compared[0]}, "
            "resemble more others than a record is compared with: near-duplicates of them may be "
            "in two files, and the check reports those"
        )


def _plan_folder(plan: _Plan, folder: Path, model: Model, options: PrepareOptions) -> None:
    for name, path in _find_sources(folder).items():
        if _is_prepared(path, name, model):
            plan.writes[name] = partial(shutil.copyfile, path)
        else:
            entries = read_entries(path, options.keys)
            plan.convert(name, entries, model, options.style)
            plan.converted.append(path.name)
            plan.notes += (f"{path.name}: {note}" for note in ignored_keys(entries))


def _find_sources(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        raise SourceInvalid(f"{folder} is neither a folder nor a file: give one with training data")
    found = {name: path for name in _NAMES if (path := _source_of(folder, name))}
    for name in (TRAINING, EVALUATION):
        if name not in found:
            stem = Path(name).stem
            raise SourceInvalid(
                f"{folder} has no {', '.join(stem + suffix for suffix in READERS)}: add one, or "
                "give a single file, which is split"
            )
    return found


def _source_of(folder: Path, name: str) -> Path | None:
    paths = [folder / Path(name).with_suffix(suffix).name for suffix in READERS]
    there = [path for path in paths if path.is_file()]
    if len(there) > 1:
        names = " and ".join(path.name for path in there)
        raise SourceInvalid(f"{folder} has both {names}: keep one of them")
    return there[0] if there else None


def _is_prepared(path: Path, name: str, model: Model) -> bool:
    """Say whether a file is already in the model's format, judging by its first line."""
    if path.name != name:
        return False
    problems = Problems()
    try:
        with path.open("rb") as file:
            line = file.readline(MAX_LINE_BYTES + 1).removesuffix(b"\n").removesuffix(b"\r")
    except OSError as error:
        raise SourceInvalid(f"{path} cannot be read: {error.strerror}") from None
    record = parse_line(line, problems, is_first=True)
    if record is None or problems.found:
        return False
    if name == EVALUATION:
        read_example(record, problems)
    else:
        read_conversation(record, model, problems)
    return not any(problem.code in {"wrong-format", "unknown-key"} for problem in problems.found)


def _write_lines(records: Iterable[dict[str, Any]], path: Path) -> None:
    with path.open("wb") as file:
        for record in records:
            # A lone surrogate, which UTF-8 cannot hold, stays the JSON escape that it came as.
            line = json.dumps(record, ensure_ascii=False) + "\n"
            file.write(line.encode(errors="backslashreplace"))


def _write(out: Path, writes: Mapping[str, Write], model: Model) -> ValidationReport:
    """Write all files and check them; if one cannot be written, nothing has changed."""
    try:
        with _staging(out) as folder:
            for name, write in writes.items():
                write(folder / name)
            report = _checked(folder, writes, model)
            for name in writes:
                (folder / name).replace(out / name)
            # A validation set left from an earlier source would become part of this one.
            for name in set(_NAMES) - set(writes):
                (out / name).unlink(missing_ok=True)
    except OSError as error:
        raise SourceInvalid(f"{out} cannot be written: {error.strerror}") from None
    return report


@contextmanager
def _staging(out: Path) -> Iterator[Path]:
    """Yield a folder in `out`; after a failure, neither it nor a new `out` is left behind."""
    is_new = not out.exists()
    out.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryDirectory(dir=out, prefix=".prepare-") as folder:
            yield Path(folder)
    except BaseException:
        if is_new:
            with suppress(OSError):
                out.rmdir()
        raise


def _checked(folder: Path, names: Iterable[str], model: Model) -> ValidationReport:
    files = {name: FileSource(folder / name, name) for name in names}
    return check(model, files[TRAINING], files.get(VALIDATION), files.get(EVALUATION))


_PARTS = {
    "prompt": "question",
    "completion": "answer",
    "system": "system prompt of a record",
    "id": "id of an example",
    "topic": "topic",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", type=Path, metavar="SOURCE", help="a folder or a file")
    parser.add_argument("out", type=Path, metavar="OUT_DIR", help="created if need be")
    parser.add_argument("--model", required=True, metavar="KEY", help=", ".join(MODELS))
    prompts = parser.add_mutually_exclusive_group()
    prompts.add_argument(
        "--system-prompt",
        metavar="TEXT",
        help="for converted records without one; default: conversations get none, and pairs, if "
        f'the format has a field for it, "{SYSTEM_PROMPT}"',
    )
    prompts.add_argument(
        "--no-system-prompt",
        action="store_true",
        help="write no system prompt, and drop those of the source",
    )
    for part, meaning in _PARTS.items():
        parser.add_argument(
            f"--{part}-key", metavar="NAME", help=f"the source's name for the {meaning}"
        )
    parser.add_argument(
        "--split",
        metavar="T/V/E",
        help="percentages of one file for training, validation and evaluation; near-duplicates "
        f"stay together, each topic is spread evenly; default: {DEFAULT}",
    )
    parser.add_argument("--seed", type=int, metavar="N", help="of the split; default: 0")
    parser.add_argument(
        "--flatten",
        action="store_true",
        help="if the format has a single prompt, write earlier turns into it",
    )


def run(options: argparse.Namespace) -> ExitCode:
    """Prepare, and print what was written and what the check found."""
    model = find_model(options.model)
    prepared = prepare(options.source, options.out, model, _options(options))
    for note in prepared.notes:
        print(f"Note: {note}", file=sys.stderr)
    if prepared.report.findings.kept:
        print(report_text(prepared.report), file=sys.stderr)
    print(f"{options.out}: {prepared}, for {model.name}.")
    return ExitCode.OK if prepared.valid else ExitCode.FAILED


def _options(given: argparse.Namespace) -> PrepareOptions:
    if bool(given.prompt_key) != bool(given.completion_key):
        raise InputInvalid("--prompt-key and --completion-key go together: give both")
    if not given.source.is_file() and (given.split or given.seed is not None):
        raise InputInvalid("--split and --seed are for a SOURCE that is one file")
    return PrepareOptions(
        Keys(**{part: getattr(given, f"{part}_key") for part in _PARTS}),
        Style(given.system_prompt, given.no_system_prompt, given.flatten),
        given.split or DEFAULT,
        given.seed or 0,
    )
