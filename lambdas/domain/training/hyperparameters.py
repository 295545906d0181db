"""The hyperparameters of a training: what is given, and for the rest what the data's size advises.

The size is known once the dataset is checked; *Quote cost* decides, and an approval is bound to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from math import inf
from typing import NamedTuple

from lambdas.domain.models.model import HyperparameterRange, Model

DEFAULT = "the model's default"
GIVEN = "set by the input or the environment"
# Up to so many records: so many epochs, and so many records a batch. The advice for Claude 3 Haiku
# is a batch of 4 to 16 under 500 records, 16 to 32 to 1,000, 32 to 64 above; about 10 epochs for
# tens of records, 1 or 2 for thousands; the learning rate times 1. What lies between is ours. As
# summaries of this page have it, read 2026-11-23:
# https://aws.amazon.com/blogs/machine-learning/best-practices-and-lessons-for-fine-tuning-anthropics-claude-3-haiku-on-amazon-bedrock/
# For Nova AWS only says that fewer records need more epochs, read 2026-11-28:
# https://docs.aws.amazon.com/nova/latest/userguide/customize-fine-tune-hyperparameters.html
_SIZES = ((200, 10, 8), (500, 5, 16), (1_000, 3, 32), (5_000, 2, 64), (inf, 1, 64))
_LEARNING_RATE_MULTIPLIER = 1.0


class Hyperparameters(NamedTuple):
    """All of a model's, as the text that Bedrock's API takes, and the reason for each value."""

    values: dict[str, str]
    reasons: dict[str, str]


class _Choice(NamedTuple):
    value: float
    reason: str


def choose_hyperparameters(
    model: Model, given: Mapping[str, float | str], records: int
) -> Hyperparameters:
    """Return the hyperparameters for a training file of so many records.

    What is `given` is within the model's ranges already; what is chosen is kept within them.
    """
    chosen = {
        name: _Choice(float(given[name]), GIVEN) if name in given else _chosen(allowed, records)
        for name, allowed in model.hyperparameters.items()
    }
    return Hyperparameters(
        {name: _as_text(it.value, model.hyperparameters[name]) for name, it in chosen.items()},
        {name: it.reason for name, it in chosen.items()},
    )


def _chosen(allowed: HyperparameterRange, records: int) -> _Choice:
    advised = _advised(allowed, records)
    if advised is None:
        return _Choice(allowed.default, DEFAULT)
    value, reason = advised
    if value > allowed.maximum:
        return _Choice(allowed.maximum, f"{reason}; the model takes at most this")
    if value < allowed.minimum:
        return _Choice(allowed.minimum, f"{reason}; the model takes at least this")
    return advised


def _advised(allowed: HyperparameterRange, records: int) -> _Choice | None:
    """Return what is advised for a hyperparameter of this role; None if nothing is."""
    most, epochs, batch = next(size for size in _SIZES if records <= size[0])
    size = f"up to {most:,.0f} records" if most < inf else f"more than {_SIZES[-2][0]:,} records"
    match allowed.role:
        case "epochs":
            return _Choice(epochs, f"{epochs} advised for {size}")
        case "batch-size":
            return _Choice(batch, f"{batch} advised for {size}")
        case "learning-rate-multiplier":
            return _Choice(_LEARNING_RATE_MULTIPLIER, "1 advised to start with")
        case "warmup-steps" if allowed.records_per_step:
            per_step = allowed.records_per_step
            return _Choice(round(records / per_step), f"one advised for every {per_step} records")
        case _:
            return None


def _as_text(value: float, allowed: HyperparameterRange) -> str:
    # Plain digits, since Bedrock does not document exponents.
    return str(int(value)) if allowed.integer else format(Decimal(repr(value)).normalize(), "f")
