"""`python -m dataset review`: a judge's opinion of each training record, under a cost ceiling."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from dataset.commands.bedrock_target import Place, place_of
from dataset.commands.review_log import ReviewLog
from dataset.generation.writer import runtime_client
from lambdas.aws.converse import BATCH_SIZE, Runtime, in_batches
from lambdas.domain.data_review.results import (
    POOR_SCORE,
    ReviewSummary,
    is_below,
    summarise,
)
from lambdas.domain.data_review.review import Rates, Task, affordable_records, most_input_tokens
from lambdas.domain.data_review.sampling import task_of
from lambdas.domain.errors import InputInvalid, ServiceUnavailable, Throttled, TuningError
from lambdas.domain.models.catalogue import JUDGES, MODELS, Model, find_judge, find_model
from lambdas.domain.run.contracts import ReviewRow as Row
from lambdas.runtime.reviewing import review_record

GOOD, BELOW, CANNOT_TELL, INTERRUPTED = 0, 1, 2, 130
DEFAULT_JUDGE = "nova-pro"
DEFAULT_MAX_USD = 2.0
MAX_FAILED_PERCENT = 10  # with more failures than this, the mean says little
Commands = Any  # argparse publishes no type for what add_subparsers returns
_ENDINGS = (
    TuningError,
    Throttled,
    ServiceUnavailable,
    ClientError,
    BotoCoreError,
    OSError,
)


def add_parser(commands: Commands) -> None:
    command = commands.add_parser(
        "review",
        help="have a model judge each training record",
        description="Ask a judge about every record of a training file: is the answer correct, "
        "grounded, clear, and consistent with the system prompt? A record's score is the lowest "
        "of the four, from 1 to 10. Each review is kept in OUT as soon as it is paid for: the same "
        "command again goes on where it was. Exit status: 0 the mean reaches the threshold, 1 it "
        "does not, 2 it cannot be told.",
    )
    command.add_argument("training", type=Path, metavar="TRAINING")
    command.add_argument("--model", required=True, metavar="KEY", help=", ".join(MODELS))
    command.add_argument(
        "--judge", default=DEFAULT_JUDGE, metavar="KEY", help=f"{', '.join(JUDGES)}; %(default)s"
    )
    command.add_argument(
        "--max-usd",
        type=float,
        default=DEFAULT_MAX_USD,
        metavar="USD",
        help="no request is made that could go beyond it, counting what OUT holds; %(default)s",
    )
    command.add_argument(
        "--threshold", type=float, default=POOR_SCORE, metavar="SCORE", help="%(default)s"
    )
    command.add_argument(
        "--out", type=Path, metavar="OUT", help="default: TRAINING with .review.jsonl at its end"
    )
    place = command.add_mutually_exclusive_group()
    place.add_argument("--region", metavar="R", help="default: that of the AWS configuration")
    place.add_argument("--env", metavar="NAME", help="region and prices of environments/NAME.toml")
    command.add_argument("--json", action="store_true", help="print one JSON object")


@dataclass(frozen=True)
class Settings:
    """What a review is made with."""

    tasks: list[Task]
    model: Model
    judge: str
    place: Place
    rates: Rates
    max_usd: float
    threshold: float
    out: Path


def run(
    options: argparse.Namespace,
    bedrock: Any = None,  # noqa: ANN401  # a boto3 client
    console: Console | None = None,
) -> int:
    """Carry the command out; return the exit status. `bedrock` stands in for boto3's client."""
    console = console or Console(stderr=True, highlight=False, soft_wrap=True)
    try:
        settings = _settings(options)
        log = ReviewLog.load(settings.out, settings.judge)
        left = _review(settings, log, bedrock, console)
    except _ENDINGS as error:
        print(f"Cannot tell: {error}", file=sys.stderr)
        return CANNOT_TELL
    except KeyboardInterrupt:
        print("Interrupted: the same command again goes on from here.", file=sys.stderr)
        return INTERRUPTED
    summary = summarise(
        log.rows(settings.tasks),
        records=len(settings.tasks),
        rates=settings.rates,
        poor_score=settings.threshold,
    ).model_copy(update={"usd": round(log.usd(settings.rates), 4)})
    status = verdict(summary, settings.threshold)
    print(as_json(summary, status) if options.json else text(settings, summary, status, left))
    return status


def verdict(summary: ReviewSummary, threshold: float) -> int:
    """Return the exit status that the summary calls for."""
    asked = summary.reviewed + summary.failed
    if not summary.reviewed or summary.failed * 100 > MAX_FAILED_PERCENT * asked:
        return CANNOT_TELL
    return BELOW if is_below(summary, threshold) else GOOD


def _settings(options: argparse.Namespace) -> Settings:
    model, judge = find_model(options.model), find_judge(options.judge)
    if options.max_usd <= 0:
        raise InputInvalid(f"--max-usd is {options.max_usd:g}: give more than 0")
    place = place_of(options.region, options.env)
    if not judge.inference.available_in(place.region):
        raise InputInvalid(
            f"{judge.key} is asked through {judge.inference_profile}, which {place.region} does "
            f"not have: choose a region of {', '.join(judge.regions)}"
        )
    return Settings(
        tasks=list(read_tasks(options.training, model)),
        model=model,
        judge=judge.key,
        place=place,
        rates=Rates.of(place.prices, judge.key, place.region),
        max_usd=options.max_usd,
        threshold=options.threshold,
        out=options.out or options.training.with_suffix(".review.jsonl"),
    )


def read_tasks(training: Path, model: Model) -> Iterator[Task]:
    """Read every record, or raise InputInvalid: what is not valid need not be paid for."""
    for number, line in enumerate(training.read_bytes().split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            record = None
        task = task_of(number, record, model) if isinstance(record, dict) else None
        if task is None:
            raise InputInvalid(
                f"{training}:{number} is no record in the {model.record_format} format of "
                f"{model.name}. Nothing was spent: python -m dataset validate says what is wrong"
            )
        yield task


def _review(settings: Settings, log: ReviewLog, bedrock: Any, console: Console) -> int:  # noqa: ANN401  # as above
    """Ask about what has no score yet; return how many records the ceiling left out."""
    runtime = Runtime(bedrock or runtime_client(settings.place.region))
    model_id = find_judge(settings.judge).inference_profile
    pending = [task for task in settings.tasks if not log.has(task)]
    with _bar(console) as bar:
        shown = bar.add_task("records", total=len(settings.tasks))
        bar.update(shown, completed=len(settings.tasks) - len(pending))

        def ask(task: Task) -> Row:
            row = review_record(runtime, model_id, task)
            log.add(task, row)
            bar.advance(shown)
            return row

        return _until_ceiling(settings, log, pending, ask)


def _until_ceiling(
    settings: Settings, log: ReviewLog, pending: list[Task], ask: Callable[[Task], Row]
) -> int:
    """Ask in batches that could not pass the ceiling; what they cost is known before the next."""
    rates = settings.rates
    while pending:
        tokens = map(most_input_tokens, pending[:BATCH_SIZE])
        count = affordable_records(tokens, settings.max_usd - log.usd(rates), rates)
        if not count:
            break
        for _ in in_batches(ask, pending[:count]):
            pending = pending[count:]
    return len(pending)


def _bar(console: Console) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    return Progress(*columns, TimeElapsedColumn(), console=console, disable=not console.is_terminal)


def as_json(summary: ReviewSummary, status: int) -> str:
    """Return the summary with its verdict as one JSON object."""
    said = {GOOD: "good", BELOW: "below", CANNOT_TELL: "cannot tell"}[status]
    whole = {"verdict": said, "summary": summary.model_dump(exclude_none=True)}
    return json.dumps(whole, ensure_ascii=False, indent=2)


def text(settings: Settings, summary: ReviewSummary, status: int, left: int) -> str:
    """Return the summary for people: figures, the worst records with reasons, what to do."""
    head = (
        f"{summary.reviewed} of {summary.records} records reviewed by {settings.judge} in "
        f"{settings.place.region}, {summary.failed} failed; all reviews are in {settings.out}, and "
        f"have cost ${summary.usd:.4f}."
    )
    lines = [head]
    if summary.mean_score is not None:
        lines += _scores(summary, summary.mean_score)
    if left:
        lines.append(
            f"{left} were not reviewed: one more request could cost more than --max-usd "
            f"{settings.max_usd:g} leaves. The same command with a higher --max-usd goes on."
        )
    return "\n".join([*lines, _verdict(summary, settings.threshold, status)])


def _scores(summary: ReviewSummary, mean: float) -> list[str]:
    each = ", ".join(f"{name} {value:.1f}" for name, value in summary.criterion_means.items())
    poor = f"{summary.poor} ({summary.poor_percent:g} %) score below {summary.poor_score:g}"
    return [
        f"Mean score {mean:.2f} of 10, a record's score being its lowest ({each}).",
        f"{poor}. The lowest:",
        *(_worst(row) for row in summary.worst),
    ]


def _worst(row: Row) -> str:
    scores = ", ".join(f"{name} {score}" for name, score in (row.scores or {}).items())
    return f"  line {row.line}: {row.score} ({scores}): {row.reason}"


def _verdict(summary: ReviewSummary, threshold: float, status: int) -> str:
    if status == CANNOT_TELL and summary.failed:
        return "CANNOT TELL: too many failed. Their errors are kept; the same command asks again."
    if status == CANNOT_TELL:
        return "CANNOT TELL: nothing was reviewed."
    if status == BELOW:
        return f"BELOW {threshold:g}: correct or drop the worst records and those like them."
    return f"Good: the mean reaches {threshold:g}."
