"""*Answer with base model*: before any hosting is paid for."""

from __future__ import annotations

from functools import partial

from lambdas.aws.artefacts import Artefacts
from lambdas.aws.converse import ConverseClient
from lambdas.aws.frozen_files import require_unchanged
from lambdas.aws.record_files import S3RecordFile
from lambdas.domain.evaluation.answers import answer_questions
from lambdas.domain.models.lookup import find_model
from lambdas.domain.run.contracts import Answers, AnswerWithBaseModelRequest
from lambdas.runtime.step import step


def answer_with_base_model(request: AnswerWithBaseModelRequest) -> Answers:
    run = request.run
    artefacts, questions = Artefacts(run.bucket), request.dataset.evaluation
    require_unchanged(artefacts, [questions])
    return answer_questions(
        run,
        request.dataset,
        artefacts.iter_records(questions.key),
        S3RecordFile(artefacts, f"{run.prefix}/answers-base.jsonl"),
        partial(ConverseClient().ask, find_model(run.settings.model).base_inference.model_id),
    )


handler = step("Answer with base model", AnswerWithBaseModelRequest)(answer_with_base_model)
