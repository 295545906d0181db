"""*Answer with base model*: before any capacity is bought."""

from __future__ import annotations

from lambdas.answering import answer_questions
from lambdas.domain.catalogue import find_model
from lambdas.domain.contracts import Answers, AnswerWithBaseModelRequest
from lambdas.step import step


def answer_with_base_model(request: AnswerWithBaseModelRequest) -> Answers:
    return answer_questions(
        request.run,
        request.dataset,
        model_id=find_model(request.run.model).base_inference_model_id,
        key=f"{request.run.prefix}/answers-base.jsonl",
    )


handler = step("Answer with base model", AnswerWithBaseModelRequest)(answer_with_base_model)
