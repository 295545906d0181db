"""A small language model, fitted to the uploaded pairs: the source of a job's losses.

It predicts each word of an answer from the word before it and from the words of the question: a
log-bilinear model with learnt embeddings, trained with Adam. One more weight learns how much
likelier a word of the question is in its answer; answers that do not belong to their questions
leave it at nothing, and validate worse. Losses are its cross-entropies in nats per token of about
four characters, on the training data step by step and on the validation data after each epoch.
Everything is deterministic.
"""

from __future__ import annotations

import functools
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from local.bedrock.tokenization import DENSE, count_tokens

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_DIMENSIONS = 24
_LEARNING_RATE = 0.03  # at rate 1: the loss then falls over ten epochs as a real job's does
_MOST_WORDS = 1500
_COMMON_SHARE = 0.08
_REPEAT_SPEED = 6.0  # one number against thousands: it has as few steps to get anywhere
_UNKNOWN, _START = 0, 1
_FITS_KEPT = 16  # of this process; a test session plays few datasets, over and over
_WORD = re.compile(r"\w+|[^\w\s]")


@dataclass(frozen=True)
class TrainingPair:
    """What a record teaches: the assistant's last turn, after the user's, and what came before."""

    prompt: str
    completion: str
    system: str = ""
    history: str = ""  # the turns before the last two


@dataclass(frozen=True)
class LossPoint:
    """One row of the metrics; steps count from 0, epochs from 1."""

    step: int
    epoch: int
    loss: float


@dataclass(frozen=True)
class Fitted:
    """A tuned model: what it has seen, how its losses went, and how far it got.

    `fluency` is the share of the first loss that training has removed, from 0 to 1.
    """

    pairs: tuple[TrainingPair, ...]
    training: tuple[LossPoint, ...]
    validation: tuple[LossPoint, ...]
    epochs: int
    fluency: float


@dataclass(frozen=True)
class _Example:
    prompt: Ints
    telling: Ints  # the question's words that are not in every other question
    before: Ints
    target: Ints
    tokens: int


@functools.lru_cache(maxsize=_FITS_KEPT)
def fit(  # noqa: PLR0913  # a job's hyperparameters
    pairs: tuple[TrainingPair, ...],
    validation_pairs: tuple[TrainingPair, ...],
    *,
    epochs: int,
    batch_size: int,
    rate: float,
    early_stopping: tuple[float, int] | None,
) -> Fitted:
    """Train and return the tuned model; the same data and hyperparameters are fitted once.

    `early_stopping` is (threshold, patience): training ends when the validation loss has not
    improved by more than the threshold for so many epochs.
    """
    words, common = _vocabulary(pairs), _common(pairs)
    examples = [_encode(pair, words, common) for pair in pairs]
    held_out = [_encode(pair, words, common) for pair in validation_pairs]
    model = _LogBilinearModel(len(words) + 2, _LEARNING_RATE * rate)
    training: list[LossPoint] = []
    validation: list[LossPoint] = []
    for epoch in range(1, epochs + 1):
        for batch in _batches(examples, batch_size, epoch):
            training.append(LossPoint(len(training), epoch, model.learn(batch)))
        if held_out:
            validation.append(LossPoint(len(training), epoch, model.loss(held_out)))
            if early_stopping and _flat(validation, *early_stopping):
                break
    fluency = 1 - min(1.0, training[-1].loss / training[0].loss)
    return Fitted(pairs, tuple(training), tuple(validation), training[-1].epoch, fluency)


def _flat(validation: list[LossPoint], threshold: float, patience: int) -> bool:
    if len(validation) <= patience:
        return False
    best = min(step.loss for step in validation[:-patience])
    return all(step.loss > best - threshold for step in validation[-patience:])


def _words(text: str) -> list[str]:
    """Cut into words and signs; a script without spaces into its letters."""
    found = _WORD.findall(text.lower())
    return [piece for word in found for piece in (word if DENSE.search(word) else [word])]


def _asked(pair: TrainingPair) -> list[str]:
    return _words(f"{pair.history}\n{pair.prompt}")


def _vocabulary(pairs: Sequence[TrainingPair]) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for pair in pairs:
        counts.update(_asked(pair))
        counts.update(_words(pair.completion))
    return {word: index + 2 for index, (word, _) in enumerate(counts.most_common(_MOST_WORDS))}


def _common(pairs: Sequence[TrainingPair]) -> set[str]:
    counts = Counter(word for pair in pairs for word in set(_asked(pair)))
    return {word for word, count in counts.items() if count > _COMMON_SHARE * len(pairs)}


def _encode(pair: TrainingPair, words: dict[str, int], common: set[str]) -> _Example:
    asked = _asked(pair)
    telling = {words[word] for word in asked if word in words and word not in common}
    target = np.array([words.get(word, _UNKNOWN) for word in _words(pair.completion)] or [_UNKNOWN])
    return _Example(
        prompt=np.array([words.get(word, _UNKNOWN) for word in asked] or [_UNKNOWN]),
        telling=np.array(sorted(telling), dtype=np.int64),
        before=np.concatenate([[_START], target[:-1]]),
        target=target,
        tokens=count_tokens(pair.completion),
    )


def _batches(examples: list[_Example], size: int, epoch: int) -> list[list[_Example]]:
    order = np.random.default_rng(epoch).permutation(len(examples))
    return [[examples[i] for i in order[at : at + size]] for at in range(0, len(order), size)]


class _LogBilinearModel:
    """Scores of the next word: output x (embedding of the word before + mean of the question's)."""

    def __init__(self, size: int, learning_rate: float) -> None:
        random = np.random.default_rng(7)
        shape = (size, _DIMENSIONS)
        self._weights: dict[str, Floats] = {
            "before": random.normal(0, 0.1, shape),
            "prompt": random.normal(0, 0.1, shape),
            "output": random.normal(0, 0.1, shape),
            "bias": np.zeros(size),
            "repeat": np.zeros(1),
        }
        self._first = {name: np.zeros_like(weight) for name, weight in self._weights.items()}
        self._second = {name: np.zeros_like(weight) for name, weight in self._weights.items()}
        self._rate, self._steps = learning_rate, 0

    def loss(self, batch: list[_Example]) -> float:
        """Return the mean cross-entropy in nats per token."""
        nats = sum(float(-np.log(self._forward(example)[1]).sum()) for example in batch)
        return nats / sum(example.tokens for example in batch)

    def _forward(self, example: _Example) -> tuple[Floats, Floats, Floats]:
        weights = self._weights
        question = weights["prompt"][example.prompt].mean(axis=0)
        hidden = weights["before"][example.before] + question
        scores = hidden @ weights["output"].T + weights["bias"]
        scores[:, example.telling] += weights["repeat"]
        scores -= scores.max(axis=1, keepdims=True)
        chances = np.exp(scores)
        chances /= chances.sum(axis=1, keepdims=True)
        right = chances[np.arange(len(example.target)), example.target]
        return chances, np.maximum(right, 1e-12), hidden

    def learn(self, batch: list[_Example]) -> float:
        """Take one step on `batch`; return the loss before it."""
        gradients = {name: np.zeros_like(weight) for name, weight in self._weights.items()}
        nats = sum(self._add_gradients(gradients, example) for example in batch)
        count = sum(len(example.target) for example in batch)
        self._steps += 1
        for name, gradient in gradients.items():
            self._adam(name, gradient / count)
        return nats / sum(example.tokens for example in batch)

    def _add_gradients(self, gradients: dict[str, Floats], example: _Example) -> float:
        chances, right, hidden = self._forward(example)
        chances[np.arange(len(example.target)), example.target] -= 1
        gradients["bias"] += chances.sum(axis=0)
        gradients["repeat"] += chances[:, example.telling].sum()
        gradients["output"] += chances.T @ hidden
        back = chances @ self._weights["output"]
        np.add.at(gradients["before"], example.before, back)
        np.add.at(gradients["prompt"], example.prompt, back.sum(axis=0) / len(example.prompt))
        return float(-np.log(right).sum())

    def _adam(self, name: str, gradient: Floats) -> None:
        first, second = self._first[name], self._second[name]
        first *= 0.9
        first += 0.1 * gradient
        second *= 0.99
        second += 0.01 * gradient**2
        mean = first / (1 - 0.9**self._steps)
        spread = second / (1 - 0.99**self._steps)
        rate = self._rate * (_REPEAT_SPEED if name == "repeat" else 1.0)
        self._weights[name] -= rate * mean / (np.sqrt(spread) + 1e-8)
