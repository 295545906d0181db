"""*Answer with base model*: before any hosting is paid for."""

from __future__ import annotations

from lambdas.domain.models.lookup import find_model
from lambdas.domain.run.contracts import Answers, AnswerWithBaseModelRequest
from lambdas.runtime.answering import answer_questions
from lambdas.runtime.step import step


def answer_with_base_model(request: AnswerWithBaseModelRequest) -> Answers:
    return answer_questions(
        request.run,
        request.dataset,
        model_id=find_model(request.run.settings.model).base_inference_model_id,
        key=f"{request.run.prefix}/answers-base.jsonl",
    )


handler = step("Answer with base model", AnswerWithBaseModelRequest)(answer_with_base_model)
