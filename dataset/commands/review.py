"""Have a model judge each training record.

Ask a judge about every record of a training file: is the answer correct, grounded, clear, and
consistent with the system prompt? A record's score is the lowest of the four, from 1 to 10. Each
review is saved in OUT as soon as it is paid for: the same command again resumes and pays for
nothing twice.

For example:
  python -m dataset review --model nova-micro --env dev build/prepared/training.jsonl

Exit status: 0 the mean score reaches the threshold, 1 it does not, 2 there is no reliable score
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from dataset.commands.options import (
    add_target_arguments,
    bedrock_target,
    dollars,
    judge_id,
)
from dataset.generation.journal import Journal, open_journal
from dataset.generation.writer import runtime_client
from exit_codes import ExitCode
from lambdas.aws.converse import ConverseClient
from lambdas.domain.cost.calculator import Calculator, TokenPrices
from lambdas.domain.data_review.asking import ERROR_KEY, review_question, row_of
from lambdas.domain.data_review.results import (
    POOR_SCORE,
    ReviewSummary,
    is_below,
    summarise,
)
from lambdas.domain.data_review.sampling import affordable
from lambdas.domain.data_review.tasks import (
    ReviewTask,
    TokenCost,
    fingerprint,
    most_input_tokens,
    worst_usd,
)
from lambdas.domain.errors import InputInvalid
from lambdas.domain.evaluation.attempts import Pass
from lambdas.domain.evaluation.records import Record, too_many
from lambdas.domain.models.catalogue import JUDGES, MODELS
from lambdas.domain.models.lookup import find_model
from lambdas.domain.models.model import Model
from lambdas.domain.parallel import in_parallel
from lambdas.domain.run.contracts import ReviewRow
from lambdas.validation import Findings
from lambdas.validation.jsonl.lines import parse_line

DEFAULT_JUDGE = "nova-pro"
DEFAULT_MAX_USD = 2.0
MAX_FAILED_PERCENT = 10  # beyond it, the mean is not reliable


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("training", type=Path, metavar="TRAINING", help="in the model's format")
    parser.add_argument("--model", required=True, metavar="KEY", help=", ".join(MODELS))
    parser.add_argument(
        "--judge",
        default=DEFAULT_JUDGE,
        metavar="KEY",
        help=f"{', '.join(JUDGES)}; default: %(default)s",
    )
    parser.add_argument(
        "--max-usd",
        type=dollars,
        default=DEFAULT_MAX_USD,
        metavar="USD",
        help="cost ceiling, including what the reviews in OUT have cost; default: %(default)s",
    )
    parser.add_argument(
        "--threshold",
        type=float,
        default=POOR_SCORE,
        metavar="SCORE",
        help="the lowest good mean score; default: %(default)s",
    )
    parser.add_argument(
        "--out", type=Path, metavar="OUT", help="default: TRAINING with the suffix .review.jsonl"
    )
    add_target_arguments(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object")


_BATCH_RECORDS = 64  # between two looks at the ceiling


class ReviewEntry(ReviewRow):
    """A paid review, or a paid failure, with the record that it is of."""

    judge: str
    fingerprint: str
    prompt: str
    answer: str


@dataclass
class ReviewLog:
    """Finds a review by its fingerprint, so that lines of the training file may move.

    Failures are kept for their cost, and are retried.
    """

    journal: Journal[ReviewEntry]
    judge: str

    def __post_init__(self) -> None:
        self._latest = {entry.fingerprint: entry for entry in self.journal.entries}

    def usd(self, usd: TokenCost) -> float:
        """Return the cost of this judge's reviews, failures and moved lines included."""
        own = [entry for entry in self.journal.entries if entry.judge == self.judge]
        input_tokens = sum(entry.input_tokens for entry in own)
        return usd(input_tokens, sum(entry.output_tokens for entry in own))

    def has(self, task: ReviewTask) -> bool:
        entry = self._latest.get(fingerprint(self.judge, task))
        return entry is not None and entry.score is not None

    def add(self, task: ReviewTask, row: ReviewRow) -> None:
        """Write a review; it is on the disk when this returns."""
        record = {
            "judge": self.judge,
            "fingerprint": fingerprint(self.judge, task),
            "prompt": task.prompt,
            "answer": task.answer,
            **row.model_dump(exclude_none=True),
        }
        entry = ReviewEntry.model_validate(record)
        self.journal.append(entry)
        self._latest[entry.fingerprint] = entry

    def rows(self, tasks: Iterable[ReviewTask]) -> list[ReviewRow]:
        """Return the reviews of these records, each with the current line of its record."""
        found = ((task, self._latest.get(fingerprint(self.judge, task))) for task in tasks)
        return [entry.model_copy(update={"line": task.line}) for task, entry in found if entry]


class _Nothing:
    """Requests are not kept, only what came of them, in the log: a person repeats the command."""

    def read(self) -> list[Record]:
        return []

    def keep(self, name: str, record: Record) -> None:
        pass


@dataclass(frozen=True)
class _Review:
    """What is reviewed, by whom, and within which limits."""

    tasks: list[ReviewTask]
    judge: str
    judge_id: str  # for Converse
    region: str
    prices: TokenPrices
    max_usd: float
    threshold: float
    out: Path


def run(options: argparse.Namespace) -> ExitCode:
    """Review what has no score yet, and print the summary."""
    review = _review(options)
    with open_journal(review.out, ReviewEntry) as journal:
        log = ReviewLog(journal, review.judge)
        try:
            left = _ask_judge(review, log)
        except KeyboardInterrupt:
            print("\nThe same command again resumes from here.", file=sys.stderr)
            raise
    summary = summarise(
        log.rows(review.tasks),
        records=len(review.tasks),
        usd=log.usd(review.prices.usd),
        poor_score=review.threshold,
    )
    status = _status(summary, review.threshold)
    print(_json(summary, status) if options.json else _text(review, summary, status, left))
    return status


def _status(summary: ReviewSummary, threshold: float) -> ExitCode:
    if too_many(summary.failed, summary.reviewed + summary.failed, MAX_FAILED_PERCENT):
        return ExitCode.ERROR
    return ExitCode.FAILED if is_below(summary, threshold) else ExitCode.OK


def _review(options: argparse.Namespace) -> _Review:
    target = bedrock_target(options)
    return _Review(
        tasks=list(read_tasks(options.training, find_model(options.model))),
        judge=options.judge,
        judge_id=judge_id(options.judge, target.region),
        region=target.region,
        prices=Calculator(target.prices, target.region).tokens(options.judge),
        max_usd=options.max_usd,
        threshold=options.threshold,
        out=options.out or options.training.with_suffix(".review.jsonl"),
    )


def read_tasks(training: Path, model: Model) -> Iterator[ReviewTask]:
    """Read every record, or raise InputInvalid before anything is paid for."""
    if not training.is_file():
        raise InputInvalid(f"there is no file {training}")
    for number, line in enumerate(training.read_bytes().split(b"\n"), start=1):
        if not line.strip():
            continue
        record = parse_line(line, Findings(), is_first=number == 1)
        task = ReviewTask.of(number, record, model) if record is not None else None
        if task is None:
            raise InputInvalid(
                f"{training}:{number} is not a record in the {model.record_format} format of "
                f"{model.name}. Nothing was spent; python -m dataset validate says what is wrong"
            )
        yield task


def _ask_judge(review: _Review, log: ReviewLog) -> int:
    """Ask about what has no score yet; return how many records the ceiling left out."""
    client = ConverseClient(runtime_client(review.region))
    judge = partial(client.judge, review.judge_id)
    asking = Pass(_Nothing(), lambda: True, ERROR_KEY, most_failures=math.inf)
    pending = [task for task in review.tasks if not log.has(task)]
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    bar = Progress(*columns, TimeElapsedColumn(), console=console, disable=not console.is_terminal)
    shown = bar.add_task("records", total=len(review.tasks))
    bar.update(shown, completed=len(review.tasks) - len(pending))
    usd = review.prices.usd

    def ask(task: ReviewTask) -> None:
        question = review_question(judge, task)
        log.add(task, row_of(question, asking.settle(question)))
        bar.advance(shown)

    def most_usd(task: ReviewTask) -> float:
        return worst_usd(most_input_tokens(task), usd)

    def affordable_batch() -> list[ReviewTask]:
        """Return as many records as cannot exceed the ceiling."""
        return [*affordable(pending[:_BATCH_RECORDS], most_usd, review.max_usd - log.usd(usd))]

    with bar:
        while batch := affordable_batch():
            in_parallel(ask, batch)
            pending = pending[len(batch) :]
    return len(pending)


def _json(summary: ReviewSummary, status: ExitCode) -> str:
    verdicts = {ExitCode.OK: "good", ExitCode.FAILED: "below", ExitCode.ERROR: "cannot tell"}
    whole = {"verdict": verdicts[status], "summary": summary.model_dump(exclude_none=True)}
    return json.dumps(whole, ensure_ascii=False, indent=2)


def _text(review: _Review, summary: ReviewSummary, status: ExitCode, left: int) -> str:
    """Return the figures, the worst records with the judge's reasons, and what to do."""
    head = (
        f"{summary.reviewed} of {summary.records} records reviewed by {review.judge} in "
        f"{review.region}, {summary.failed} failed. The reviews are in {review.out} and "
        f"have cost ${summary.usd:.4f}."
    )
    lines = [head]
    if summary.mean_score is not None:
        lines += _scores(summary, summary.mean_score)
    if left:
        lines.append(
            f"{left} were not reviewed: one more request could exceed --max-usd "
            f"{review.max_usd:g}. To resume, repeat the command with a higher --max-usd."
        )
    return "\n".join([*lines, _verdict(summary, review.threshold, status)])


def _scores(summary: ReviewSummary, mean: float) -> list[str]:
    criteria = ", ".join(f"{name} {value:.1f}" for name, value in summary.criterion_means.items())
    poor = f"{summary.poor} ({summary.poor_percent:g} %) score below {summary.poor_score:g}"
    return [
        f"Mean score {mean:.2f} of 10, the lowest criterion of each record ({criteria}).",
        f"{poor}. The lowest:",
        *(_worst(row) for row in summary.worst),
    ]


def _worst(row: ReviewRow) -> str:
    scores = ", ".join(f"{name} {score}" for name, score in (row.scores or {}).items())
    return f"  line {row.line}: {row.score} ({scores}): {row.reason}"


def _verdict(summary: ReviewSummary, threshold: float, status: ExitCode) -> str:
    if status == ExitCode.ERROR and summary.failed:
        return "No verdict: too many reviews failed. To ask for them again, repeat the command."
    if status == ExitCode.ERROR:
        return "No verdict: nothing was reviewed."
    if status == ExitCode.FAILED:
        return f"BELOW {threshold:g}: correct or drop the worst records and similar ones."
    return f"Good: the mean reaches {threshold:g}."
