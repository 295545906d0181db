"""*Answer with tuned model*: the only work done while the tuned model is hosted."""

from __future__ import annotations

from functools import partial

from lambdas.aws import hosting as all_hosting
from lambdas.aws.artefacts import Artefacts
from lambdas.aws.billing import Billing
from lambdas.aws.converse import ConverseClient
from lambdas.aws.frozen_files import require_unchanged
from lambdas.aws.record_files import S3Shards
from lambdas.domain.cost.quote import TUNED_ANSWERS
from lambdas.domain.errors import AnswersFailed, HostingFailed
from lambdas.domain.evaluation.answers import answer_questions
from lambdas.domain.hosting.course import answering_seconds, check_alive
from lambdas.domain.hosting.kinds import KINDS
from lambdas.domain.run.contracts import Answers, AnswerWithTunedModelRequest
from lambdas.runtime.step import SecondsLeft, logger, timed_step


def answer_with_tuned_model(
    request: AnswerWithTunedModelRequest, seconds_left: SecondsLeft
) -> Answers:
    """Ask every question that has no answer yet, as far as time allows.

    Raises
    ------
    AnswersFailed
        Too many failed, or a whole pass brought nothing.
    HostingFailed
        They did because the hosting failed, or is gone.
    """
    run = request.run
    artefacts = Artefacts(run.bucket)
    require_unchanged(artefacts, [request.dataset.evaluation])
    if not KINDS[request.hosting.kind].bills_by_the_hour:
        Billing(artefacts, run.prefix).begin(TUNED_ANSWERS, request.now)
    try:
        return _answers(request, artefacts, seconds_left)
    except AnswersFailed as failed:
        if lost := _lost(request):
            raise lost from failed
        raise


def _answers(
    request: AnswerWithTunedModelRequest, artefacts: Artefacts, seconds_left: SecondsLeft
) -> Answers:
    run = request.run
    most_seconds = answering_seconds(request.hosting, run, request.now)
    surplus = max(0.0, seconds_left() - most_seconds)
    model = ConverseClient.within(
        lambda: seconds_left() - surplus, max_tokens=run.settings.max_answer_tokens
    )
    return answer_questions(
        run,
        request.dataset,
        artefacts.iter_records(request.dataset.evaluation.key),
        shards=S3Shards(artefacts, f"{run.prefix}/answers-tuned/"),
        ask=partial(model.ask, request.hosting.hosting_arn),
        may_begin=model.may_begin,
    )


def _lost(request: AnswerWithTunedModelRequest) -> HostingFailed | None:
    """Return why the hosting cannot answer any more, None if it can, or nobody says."""
    hosting = request.hosting
    try:
        check_alive(hosting, all_hosting.find(hosting), request.run, request.now)
    except HostingFailed as error:
        return error
    except Exception:  # noqa: BLE001  # the failed answers tell enough
        logger.exception("could not look at the hosting")
    return None


handler = timed_step("Answer with tuned model", AnswerWithTunedModelRequest)(
    answer_with_tuned_model
)
