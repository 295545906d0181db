"""`python -m dataset prepare`: a dataset in a model's format, from data of any kind.

A source is a folder with `training`, `evaluation` and, optionally, `validation`, each as `.jsonl`,
`.json` or `.csv`; or one file, which is split. The result depends on the source alone (and on the
seed of a split).
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

from dataset.commands.findings_text import number, report_text
from dataset.commands.statuses import CANNOT_TELL, INVALID, VALID
from dataset.sources.conversations import Entry, SourceInvalid, ignored_keys, read_entries
from dataset.sources.formats import (
    SYSTEM_PROMPT,
    Style,
    system_prompts_in_prompts,
    to_examples,
    to_records,
)
from dataset.sources.split import DEFAULT, shares_of, split
from lambdas.domain.errors import InputInvalid
from lambdas.domain.models.catalogue import MODELS, Model, find_model
from lambdas.domain.run.dataset_files import EVALUATION, TRAINING, VALIDATION
from lambdas.validation import (
    MAX_LINE_BYTES,
    FileSource,
    FileSummary,
    Finding,
    Problems,
    Report,
    check,
)
from lambdas.validation.formats.pairs import USUAL, Keys
from lambdas.validation.formats.records import read_conversation, read_example
from lambdas.validation.jsonl.lines import parse_line

_SUFFIXES = (".jsonl", ".json", ".csv")
_NAMES = (TRAINING, VALIDATION, EVALUATION)

Write = Callable[[Path], object]  # writes one file of the result


@dataclass(frozen=True)
class Wishes:
    """How records are to be read, written and split."""

    keys: Keys = USUAL
    style: Style = field(default_factory=Style)
    split: str = DEFAULT  # of a source that is one file
    seed: int = 0


@dataclass(frozen=True)
class Prepared:
    """What was written, and what the model's rules say of it."""

    files: tuple[Path, ...]
    converted: tuple[str, ...]  # source files that were not copied
    notes: tuple[str, ...]  # what a person should know of the conversion
    report: Report

    @property
    def valid(self) -> bool:
        return self.report.valid

    @property
    def findings(self) -> tuple[Finding, ...]:
        return tuple(self.report.findings.kept)

    @property
    def training_records(self) -> int:
        return self._records(TRAINING)

    @property
    def validation_records(self) -> int:
        return self._records(VALIDATION)

    @property
    def evaluation_examples(self) -> int:
        return self._records(EVALUATION)

    def _records(self, name: str) -> int:
        return self.report.files.get(name, FileSummary()).records

    def __str__(self) -> str:
        text = (
            f"{number(self.training_records, 'training record')}, "
            f"{number(self.validation_records, 'validation record')}, "
            f"{number(self.evaluation_examples, 'evaluation example')}"
        )
        return text + (f" (converted: {', '.join(self.converted)})" if self.converted else "")


@dataclass
class _Plan:
    """What is to be written, once everything has been read and found convertible."""

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
                f"{name}: in {number(opened, 'record')} the system prompt opens the prompt, as "
                f"{model.name} is trained without; ask with the same words, or --no-system-prompt"
            )


def prepare(source: Path, out: Path, model: Model, wishes: Wishes = Wishes()) -> Prepared:
    """Write the dataset in `source` to `out`, in the format of `model`.

    What the model's rules say of the content is returned, not raised: a run refuses bad data
    itself, with all reasons. Nothing is written, and nothing that is there is replaced, before
    everything has been read and converted.

    Raises
    ------
    SourceInvalid
        A file is missing or unreadable, or a record is no conversation or does not fit the format.
    """
    plan = _Plan()
    if source.is_file():
        _plan_split(plan, source, model, wishes)
    else:
        _plan_folder(plan, source, model, wishes)
    report = _write(out, plan.writes, model)
    files = tuple(out / name for name in plan.writes)
    return Prepared(files, tuple(plan.converted), tuple(plan.notes), report)


def _plan_split(plan: _Plan, source: Path, model: Model, wishes: Wishes) -> None:
    shares = shares_of(wishes.split)
    entries = read_entries(source, wishes.keys)
    parts = split(entries, shares, wishes.seed)
    for name, part in zip(_NAMES, parts.files, strict=True):
        if part:
            plan.convert(name, part, model, wishes.style)
    plan.converted.append(source.name)
    plan.notes += (f"{source.name}: {note}" for note in ignored_keys(entries))
    if parts.not_compared:
        plan.notes.append(
            f"{number(len(parts.not_compared), 'record')} resemble more others than each is "
            f"compared with, the first at {parts.not_compared[0]}: near-duplicates of these may "
            "stand in two files; the check says where one does"
        )


def _plan_folder(plan: _Plan, folder: Path, model: Model, wishes: Wishes) -> None:
    for name, path in _find_sources(folder).items():
        if _is_prepared(path, name, model):
            plan.writes[name] = partial(shutil.copyfile, path)
        else:
            entries = read_entries(path, wishes.keys)
            plan.convert(name, entries, model, wishes.style)
            plan.converted.append(path.name)
            plan.notes += (f"{path.name}: {note}" for note in ignored_keys(entries))


def _find_sources(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        raise SourceInvalid(f"{folder} is no folder and no file: give one with training data")
    found = {name: path for name in _NAMES if (path := _source_of(folder, name))}
    for name in (TRAINING, EVALUATION):
        if name not in found:
            stem = Path(name).stem
            raise SourceInvalid(
                f"{folder} has no {', '.join(stem + each for each in _SUFFIXES)}: add one, or "
                "give one file, which is split"
            )
    return found


def _source_of(folder: Path, name: str) -> Path | None:
    paths = [folder / Path(name).with_suffix(suffix).name for suffix in _SUFFIXES]
    there = [path for path in paths if path.is_file()]
    if len(there) > 1:
        names = " and ".join(path.name for path in there)
        raise SourceInvalid(f"{folder} has both {names}: keep one of them")
    return there[0] if there else None


def _is_prepared(path: Path, name: str, model: Model) -> bool:
    """Say whether a file is in the model's format already, by its first line."""
    if path.name != name:
        return False
    problems = Problems()
    try:
        with path.open("rb") as file:
            line = file.readline(MAX_LINE_BYTES + 1).removesuffix(b"\n").removesuffix(b"\r")
    except OSError as error:
        raise SourceInvalid(f"{path} cannot be read: {error.strerror}") from None
    record = parse_line(line, 1, problems)
    if record is None or problems.found:
        return False
    if name == EVALUATION:
        read_example(record, problems)
    else:
        read_conversation(record, model, problems)
    return not any(each.code in {"wrong-format", "unknown-key"} for each in problems.found)


def _write_lines(records: Iterable[dict[str, Any]], path: Path) -> None:
    with path.open("wb") as file:
        for each in records:
            # A lone surrogate, which UTF-8 has not, stays the JSON escape that it came as.
            line = json.dumps(each, ensure_ascii=False) + "\n"
            file.write(line.encode(errors="backslashreplace"))


def _write(out: Path, writes: Mapping[str, Write], model: Model) -> Report:
    """Write all files and check them; where one cannot be written, nothing has changed."""
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
    """Give a folder beside the result; leave neither it nor an empty `out` behind on failure."""
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


def _checked(folder: Path, names: Iterable[str], model: Model) -> Report:
    files = {name: FileSource(folder / name, name) for name in names}
    return check(model, files[TRAINING], files.get(VALIDATION), files.get(EVALUATION))


_DESCRIPTION = """\
Write training.jsonl, validation.jsonl and evaluation.jsonl in the model's format, and check them.

SOURCE is a folder with training, evaluation and, if you like, validation files (.jsonl, .json or
.csv), or one such file, which is split. JSON holds a list, or one object after the other. A record
is a pair of texts (question/answer, prompt/completion and other usual names, or what --prompt-key
and --completion-key say), or a conversation: "messages", "conversations" or "turns", as in Claude's
and Converse's formats, OpenAI's or ShareGPT's. A .jsonl file of a folder that is in the model's
format already is copied unchanged."""
_EPILOG = """\
examples:
  python -m dataset prepare --model nova-micro faq.csv build/prepared --split 80/10/10 --seed 7
  python -m dataset prepare --model claude-3-haiku my-folder build/prepared
  python -m dataset prepare --model nova-lite --prompt-key Frage --completion-key Antwort \\
      --no-system-prompt fragen.json build/prepared

exit status: 0 a run would take it, 1 a run would refuse it (it is written all the same), 2 SOURCE
cannot be prepared (nothing is written)"""
_PARTS = {
    "prompt": "question",
    "completion": "answer",
    "system": "system prompt of a record",
    "id": "id of an example",
    "topic": "topic",
}


def add_parser(commands: Any) -> None:  # noqa: ANN401  # argparse publishes no type for it
    """Add `prepare` to the commands of `python -m dataset`."""
    command: argparse.ArgumentParser = commands.add_parser(
        "prepare",
        help="write training, validation and evaluation data in a model's format",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("source", type=Path, metavar="SOURCE")
    command.add_argument("out", type=Path, metavar="OUT_DIR")
    command.add_argument("--model", required=True, metavar="KEY", help=", ".join(MODELS))
    prompts = command.add_mutually_exclusive_group()
    prompts.add_argument(
        "--system-prompt",
        metavar="TEXT",
        help="of converted records that have none; default: in pairs, where the format has a "
        f'place for it, "{SYSTEM_PROMPT}"; conversations stay as they are',
    )
    prompts.add_argument(
        "--no-system-prompt",
        action="store_true",
        help="converted records get none and keep none",
    )
    for part, means in _PARTS.items():
        command.add_argument(
            f"--{part}-key", metavar="NAME", help=f"the source's name for the {means}"
        )
    command.add_argument(
        "--split",
        metavar="T/V/E",
        help="per cents of one file for training, validation and evaluation; near-duplicates stay "
        f"together, each topic is spread evenly; default: {DEFAULT}",
    )
    command.add_argument(
        "--seed", type=int, metavar="N", help="another number, another split; default: 0"
    )
    command.add_argument(
        "--flatten",
        action="store_true",
        help="where the format knows one prompt only, write earlier turns into it",
    )


def run(options: argparse.Namespace) -> int:
    """Prepare, and say what was written and what the model's rules say of it."""
    try:
        wishes = _wishes(options)
        model = find_model(options.model)
        prepared = prepare(options.source, options.out, model, wishes)
    except (SourceInvalid, InputInvalid) as error:
        print(f"Cannot prepare: {error}", file=sys.stderr)
        return CANNOT_TELL
    for note in prepared.notes:
        print(f"Note: {note}", file=sys.stderr)
    if prepared.findings:
        print(report_text(prepared.report), file=sys.stderr)
    print(f"{options.out}: {prepared}, for {model.name}.")
    return VALID if prepared.valid else INVALID


def _wishes(options: argparse.Namespace) -> Wishes:
    if bool(options.prompt_key) != bool(options.completion_key):
        raise InputInvalid("--prompt-key and --completion-key go together: give both")
    if not options.source.is_file() and (options.split or options.seed is not None):
        raise InputInvalid("--split and --seed are for a SOURCE that is one file")
    return Wishes(
        Keys(**{part: getattr(options, f"{part}_key") for part in _PARTS}),
        Style(options.system_prompt, options.no_system_prompt, options.flatten),
        options.split or DEFAULT,
        options.seed or 0,
    )
