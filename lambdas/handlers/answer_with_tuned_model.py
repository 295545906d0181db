"""*Answer with tuned model*: the only work done while the meter runs."""

from __future__ import annotations

from functools import partial

from lambdas.aws.artefacts import Artefacts
from lambdas.aws.converse import ConverseClient
from lambdas.aws.frozen_files import require_unchanged
from lambdas.aws.record_files import S3RecordFile
from lambdas.domain.evaluation.answers import answer_questions
from lambdas.domain.run.contracts import Answers, AnswerWithTunedModelRequest
from lambdas.runtime.step import step


def answer_with_tuned_model(request: AnswerWithTunedModelRequest) -> Answers:
    run = request.run
    artefacts, questions = Artefacts(run.bucket), request.dataset.evaluation
    require_unchanged(artefacts, [questions])
    return answer_questions(
        run,
        request.dataset,
        artefacts.iter_records(questions.key),
        S3RecordFile(artefacts, f"{run.prefix}/answers-tuned.jsonl"),
        partial(ConverseClient().ask, request.hosting.hosting_arn),
    )


handler = step("Answer with tuned model", AnswerWithTunedModelRequest)(answer_with_tuned_model)
