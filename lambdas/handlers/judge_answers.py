"""*Judge answers*: an LLM scores the correctness of every answer against its reference."""

from __future__ import annotations

from functools import partial

from lambdas.aws.artefacts import Artefacts
from lambdas.aws.converse import ConverseClient
from lambdas.aws.record_files import S3RecordFile
from lambdas.domain.evaluation.judge import CORRECTNESS, score_answers
from lambdas.domain.models.lookup import find_judge
from lambdas.domain.run.contracts import JudgeAnswersRequest, Judgements
from lambdas.runtime.step import step


def judge_answers(request: JudgeAnswersRequest) -> Judgements:
    run = request.run
    artefacts = Artefacts(run.bucket)
    model_id = find_judge(run.settings.judge_model).inference.model_id
    return score_answers(
        run,
        list(artefacts.iter_records(request.base_answers.answers_key)),
        list(artefacts.iter_records(request.tuned_answers.answers_key)),
        S3RecordFile(artefacts, f"{run.prefix}/judgements.jsonl"),
        partial(ConverseClient().judge, model_id, CORRECTNESS),
    )


handler = step("Judge answers", JudgeAnswersRequest)(judge_answers)
