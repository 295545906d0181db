"""Training and validation loss: parsed from Bedrock's files, averaged, and assessed.

The model is paid for when these are read: whatever is wrong with a file is said, and fails nothing.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from operator import attrgetter
from statistics import fmean

TRAINING_FILE = "step_wise_training_metrics.csv"
VALIDATION_FILE = "validation_metrics.csv"
_MOST_WARNINGS = 3  # of one file
_DIVERGED = (
    "Training diverged: a loss is not a finite number. Lower the learning rate, or look for broken "
    "records."
)
TOLERANCE = 0.005  # a rise of the validation loss by less than half a per cent is noise


@dataclass(frozen=True)
class Loss:
    """One row of a metrics file."""

    step: int
    epoch: int
    loss: float


@dataclass(frozen=True)
class Epoch:
    """Mean losses of one epoch; None where the job wrote none for it."""

    epoch: int
    training_loss: float | None
    validation_loss: float | None


@dataclass(frozen=True)
class Curve:
    """The losses of one metrics file, and what is wrong with the file."""

    losses: tuple[Loss, ...] = ()
    warnings: tuple[str, ...] = ()
    diverged: bool = False  # a loss is not a finite number


@dataclass(frozen=True)
class LossHistory:
    """What the job measured."""

    steps: tuple[Loss, ...]
    validations: tuple[Loss, ...]
    epochs: tuple[Epoch, ...]
    warnings: tuple[str, ...] = ()  # of the training file first
    diverged: bool = False  # a training loss is not a finite number
    whole: bool = True  # the training file shows every epoch

    @property
    def trained(self) -> tuple[Epoch, ...]:
        """The epochs whose training loss is known."""
        return tuple(each for each in self.epochs if each.training_loss is not None)

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
        if best.training_loss is None or last.training_loss is None:
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


def history(training: Curve, validation: Curve) -> LossHistory:
    """Average both curves by epoch."""
    trained, validated = dict(_means(training.losses)), dict(_means(validation.losses))
    epochs = tuple(
        Epoch(epoch, trained.get(epoch), validated.get(epoch))
        for epoch in sorted(trained.keys() | validated.keys())
    )
    return LossHistory(
        steps=training.losses,
        validations=validation.losses,
        epochs=epochs,
        warnings=training.warnings + validation.warnings,
        diverged=training.diverged,
        whole=bool(training.losses) and not training.warnings,
    )


def missing(file: str, where: str) -> Curve:
    return Curve(warnings=(f"{file} is missing: there is none under {where}",))


def parse(text: str, column: str, file: str) -> Curve:
    """Parse a metrics file by its header; other columns (perplexity) are ignored.

    A last line that does not end is left out: half a number is a number too. Bedrock ends its last
    line (as in the published report's files, read 2026-11-23).
    """
    whole, _, rest = text.lstrip("\ufeff").rpartition("\n")
    reader = csv.DictReader(io.StringIO(whole), skipinitialspace=True)
    try:
        absent = {"step_number", "epoch_number", column} - set(reader.fieldnames or ())
        if absent:
            return Curve(warnings=(_no_column(file, absent, reader.fieldnames or ()),))
        curve = _curve([(reader.line_num, row) for row in reader], column, file)
    except csv.Error as error:
        return Curve(warnings=(f"{file} cannot be read: {error}",))
    cut = (f"{file}: its last line is cut off, and left out",) if rest else ()
    return replace(curve, warnings=curve.warnings + cut)


def _no_column(file: str, absent: Iterable[str], found: Sequence[str]) -> str:
    return (
        f"{file} has no column {', '.join(sorted(absent))} but "
        f"{', '.join(found) or 'nothing at all'}: Bedrock may have changed the file"
    )


def _curve(rows: Sequence[tuple[int, dict[str, str | None]]], column: str, file: str) -> Curve:
    losses: list[Loss] = []
    warnings: list[str] = []
    diverged = False
    for line, row in rows:
        try:
            loss = _row(row, column)
        except ValueError as error:
            warnings.append(f"{file}, line {line} cannot be read: {error}")
            continue
        if math.isfinite(loss.loss):
            losses.append(loss)
        else:
            warnings.append(f"{file}, line {line}: the loss is {loss.loss} in epoch {loss.epoch}")
            diverged = True
    if not rows:
        warnings.append(f"{file} has a header but no rows: the job wrote no losses")
    return Curve(tuple(sorted(losses, key=attrgetter("epoch", "step"))), _few(warnings), diverged)


def _few(warnings: Sequence[str]) -> tuple[str, ...]:
    rest = len(warnings) - _MOST_WARNINGS
    return (*warnings[:_MOST_WARNINGS], *([f"and {rest} more lines like these"] * (rest > 0)))


def verdict(losses: LossHistory, *, planned_epochs: int | None) -> str:
    """Say in one sentence what the curves show, and in others what is wrong with them."""
    said = [_DIVERGED] if losses.diverged else []
    said.append(f"{_training_verdict(losses, planned_epochs)}; {_validation_verdict(losses)}.")
    return " ".join([*said, *(f"{each}." for each in losses.warnings)])


def _training_verdict(losses: LossHistory, planned_epochs: int | None) -> str:
    if not losses.trained:
        return "There is no training loss"
    first, last = losses.trained[0], losses.trained[-1]
    went = f"Training loss went from {first.training_loss:.3f} to {last.training_loss:.3f} over "
    return went + _epochs(len(losses.trained), planned_epochs if losses.whole else None)


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
        more = "no over-fitting; more epochs, where the model takes them, may still help"
        return f"{lowest}, the last one: {more}"
    return f"{lowest} and has not clearly risen since: no over-fitting"


def _epochs(trained: int, planned: int | None) -> str:
    if planned is not None and trained < planned:
        return f"{trained} of {planned} epochs (stopped early)"
    return f"{trained} epoch{'s' if trained != 1 else ''}"


def _row(row: dict[str, str | None], column: str) -> Loss:
    """Return the row's loss, finite or not; ValueError for what is no number at all, or cut."""
    step, epoch, loss = (float(row[name] or "") for name in ("step_number", "epoch_number", column))
    if not math.isfinite(step) or not math.isfinite(epoch):
        raise ValueError(f"step {step} of epoch {epoch}")
    return Loss(int(step), int(epoch), loss)


def _means(losses: Sequence[Loss]) -> Iterator[tuple[int, float]]:
    for epoch, rows in groupby(losses, key=attrgetter("epoch")):
        yield epoch, fmean(row.loss for row in rows)


def _rose(before: float, after: float) -> bool:
    return after > before * (1 + TOLERANCE)


def _validation_loss(epoch: Epoch) -> float:
    return math.inf if epoch.validation_loss is None else epoch.validation_loss
