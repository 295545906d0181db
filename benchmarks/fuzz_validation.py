"""Fuzzes the validator against the slow reference of the tests, on broken datasets.

`python -m benchmarks.fuzz_validation --inputs 1000000 --seed 1` prints its progress, each input on
which the two differ or the validator raises, and totals; it ends with status 1 if there is any.
Input number N depends on the seed and on N alone: `--first N --inputs 1` repeats it.
"""

from __future__ import annotations

import argparse
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from random import Random
from typing import NamedTuple

from lambdas.domain.models.model import Limits, Model
from lambdas.validation import MAX_LINE_BYTES
from tests.unit.validation.corpus.agreement import Cuts, disagreement
from tests.unit.validation.corpus.corpus import ONE_OF_EACH, Kind, good_lines
from tests.unit.validation.corpus.corpus_all import CASES
from tests.unit.validation.corpus.mutations import broken

_MOST_SEED_BYTES = 1500
_SECONDS_BETWEEN_REPORTS = 20
_WARNED = 50  # one input in 50 is checked with warnings, which take much longer
# So small that every limit is met and passed often.
_SMALL = Limits(
    min_training_records=2,
    max_training_records=4,
    max_validation_records=3,
    max_total_records=6,
    max_tokens_per_record=12,
    max_training_bytes=2500,
    max_validation_bytes=1500,
    min_total_records=3,
)


class Input(NamedTuple):
    """One broken dataset, and how it is checked."""

    model: Model
    files: Mapping[Kind, bytes]
    cuts: Cuts
    warnings: bool


class Maker:
    """Makes inputs, each from the seed and its number."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._models = [
            model
            for each in ONE_OF_EACH
            for model in (each, each.model_copy(update={"limits": _SMALL}))
        ]
        self._seeds = {
            (model.key, kind): _seeds(model, kind)
            for model in ONE_OF_EACH
            for kind in ("training", "evaluation")
        }

    def make(self, number: int) -> Input:
        rng = Random(f"{self._seed}:{number}")  # noqa: S311  # it has to be repeatable
        model = rng.choice(self._models)
        kind = rng.choice(_KINDS)
        seeds = self._seeds[model.key, "evaluation" if kind == "evaluation" else "training"]
        training = rng.choice(seeds) if kind != "training" else broken(rng, seeds)
        files: dict[Kind, bytes] = {"training": training}
        if kind != "training":
            files[kind] = broken(rng, seeds)
        return Input(model, files, _cuts(rng), number % _WARNED == 0)


_KINDS: tuple[Kind, ...] = ("training", "training", "training", "validation", "evaluation")


def _seeds(model: Model, kind: Kind) -> Sequence[bytes]:
    good = good_lines(model, kind).split(b"\n")[0]
    own = [
        case.own
        for case in CASES
        if (
            case.kind == "evaluation"
            if kind == "evaluation"
            else case.kind != "evaluation" and case.model.record_format == model.record_format
        )
        and len(case.own) < _MOST_SEED_BYTES
    ]
    return [*own, *[good] * (len(own) // 3)]


def _cuts(rng: Random) -> Cuts:
    if rng.choice((True, False)):
        return Cuts()
    return Cuts(
        range_bytes=rng.randint(1, 300),
        max_line_bytes=rng.choice((1, 100, 200, *[MAX_LINE_BYTES] * 4)),
    )


def fuzz(maker: Maker, numbers: Sequence[int]) -> Iterator[tuple[int, Input, str]]:
    """Yield each number with its input and what is wrong with the result, or an empty string."""
    for number in numbers:
        made = maker.make(number)
        try:
            wrong = disagreement(made.model, made.files, made.cuts, warnings=made.warnings)
        except Exception:  # noqa: BLE001  # raising is what is under test
            wrong = traceback.format_exc()
        yield number, made, wrong


def main() -> int:
    options = _parser().parse_args()
    totals: Counter[str] = Counter()
    begun = told = time.monotonic()
    numbers = range(options.first, options.first + options.inputs)
    for number, made, wrong in fuzz(Maker(options.seed), numbers):
        totals["inputs"] += 1
        totals["lines"] += sum(each.count(b"\n") + 1 for each in made.files.values())
        totals["bytes"] += sum(map(len, made.files.values()))
        if wrong:
            totals["crashes" if wrong.startswith("Traceback") else "disagreements"] += 1
            _say(f"input {number}: {made.model.key} {made.cuts} {dict(made.files)}\n{wrong}")
            if totals["crashes"] + totals["disagreements"] >= options.stop_after:
                break
        if time.monotonic() - told > _SECONDS_BETWEEN_REPORTS:
            told = time.monotonic()
            _say(_progress(totals, told - begun))
    _say(f"seed {options.seed}: {_progress(totals, time.monotonic() - begun)}")
    return int(bool(totals["crashes"] or totals["disagreements"]))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--inputs", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="number of the first input")
    parser.add_argument("--stop-after", type=int, default=20, help="wrong inputs")
    return parser


def _progress(totals: Counter[str], seconds: float) -> str:
    counts = ", ".join(
        f"{totals[what]:,} {what}"
        for what in ("inputs", "lines", "bytes", "crashes", "disagreements")
    )
    return f"{counts} in {seconds:.0f} s"


def _say(text: str) -> None:
    sys.stdout.write(text.encode(errors="backslashreplace").decode() + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
