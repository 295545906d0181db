"""*Answer with other models*: untuned ones, one a pass, before any hosting is paid for."""

from __future__ import annotations

from datetime import datetime
from functools import partial

from lambdas.aws.artefacts import Artefacts
from lambdas.aws.billing import Billing
from lambdas.aws.converse import ConverseClient
from lambdas.aws.frozen_files import require_unchanged
from lambdas.aws.record_files import S3Shards
from lambdas.domain.cost.quote import answers_of
from lambdas.domain.errors import AccessDenied, AnswersFailed, QuotaExceeded
from lambdas.domain.evaluation.answers import answer_questions
from lambdas.domain.evaluation.candidates import (
    Candidate,
    answers_prefix,
    most_minutes,
    unsettled,
)
from lambdas.domain.evaluation.few_shot import examples_key, turns_of
from lambdas.domain.run.contracts import (
    Answers,
    AnswerWithOtherModelsRequest,
    OtherAnswers,
    Run,
    ShownExamples,
)
from lambdas.domain.run.times import duration, minutes_between
from lambdas.runtime.step import SecondsLeft, logger, timed_step
from lambdas.validation.formats.conversation import Turn


def answer_with_other_models(
    request: AnswerWithOtherModelsRequest, seconds_left: SecondsLeft
) -> OtherAnswers:
    """Ask the first model that is not settled, as far as time allows.

    Where it fails it is given up, and the run goes on: its verdict needs base and tuned only.
    """
    settings, so_far = request.run.settings, request.so_far or OtherAnswers()
    candidate, *_ = unsettled(settings, so_far)
    since = so_far.asked_since or request.now
    artefacts = Artefacts(request.run.bucket)
    require_unchanged(artefacts, [request.dataset.evaluation])
    try:
        _check_time(request, since)
        answers = _answers(request, candidate, artefacts, seconds_left)
        found = OtherAnswers(
            answers={**so_far.answers, candidate.key: answers},
            failures=so_far.failures,
            asked_since=None if answers.done else since,
        )
    except (AccessDenied, AnswersFailed, QuotaExceeded) as error:
        logger.warning("not compared", extra={"model": candidate.key}, exc_info=True)
        found = so_far.without(candidate.key, because=str(error))
    return found.model_copy(update={"done": not unsettled(settings, found)})


def _check_time(request: AnswerWithOtherModelsRequest, since: datetime) -> None:
    questions, asked = request.dataset.evaluation_examples, minutes_between(since, request.now)
    most = most_minutes(request.run.settings, questions)
    if asked > most:
        raise AnswersFailed(
            f"after {duration(asked)} not all of {questions:,} questions have an answer, and the "
            f"run waits {duration(most)} at most"
        )


def _answers(
    request: AnswerWithOtherModelsRequest,
    candidate: Candidate,
    artefacts: Artefacts,
    seconds_left: SecondsLeft,
) -> Answers:
    run = request.run
    before = _examples(run, artefacts) if candidate.shows_examples else ()
    Billing(artefacts, run.prefix).begin(answers_of(candidate.name), request.now)
    model = ConverseClient.within(seconds_left, max_tokens=run.settings.max_answer_tokens)
    return answer_questions(
        run,
        request.dataset,
        artefacts.iter_records(request.dataset.evaluation.key),
        total=request.dataset.evaluation_examples,
        shards=S3Shards(artefacts, answers_prefix(run, candidate.key)),
        ask=partial(model.ask, candidate.model_id),
        may_begin=model.may_begin,
        before=before,
    )


def _examples(run: Run, artefacts: Artefacts) -> tuple[Turn, ...]:
    return turns_of(ShownExamples.model_validate(artefacts.read_json(examples_key(run))))


handler = timed_step("Answer with other models", AnswerWithOtherModelsRequest)(
    answer_with_other_models
)
