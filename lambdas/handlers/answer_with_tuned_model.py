"""*Answer with tuned model*: the only work done while the meter runs."""

from __future__ import annotations

from functools import partial

from lambdas.aws.artefacts import Artefacts
from lambdas.aws.converse import ConverseClient
from lambdas.aws.frozen_files import require_unchanged
from lambdas.aws.record_files import S3RecordFile
from lambdas.domain.evaluation.answers import answer_questions
from lambdas.domain.hosting.throughput import answering_seconds
from lambdas.domain.run.contracts import Answers, AnswerWithTunedModelRequest
from lambdas.runtime.step import SecondsLeft, timed_step


def answer_with_tuned_model(
    request: AnswerWithTunedModelRequest, seconds_left: SecondsLeft
) -> Answers:
    run = request.run
    artefacts, questions = Artefacts(run.bucket), request.dataset.evaluation
    require_unchanged(artefacts, [questions])
    most_seconds = answering_seconds(request.hosting, run, request.now)
    surplus = max(0.0, seconds_left() - most_seconds)
    model = ConverseClient.within(
        lambda: seconds_left() - surplus, max_tokens=run.settings.max_answer_tokens
    )
    return answer_questions(
        run,
        request.dataset,
        artefacts.iter_records(questions.key),
        file=S3RecordFile(artefacts, f"{run.prefix}/answers-tuned.jsonl"),
        ask=partial(model.ask, request.hosting.hosting_arn),
        may_begin=model.may_begin,
    )


handler = timed_step("Answer with tuned model", AnswerWithTunedModelRequest)(
    answer_with_tuned_model
)
