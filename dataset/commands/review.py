"""Have a model judge each training record.

Ask a judge about every record of a training file: is the answer correct, grounded, clear, and
consistent with the system prompt? A record's score is the lowest of the four, from 1 to 10. Each
review is saved beside TRAINING (.review.jsonl) as soon as it is paid for: the same command again
resumes and pays for nothing twice.

For example:
  python -m dataset review --model nova-micro --env dev build/prepared/training.jsonl

Exit status: 0 the mean score reaches the threshold, 1 it does not, 2 there is no reliable score
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from dataset.commands.options import add_target_arguments, bedrock_prices, dollars, judge_id
from dataset.generation.journal import Journal, open_journal
from dataset.generation.progress_bar import ProgressBar
from dataset.generation.writer import runtime_client
from exit_codes import ExitCode
from lambdas.aws.converse import ConverseClient
from lambdas.domain.data_review.asking import ERROR_KEY, Judge, review_question, row_of
from lambdas.domain.data_review.results import POOR_SCORE, ReviewSummary, is_below, summarise
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

MAX_FAILED_PERCENT = 10  # beyond it, the mean is not reliable


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("training", type=Path, metavar="TRAINING", help="in the model's format")
    parser.add_argument("--model", required=True, metavar="KEY", help=", ".join(MODELS))
    parser.add_argument(
        "--judge", default="nova-pro", metavar="KEY", help=f"{', '.join(JUDGES)}; default: nova-pro"
    )
    parser.add_argument(
        "--max-usd",
        type=dollars,
        default=2.0,
        metavar="USD",
        help="ceiling, with what reviews so far have cost; default: %(default)s",
    )
    parser.add_argument(
        "--threshold",
        type=float,
        default=POOR_SCORE,
        metavar="SCORE",
        help="the lowest good mean score; default: %(default)s",
    )
    add_target_arguments(parser)


_BATCH_RECORDS = 64  # between two looks at the ceiling


class ReviewEntry(ReviewRow):
    """A paid review, or a paid failure, with the record that it is of."""

    judge: str
    fingerprint: str
    answer: str


@dataclass
class ReviewLog:
    """Finds a review by its fingerprint, so that lines of the training file may move.

    Failures are kept for their cost, and are retried.
    """

    journal: Journal[ReviewEntry]
    judge: str
    usd: TokenCost

    def __post_init__(self) -> None:
        self._latest = {entry.fingerprint: entry for entry in self.journal.entries}

    def spent(self) -> float:
        """Return the cost of this judge's reviews, failures and moved lines included."""
        own = [entry for entry in self.journal.entries if entry.judge == self.judge]
        input_tokens = sum(entry.input_tokens for entry in own)
        return self.usd(input_tokens, sum(entry.output_tokens for entry in own))

    def add(self, task: ReviewTask, row: ReviewRow) -> None:
        """Write a review; it is on the disk when this returns."""
        own = {"judge": self.judge, "fingerprint": fingerprint(self.judge, task)}
        said = row.model_dump(exclude_none=True)
        entry = ReviewEntry.model_validate(own | said | {"answer": task.answer})
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


def run(options: argparse.Namespace) -> ExitCode:
    """Review what has no score yet, and print the summary."""
    prices = bedrock_prices(options)
    tasks = [*read_tasks(options.training, find_model(options.model))]
    client = ConverseClient(runtime_client(prices.region))
    judge = partial(client.judge, judge_id(options.judge, prices.region))
    with open_journal(_file_of(options.training), ReviewEntry) as journal:
        log = ReviewLog(journal, options.judge, prices.tokens(options.judge).usd)
        try:
            left = _ask_judge(judge, tasks, log, options.max_usd)
        except KeyboardInterrupt:
            print("\nThe same command again resumes from here.", file=sys.stderr)
            raise
    rows = log.rows(tasks)
    summary = summarise(rows, records=len(tasks), usd=log.spent(), poor_score=options.threshold)
    status, verdict = _verdict(summary)
    by = f"{options.judge} in {prices.region}"
    print("\n".join([*_figures(options, by, summary, left), verdict]))
    return status


def _file_of(training: Path) -> Path:
    return training.with_suffix(".review.jsonl")


def _verdict(summary: ReviewSummary) -> tuple[ExitCode, str]:
    """Return the exit status, and what it says of the data."""
    if too_many(summary.failed, summary.reviewed + summary.failed, MAX_FAILED_PERCENT):
        why = "too many reviews failed. To ask for them again, repeat the command"
        return ExitCode.ERROR, f"No verdict: {why if summary.failed else 'nothing was reviewed'}."
    if is_below(summary, summary.poor_score):
        advice = "correct or drop the worst records and similar ones"
        return ExitCode.FAILED, f"BELOW {summary.poor_score:g}: {advice}."
    return ExitCode.OK, f"Good: the mean reaches {summary.poor_score:g}."


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


def _ask_judge(judge: Judge, tasks: list[ReviewTask], log: ReviewLog, max_usd: float) -> int:
    """Ask about what has no score yet; return how many records the ceiling left out."""
    asking = Pass(_Nothing(), lambda: True, ERROR_KEY, most_failures=math.inf)
    name = partial(fingerprint, log.judge)
    scored = {entry.fingerprint for entry in log.journal.entries if entry.score is not None}
    pending = [*{name(task): task for task in tasks if name(task) not in scored}.values()]
    bar = ProgressBar("records", total=len(tasks), done=len(tasks) - len(pending))

    def ask(task: ReviewTask) -> None:
        question = review_question(judge, task)
        log.add(task, row_of(question, asking.settle(question)))
        bar.move(1)

    def most_usd(task: ReviewTask) -> float:
        return worst_usd(most_input_tokens(task), log.usd)

    with bar:
        while batch := [*affordable(pending[:_BATCH_RECORDS], most_usd, max_usd - log.spent())]:
            in_parallel(ask, batch)
            pending = pending[len(batch) :]
    left = {*map(name, pending)}
    return sum(name(task) in left for task in tasks)


def _figures(
    options: argparse.Namespace, by: str, summary: ReviewSummary, left: int
) -> Iterator[str]:
    """Yield the figures, and the worst records with the judge's reasons."""
    reviewed = f"{summary.reviewed} of {summary.records} records reviewed by {by}"
    kept = f"The reviews are in {_file_of(options.training)} and have cost ${summary.usd:.4f}."
    yield f"{reviewed}, {summary.failed} failed. {kept}"
    if summary.mean_score is not None:
        means = summary.criterion_means.items()
        criteria = ", ".join(f"{name} {value:.1f}" for name, value in means)
        lowest = f"the lowest criterion of each record ({criteria})"
        yield f"Mean score {summary.mean_score:.2f} of 10, {lowest}."
        poor = f"{summary.poor} ({summary.poor_percent:g} %)"
        yield f"{poor} score below {summary.poor_score:g}. The lowest:"
        yield from map(_worst, summary.worst)
    if left:
        yield (
            f"{left} were not reviewed: one more request could exceed --max-usd "
            f"{options.max_usd:g}. To resume, repeat the command with a higher --max-usd."
        )


def _worst(row: ReviewRow) -> str:
    scores = ", ".join(f"{name} {score}" for name, score in (row.scores or {}).items())
    return f"  line {row.line}: {row.score} ({scores}): {row.reason}"
