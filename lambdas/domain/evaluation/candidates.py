"""What a run compares its tuned model with, beside the base model: see `also_compare`."""

from __future__ import annotations

from dataclasses import dataclass

from lambdas.domain.hosting.answering import SECONDS, answering_minutes
from lambdas.domain.models.lookup import find_model, find_untuned
from lambdas.domain.run.contracts import OtherAnswers, Run
from lambdas.domain.run.execution_input import FEW_SHOT, Settings

_LEAST_MINUTES = 60  # of one: four passes, for a model that is slow or throttled
_ALL_MINUTES = 48 * 60  # of all together: half of the slack in the state machine's time-out


@dataclass(frozen=True)
class Candidate:
    """An untuned model that answers the same questions.

    `key` is that of `also_compare`, `model` that of the catalogue and its prices.
    """

    key: str
    name: str  # within a sentence
    model: str
    provider: str
    model_id: str  # what Converse takes
    shows_examples: bool = False  # training examples are turns before each question


def candidates_of(settings: Settings) -> list[Candidate]:
    """Return what `also_compare` names, in its order."""
    return [_candidate(key, settings) for key in settings.also_compare]


def _candidate(key: str, settings: Settings) -> Candidate:
    if key == FEW_SHOT:
        base = find_model(settings.model)
        return Candidate(
            key,
            "the base model with examples",
            base.key,
            base.provider,
            base.base_inference.model_id,
            shows_examples=True,
        )
    model = find_untuned(key)
    return Candidate(key, model.name, key, model.provider, model.inference.model_id)


def unsettled(settings: Settings, so_far: OtherAnswers) -> list[Candidate]:
    """Return those that have neither answered all nor been given up."""
    return [each for each in candidates_of(settings) if not so_far.has_settled(each.key)]


def may_have_asked(settings: Settings, so_far: OtherAnswers) -> list[Candidate]:
    """Return those that may have been asked: the settled ones, and the one after them."""
    never = unsettled(settings, so_far)[1:]
    return [each for each in candidates_of(settings) if each not in never]


def most_minutes(settings: Settings, questions: int) -> float:
    """Return for how long one of them is asked before it is given up."""
    needed = max(_LEAST_MINUTES, answering_minutes(questions, SECONDS[-1]))
    return min(needed, _ALL_MINUTES / len(settings.also_compare))


def answers_prefix(run: Run, key: str) -> str:
    return f"{run.prefix}/answers-{key}/"
