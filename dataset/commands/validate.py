"""`python -m dataset validate`: a dataset against every rule of a model, as the run checks it."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any, Self

from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, TextColumn, TransferSpeedColumn
from rich.progress import Progress as Bars

from dataset.commands.findings_text import report_text
from dataset.commands.statuses import CANNOT_TELL, INVALID, VALID
from lambdas.aws.artefacts import Artefacts
from lambdas.aws.asked import Asked, check_and_ask
from lambdas.domain.errors import InputInvalid, ServiceUnavailable, Throttled, TuningError
from lambdas.domain.models.catalogue import MODELS, find_model, unknown
from lambdas.validation import WARNINGS, FileSource, Options, Progress, Report, Source
from lambdas.validation.formats.fields import Kind
from lambdas.validation.workers import WorkerDied

_UNREADABLE = (
    TuningError,
    Throttled,
    ServiceUnavailable,
    ClientError,
    BotoCoreError,
    OSError,
    WorkerDied,
)
_KINDS: tuple[Kind, ...] = ("training", "validation", "evaluation")
_COMPREHEND_USD, _MOST_USD = 1.0, 1_000
_SHOWN_FROM_BYTES = 16 * 1024**2  # a smaller file is read before its bar could be
_DESCRIPTION = """\
Check files against every rule of the model's format, as a run does: what is valid here is valid
there. Files are paths or s3:// URIs, of any size. docs/dataset-validation.md lists the codes of all
findings."""
_EPILOG = """\
examples:
  python -m dataset validate --model nova-micro build/prepared/training.jsonl
  python -m dataset validate --model claude-3-haiku s3://bucket/datasets/faq/training.jsonl \\
      --validation s3://bucket/datasets/faq/validation.jsonl --fail-on leak,secret --json

exit status: 0 valid, 1 invalid, 2 it cannot be told (no such file, no access, bad usage)"""

Commands = Any  # argparse publishes no type for what add_subparsers returns


def add_parser(commands: Commands) -> None:
    """Add `validate` to the commands of `python -m dataset`."""
    command: argparse.ArgumentParser = commands.add_parser(
        "validate",
        help="check a dataset as a run does",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("training", metavar="TRAINING")
    command.add_argument("--model", required=True, metavar="KEY", help=", ".join(MODELS))
    command.add_argument("--validation", metavar="FILE", help="never trained on")
    command.add_argument("--evaluation", metavar="FILE", help="questions and reference answers")
    command.add_argument(
        "--system-prompt",
        metavar="TEXT",
        help="that the run will ask with; default: the one of most training records",
    )
    command.add_argument("--json", action="store_true", help="print one JSON object")
    command.add_argument("--no-warnings", action="store_true", help="look for errors only")
    command.add_argument(
        "--fail-on",
        type=_codes,
        default=frozenset(),
        metavar="CODE,…",
        help="warnings that make the dataset invalid",
    )
    command.add_argument(
        "--comprehend",
        action="store_true",
        help="have Amazon Comprehend look for names and addresses in English and Spanish, once the "
        "rules find the dataset valid; costs money",
    )
    command.add_argument(
        "--comprehend-max-usd",
        type=_dollars,
        default=_COMPREHEND_USD,
        metavar="USD",
        help=f"ceiling of that, default {_COMPREHEND_USD:g}; beyond it, every 2nd, 4th … record",
    )
    command.add_argument(
        "--count-tokens",
        action="store_true",
        help="have Bedrock count the training tokens, of up to 1,000 records; only some models "
        "are counted, and no Amazon Nova",
    )
    command.add_argument(
        "--workers",
        type=_at_least_one,
        default=os.cpu_count() or 1,
        metavar="N",
        help="processes for a large file; default: one a processor",
    )


def _codes(text: str) -> frozenset[str]:
    codes = frozenset(each.strip() for each in text.split(",") if each.strip())
    for code in codes - set(WARNINGS):
        raise argparse.ArgumentTypeError(unknown("warning", code, WARNINGS))
    return codes


def _dollars(text: str) -> float:
    try:
        amount = float(text)
    except ValueError:
        amount = 0.0
    if not 0 < amount <= _MOST_USD:
        raise argparse.ArgumentTypeError(f"{text!r} is no amount above 0 and up to {_MOST_USD}")
    return amount


def _at_least_one(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1 on")
    return int(text)


def run(options: argparse.Namespace) -> int:
    """Check the files, print what was found, return the exit status."""
    try:
        report = _checked(options)
    except _UNREADABLE as error:
        print(f"Cannot tell: {error}", file=sys.stderr)
        return CANNOT_TELL
    if options.json:
        print(json.dumps(report.as_json(), ensure_ascii=False, indent=2))
    else:
        print(report_text(report))
    return VALID if report.valid else INVALID


def _checked(options: argparse.Namespace) -> Report:
    model = find_model(options.model)
    places = {kind: getattr(options, kind) for kind in _KINDS}
    sources = {kind: _source(place) for kind, place in places.items() if place is not None}
    settings = Options(
        system_prompt=options.system_prompt,
        warnings=not options.no_warnings,
        fail_on=options.fail_on,
        workers=options.workers,
    )
    asked = Asked(
        comprehend_max_usd=options.comprehend_max_usd if options.comprehend else 0,
        count_tokens=options.count_tokens,
        say=_say,
    )
    with FileBars() as bars:
        return check_and_ask(model, sources, settings, asked, bars.show)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _source(place: str) -> Source:
    """Return what reads a file, on this machine or in S3."""
    if place.startswith("s3://"):
        bucket, _, key = place.removeprefix("s3://").partition("/")
        if not bucket or not key:
            raise InputInvalid(f"{place} names no object: give s3://BUCKET/KEY")
        return Artefacts(bucket).source(key, place)
    path = Path(place)
    if not path.exists():
        raise InputInvalid(f"there is no file {place}")
    if not path.is_file():  # of a pipe, neither the size nor a part can be had
        raise InputInvalid(f"{place} is no regular file: name one, such as training.jsonl")
    return FileSource(path, place)


class FileBars:
    """A bar a file, on a terminal only, and only for files that take a moment to read."""

    def __init__(self) -> None:
        console = Console(stderr=True)
        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
        self._bars = Bars(*columns, TransferSpeedColumn(), console=console, transient=True)
        self._bars.disable = not console.is_terminal
        self._tasks: dict[str, Any] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def show(self, progress: Progress) -> None:
        """Take note of how far a file is read."""
        if progress.bytes_total < _SHOWN_FROM_BYTES:
            return
        if progress.file not in self._tasks:
            self._bars.start()
            self._tasks[progress.file] = self._bars.add_task(
                progress.file, total=progress.bytes_total
            )
        self._bars.update(self._tasks[progress.file], completed=progress.bytes_done)
