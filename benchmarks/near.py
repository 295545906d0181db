"""Measures the near-duplicate search by kind of file: `python -m benchmarks.near`.

Files of similar records are where a quadratic comparison would show: the milliseconds of CPU per
record stay about the same when the file grows.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Callable, Iterator

from lambdas.validation.formats.conversation import Conversation, Turn
from lambdas.validation.warnings.dataset_warnings import Sketch, dataset_warnings, sketch

_WORDS = 2_000
Pair = tuple[str, str]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--records", type=int, nargs="+", default=[2_500, 10_000])
    options = parser.parse_args()
    sys.stdout.write("CPU ms a record, without the sketches (target: 0.5)\n")
    for name, kind in KINDS.items():
        figures = (f"{count:,}: {_milliseconds(kind, count):.3f}" for count in options.records)
        sys.stdout.write(f"  {name:34} {', '.join(figures)}\n")
        sys.stdout.flush()


def _milliseconds(kind: Callable[[int], Iterator[Pair]], count: int) -> float:
    records = [(line, _sketch(*pair)) for line, pair in enumerate(kind(count), start=1)]
    start = time.process_time()
    for _ in dataset_warnings({"training": records}):
        pass
    return (time.process_time() - start) / count * 1e3


def _sketch(prompt: str, answer: str) -> Sketch:
    return sketch(Conversation(None, (Turn("user", prompt), Turn("assistant", answer))))


class _Text:
    """Made-up words, the same at every run."""

    def __init__(self) -> None:
        self._chance = random.Random(11)  # noqa: S311  # no secret: a repeatable choice
        letters = "aeioulnrstmdkpbgv"
        self._words = ["".join(self._chance.choices(letters, k=7)) for _ in range(_WORDS)]

    def of(self, words: int) -> str:
        return " ".join(self._chance.choices(self._words, k=words))

    def edited(self, text: str, share: float) -> str:
        words = text.split()
        return " ".join(self.of(1) if self._chance.random() < share else each for each in words)


def _random(count: int) -> Iterator[Pair]:
    text = _Text()
    yield from ((text.of(15), text.of(50)) for _ in range(count))


def _copies(count: int) -> Iterator[Pair]:
    text = _Text()
    yield from [(text.of(15), text.of(50))] * count


def _copies_of_a_twelfth(count: int) -> Iterator[Pair]:
    text = _Text()
    pair = (text.of(15), text.of(50))
    yield from (pair if at % 12 == 0 else (text.of(15), text.of(50)) for at in range(count))


def _template(count: int) -> Iterator[Pair]:
    for at in range(count):
        prompt = f"What does order {at} of our customer cost, with tax and shipping?"
        answer = (
            f"Order {at} costs {at * 7 % 1000} dollars, with tax and with shipping to the address "
            "that the customer gave us when ordering it."
        )
        yield prompt, answer


def _families(size: int) -> Callable[[int], Iterator[Pair]]:
    """Return what makes records of which each has `size` that say nearly the same."""

    def make(count: int) -> Iterator[Pair]:
        text = _Text()
        originals = [(text.of(25), text.of(50)) for _ in range(max(1, count // size))]
        for at in range(count):
            prompt, answer = originals[at % len(originals)]
            yield text.edited(prompt, 0.05), text.edited(answer, 0.05)

    return make


KINDS: dict[str, Callable[[int], Iterator[Pair]]] = {
    "random": _random,
    "copies": _copies,
    "copies of every twelfth": _copies_of_a_twelfth,
    "one template with a number": _template,
    "ten that are nearly the same": _families(10),
    "a hundred that are nearly the same": _families(100),
    "all nearly the same": _families(100_000),
}

if __name__ == "__main__":
    main()
