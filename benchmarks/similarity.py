"""How long one question takes *Score similarity*: a reference, and two answers to compare with it.

    OPENBLAS_NUM_THREADS=1 python -m benchmarks.similarity [--model FOLDER] [--rounds N]

FOLDER is one that `make weights` takes; without it, the installed English weights are used. Times
are the processor's, of one thread: other processes hardly change them.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from lambdas.domain.evaluation.similarity.bertscore import BertScore
from lambdas.domain.evaluation.similarity.overlap import chrf, rouge_l
from lambdas.domain.evaluation.similarity.weights import load_weights
from operate.weights.making import make_weights, of_folder, of_wheel

_SEED = 20261129
_TEXT = """the model is billed by the hour until somebody deletes its throughput and the validation
loss of every epoch says whether training went on for too long with records that repeat"""
_LENGTHS = ((20, 20), (75, 80), (200, 220), (600, 600))  # words of the reference, and of an answer


def main() -> None:
    """Print one line for each pair of lengths."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    source = of_folder(options.model) if options.model else of_wheel()
    if source is None:
        sys.exit("the English weights are not installed: make setup")
    path = make_weights(source)
    began = time.process_time()
    weights = load_weights(path)
    seconds = time.process_time() - began
    _say(f"{source.name}: loaded and checked in {seconds:.2f} s, off by {weights.difference:.1e}")
    _say("words       BERTScore of two answers, ms   ROUGE-L of one, ms   chrF of one, ms")
    for lengths in _LENGTHS:
        _say(_line(weights.scorer, lengths, options.rounds))


def _line(scorer: BertScore, lengths: tuple[int, int], rounds: int) -> str:
    chance, vocabulary = random.Random(_SEED), _TEXT.split()  # noqa: S311  # repeatable, not secret
    reference, *answers = (
        " ".join(chance.choices(vocabulary, k=words)) for words in (lengths[0], *[lengths[1]] * 2)
    )

    def score_both() -> None:
        expected, *said = scorer.embed(reference, *answers)
        for answer in said:
            scorer.score(answer, expected)

    bert = _milliseconds(score_both, rounds)
    rouge = _milliseconds(lambda: rouge_l(answers[0], reference), rounds)
    characters = _milliseconds(lambda: chrf(answers[0], reference), rounds)
    return f"{lengths[0]:4} x {lengths[1]:<4} {bert:29.0f} {rouge:20.2f} {characters:17.2f}"


def _milliseconds(act: Callable[[], object], rounds: int) -> float:
    times = []
    for _ in range(rounds):
        began = time.process_time()
        act()
        times.append(time.process_time() - began)
    return median(times) * 1000


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


if __name__ == "__main__":
    main()
