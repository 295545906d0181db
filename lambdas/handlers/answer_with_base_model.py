"""*Answer with base model*: before any hosting is paid for."""

from __future__ import annotations

from functools import partial

from lambdas.aws.artefacts import Artefacts
from lambdas.aws.billing import Billing
from lambdas.aws.converse import ConverseClient
from lambdas.aws.frozen_files import require_unchanged
from lambdas.aws.record_files import S3Shards
from lambdas.domain.cost.quote import BASE_ANSWERS
from lambdas.domain.evaluation.answers import answer_questions
from lambdas.domain.models.lookup import find_model
from lambdas.domain.run.contracts import Answers, AnswerWithBaseModelRequest
from lambdas.runtime.step import SecondsLeft, timed_step


def answer_with_base_model(
    request: AnswerWithBaseModelRequest, seconds_left: SecondsLeft
) -> Answers:
    run = request.run
    artefacts, questions = Artefacts(run.bucket), request.dataset.evaluation
    require_unchanged(artefacts, [questions])
    Billing(artefacts, run.prefix).begin(BASE_ANSWERS, request.now)
    model = ConverseClient.within(seconds_left, max_tokens=run.settings.max_answer_tokens)
    return answer_questions(
        run,
        request.dataset,
        artefacts.iter_records(questions.key),
        shards=S3Shards(artefacts, f"{run.prefix}/answers-base/"),
        ask=partial(model.ask, find_model(run.settings.model).base_inference.model_id),
        may_begin=model.may_begin,
    )


handler = timed_step("Answer with base model", AnswerWithBaseModelRequest)(answer_with_base_model)
