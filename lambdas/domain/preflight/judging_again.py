"""Whether the answers of an earlier run can be judged again, which takes a judge and no more."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from lambdas.domain.errors import PreflightFailed
from lambdas.domain.models.lookup import nearest
from lambdas.domain.run.contracts import Answers, Run
from lambdas.domain.run.earlier_run import EarlierRun
from lambdas.domain.run.execution_input import ExecutionInput
from lambdas.domain.run.names import custom_model_of


@dataclass(frozen=True)
class EarlierAnswers:
    """A run whose dataset was valid, and what it has left of its models' answers."""

    run: EarlierRun
    base: Answers
    tuned: Answers
    missing: Sequence[str]  # files of theirs that are gone


def answers_given(
    name: str, found: EarlierAnswers | None, known: Callable[[], Sequence[str]]
) -> EarlierAnswers:
    """Return the answers that `answers_of_run` names.

    Raises
    ------
    PreflightFailed
        There is no such run with answers of its own; `known` lists those that there are.
    """
    if found is None:
        guess = nearest(name, known())
        hint = f"Did you mean {guess!r}? " if guess else ""
        raise PreflightFailed(
            f"answers_of_run: there is no run {name!r} of this environment whose dataset was "
            f"valid, or its files have expired (expire_runs_after_days). {hint}Leave "
            "answers_of_run out to have both models asked"
        )
    if found.run.answers_of_run:
        raise PreflightFailed(
            f"run {name} has no answers: it judged those of another again. Give "
            f'"answers_of_run": "{found.run.answers_of_run}"'
        )
    return found


def with_settings_of(earlier: EarlierRun, settings: ExecutionInput) -> ExecutionInput:
    """Return the settings with those that the answers depend on."""
    return settings.model_copy(update=earlier.settings.model_dump())


def problems_of_answers(given: EarlierAnswers, raw: Mapping[str, object]) -> Iterable[str]:
    """Yield why the answers cannot be judged; `raw` is the execution's input."""
    run = given.run
    ask_again = f'"tuned_by_run": "{run.tuned_by}"'
    for name, own in run.settings.model_dump().items():
        if name in raw and raw[name] != own:
            yield (
                f"{name} is {json.dumps(raw[name])}, and {json.dumps(own)} in run {run.name}, "
                f"whose answers depend on it: leave {name} out, or start with {ask_again} instead "
                "of answers_of_run to have the models asked"
            )
    for side, answers in (("base", given.base), ("tuned", given.tuned)):
        settled = answers.answered + answers.failed
        if settled != run.asked:
            yield (
                f"run {run.name} has answers of the {side} model to {settled} of "
                f"{run.asked} questions: it ended before it had the rest, or is "
                f"under way, or they have expired. Wait, or start with {ask_again}, which trains "
                "nothing if the model is there"
            )
    if given.missing:
        yield (
            f"{given.missing[0]} and {len(given.missing) - 1} other files of answers do not exist: "
            f"the files of a run expire (expire_runs_after_days). Start with {ask_again}"
        )


def judging_again(run: Run, given: EarlierAnswers) -> Run:
    """Return a run that judges these answers: nothing is asked of anyone but the judge."""
    tuned_by = given.run.tuned_by
    changes = {
        "tuned_by_run": tuned_by,
        "custom_model_name": custom_model_of(run.environment, tuned_by),
        "answers_of_run": given.run.name,
        "base_answers": given.base,
        "tuned_answers": given.tuned,
        "comprehend_max_usd": 0,  # that run's data was screened
    }
    return run.model_copy(update=changes)
