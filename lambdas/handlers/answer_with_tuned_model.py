"""*Answer with tuned model*: the only work done while the meter runs."""

from __future__ import annotations

from lambdas.domain.run.contracts import Answers, AnswerWithTunedModelRequest
from lambdas.runtime.answering import answer_questions
from lambdas.runtime.step import step


def answer_with_tuned_model(request: AnswerWithTunedModelRequest) -> Answers:
    return answer_questions(
        request.run,
        request.dataset,
        model_id=request.hosting.hosting_arn,
        key=f"{request.run.prefix}/answers-tuned.jsonl",
    )


handler = step("Answer with tuned model", AnswerWithTunedModelRequest)(answer_with_tuned_model)
