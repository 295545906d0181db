"""*Judge answers*: an LLM scores the correctness of every answer against its reference."""

from __future__ import annotations

from collections.abc import Callable

from lambdas.aws.artefacts import Artefacts
from lambdas.aws.converse import Runtime
from lambdas.domain.errors import (
    JudgementsFailed,
    RequestRefused,
    ServiceUnavailable,
    Throttled,
)
from lambdas.domain.evaluation import judge
from lambdas.domain.evaluation.answers import Record, failure_summary, too_many
from lambdas.domain.models.lookup import find_judge
from lambdas.domain.parallel import in_batches
from lambdas.domain.run.contracts import JudgeAnswersRequest, Judgements, Run
from lambdas.runtime.answering import earlier_records
from lambdas.runtime.step import step


def judge_answers(request: JudgeAnswersRequest) -> Judgements:
    run = request.run
    artefacts = Artefacts(run.bucket)
    base = list(artefacts.iter_records(request.base_answers.answers_key))
    tuned = list(artefacts.iter_records(request.tuned_answers.answers_key))
    key = f"{run.prefix}/judgements.jsonl"
    tasks = judge.tasks_of(base, tuned)
    sides = judge.kept_scores(tasks, earlier_records(artefacts, key))
    missing = [task for task in tasks if task not in sides]
    for batch in in_batches(_judging(run), missing):
        sides |= batch
        artefacts.put_records(key, judge.judgement_records(base, tuned, sides))
    records = judge.judgement_records(base, tuned, sides)
    return _result(run, records, asked=len(tasks), key=key, uri=artefacts.uri(key))


def _judging(run: Run) -> Callable[[judge.Task], Record]:
    runtime = Runtime()
    model_id = find_judge(run.settings.judge_model).inference_profile
    return lambda task: _side(runtime, model_id, task)


def _side(runtime: Runtime, model_id: str, task: judge.Task) -> Record:
    try:
        return judge.scored(task, _score(runtime, model_id, task))
    except (judge.OutOfSchema, RequestRefused, ServiceUnavailable, Throttled) as error:
        return judge.unscored(task, f"{type(error).__name__}: {error}")


def _score(runtime: Runtime, model_id: str, task: judge.Task) -> judge.Score:
    """Return the judge's score; tokens are those of all attempts."""
    input_tokens = output_tokens = 0
    problem = judge.OutOfSchema("the judge was not asked")
    for _ in range(judge.ATTEMPTS):
        call = runtime.call_tool(
            model_id,
            judge.prompt(task),
            system=judge.SYSTEM_PROMPT,
            max_tokens=judge.MAX_TOKENS,
            tool_name=judge.TOOL_NAME,
            tool_schema=judge.TOOL_SCHEMA,
        )
        input_tokens += call.input_tokens
        output_tokens += call.output_tokens
        try:
            return judge.Score(*judge.parse_score(call.input), input_tokens, output_tokens)
        except judge.OutOfSchema as error:
            problem = error
    raise problem


def _result(run: Run, records: list[Record], *, asked: int, key: str, uri: str) -> Judgements:
    settings = run.settings
    pairs = list(judge.score_pairs(records))
    errors = judge.judge_errors(records)
    if not pairs or too_many(len(errors), asked, settings.max_failed_answers_percent):
        raise JudgementsFailed(
            f"judging with {settings.judge_model}: {failure_summary(errors, asked)}; {len(pairs)} "
            "questions have both scores. At most max_failed_answers_percent = "
            f"{settings.max_failed_answers_percent:g} may fail; each failure stands in {uri}. The "
            "answers are kept: mend the reason or take another judge_model"
        )
    base_mean, tuned_mean = judge.mean_scores(pairs)
    sides = [each[side] for each in records for side in judge.SIDES]
    return Judgements(
        judged=len(pairs),
        failed=len(records) - len(pairs),
        input_tokens=sum(each.get("input_tokens", 0) for each in sides),
        output_tokens=sum(each.get("output_tokens", 0) for each in sides),
        base_correctness=base_mean,
        tuned_correctness=tuned_mean,
        judgements_key=key,
    )


handler = step("Judge answers", JudgeAnswersRequest)(judge_answers)
