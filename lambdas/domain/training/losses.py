"""Training and validation loss: parsed from Bedrock's files, averaged, and assessed."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from statistics import fmean

from lambdas.domain.errors import LossCurvesMissing

TRAINING_FILE = "step_wise_training_metrics.csv"
VALIDATION_FILE = "validation_metrics.csv"
TOLERANCE = 0.005  # a rise of the validation loss by less than half a per cent is noise


@dataclass(frozen=True)
class Loss:
    """One row of a metrics file."""

    step: int
    epoch: int
    loss: float


@dataclass(frozen=True)
class Epoch:
    """Mean losses of one epoch; `validation_loss` is None where the job wrote none for it."""

    epoch: int
    training_loss: float
    validation_loss: float | None


@dataclass(frozen=True)
class LossHistory:
    """What the job measured."""

    steps: tuple[Loss, ...]
    validations: tuple[Loss, ...]
    epochs: tuple[Epoch, ...]

    @property
    def best(self) -> Epoch | None:
        """The epoch with the lowest validation loss, the earliest of equals."""
        validated = [each for each in self.epochs if each.validation_loss is not None]
        return min(validated, key=_validation_loss, default=None)

    @property
    def last_validated(self) -> Epoch | None:
        return next(
            (each for each in reversed(self.epochs) if each.validation_loss is not None), None
        )

    @property
    def over_fit(self) -> bool | None:
        """Whether validation loss rose after the best epoch and training loss did not."""
        best, last = self.best, self.last_validated
        if best is None or last is None:
            return None
        return _rose(_validation_loss(best), _validation_loss(last)) and not _rose(
            best.training_loss, last.training_loss
        )


def find_metrics_file(keys: Iterable[str], name: str, job_id: str) -> str | None:
    """Return the key of the file called `name`, the job's own if several jobs wrote one.

    AWS's documentation and its samples disagree on the folder, so only the name is matched.
    """
    found = sorted(key for key in keys if key.rpartition("/")[2] == name)
    own = [key for key in found if f"-{job_id}/" in key]
    return next(iter(own or found), None)


def history(training_csv: str, validation_csv: str | None) -> LossHistory:
    """Parse both files and average them by epoch.

    Raises
    ------
    LossCurvesMissing
        A file lacks a column or a row, or a value is not a finite number.
    """
    steps = parse(training_csv, "training_loss", TRAINING_FILE)
    validations = (
        parse(validation_csv, "validation_loss", VALIDATION_FILE) if validation_csv else ()
    )
    validation_by_epoch = dict(_means(validations))
    epochs = tuple(
        Epoch(epoch, loss, validation_by_epoch.get(epoch)) for epoch, loss in _means(steps)
    )
    return LossHistory(steps, validations, epochs)


def parse(text: str, column: str, file: str) -> tuple[Loss, ...]:
    """Parse a metrics file by its header; other columns (perplexity) are ignored."""
    reader = csv.DictReader(io.StringIO(text.lstrip("\ufeff")), skipinitialspace=True)
    missing = {"step_number", "epoch_number", column} - set(reader.fieldnames or ())
    if missing:
        raise LossCurvesMissing(
            f"{file} has no column {', '.join(sorted(missing))} but "
            f"{', '.join(reader.fieldnames or ()) or 'nothing at all'}: Bedrock may have changed "
            "the file; the custom model itself is not affected"
        )
    rows = tuple(_row(row, column, f"{file}, line {reader.line_num}") for row in reader)
    if not rows:
        raise LossCurvesMissing(f"{file} has a header but no rows: the job wrote no losses")
    return tuple(sorted(rows, key=attrgetter("epoch", "step")))


def verdict(losses: LossHistory, *, planned_epochs: int | None) -> str:
    """Say in one sentence what the curves show."""
    first, last = losses.epochs[0], losses.epochs[-1]
    trained = f"Training loss went from {first.training_loss:.3f} to {last.training_loss:.3f} over "
    trained += _epochs(len(losses.epochs), planned_epochs)
    return f"{trained}; {_validation_verdict(losses)}."


def _validation_verdict(losses: LossHistory) -> str:
    best, last = losses.best, losses.last_validated
    if best is None or last is None:
        return "without validation losses, over-fitting cannot be assessed"
    lowest = f"validation loss was lowest in epoch {best.epoch} ({_validation_loss(best):.3f})"
    if losses.over_fit:
        return (
            f"{lowest} and rose to {_validation_loss(last):.3f} by epoch {last.epoch} while "
            f"training loss did not: the model over-fits after epoch {best.epoch}"
        )
    if best.epoch == last.epoch:
        return f"{lowest}, the last one: no over-fitting, and more epochs may still help"
    return f"{lowest} and has not clearly risen since: no over-fitting"


def _epochs(trained: int, planned: int | None) -> str:
    if planned is not None and trained < planned:
        return f"{trained} of {planned} epochs (stopped early)"
    return f"{trained} epoch{'s' if trained != 1 else ''}"


def _row(row: dict[str, str | None], column: str, where: str) -> Loss:
    try:
        step, epoch = _number(row["step_number"]), _number(row["epoch_number"])
        return Loss(int(step), int(epoch), _number(row[column]))
    except ValueError as error:
        raise LossCurvesMissing(
            f"{where} cannot be read ({error}): a loss that is not a finite number means that "
            "training diverged; lower the learning rate or look for broken records"
        ) from error


def _number(text: str | None) -> float:
    number = float(text or "")
    if not math.isfinite(number):
        raise ValueError(f"{text} is not a finite number")
    return number


def _means(losses: Sequence[Loss]) -> Iterator[tuple[int, float]]:
    for epoch, rows in groupby(losses, key=attrgetter("epoch")):
        yield epoch, fmean(row.loss for row in rows)


def _rose(before: float, after: float) -> bool:
    return after > before * (1 + TOLERANCE)


def _validation_loss(epoch: Epoch) -> float:
    return math.inf if epoch.validation_loss is None else epoch.validation_loss
