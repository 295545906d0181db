"""*Judge answers*: an LLM scores the correctness of every answer against its reference."""

from __future__ import annotations

from functools import partial

from lambdas.aws.artefacts import Artefacts
from lambdas.aws.billing import Billing
from lambdas.aws.converse import ConverseClient
from lambdas.aws.record_files import S3Shards, answers_of_shard
from lambdas.domain.cost.quote import JUDGEMENTS
from lambdas.domain.evaluation.judge import CORRECTNESS, score_answers
from lambdas.domain.evaluation.preferences import PREFERENCE
from lambdas.domain.evaluation.rubrics import MAX_TOKENS
from lambdas.domain.models.lookup import find_judge
from lambdas.domain.run.contracts import JudgeAnswersRequest, Judgements
from lambdas.runtime.step import SecondsLeft, timed_step


def judge_answers(request: JudgeAnswersRequest, seconds_left: SecondsLeft) -> Judgements:
    run, answers = request.run, request.answers
    artefacts = Artefacts(run.bucket)
    Billing(artefacts, run.prefix).begin(JUDGEMENTS, request.now)
    model_id = find_judge(run.settings.judge_model).inference.model_id
    model = ConverseClient.within(seconds_left, max_tokens=MAX_TOKENS)
    return score_answers(
        run,
        {side: each.answered for side, each in answers.items()},
        answers=partial(answers_of_shard, artefacts, answers),
        shards=S3Shards(artefacts, f"{run.prefix}/judgements/"),
        call=partial(model.judge, model_id, CORRECTNESS),
        compare=partial(model.judge, model_id, PREFERENCE),
        may_begin=model.may_begin,
    )


handler = timed_step("Judge answers", JudgeAnswersRequest)(judge_answers)
