"""*Announce hold*: mails that a hold begins, until when, and how to ask the model meanwhile."""

from __future__ import annotations

from datetime import timedelta

from lambdas.aws.topic import Topic
from lambdas.domain.reporting.notification import hold_body, hold_subject
from lambdas.domain.run.contracts import AnnounceHoldRequest, Hold
from lambdas.domain.run.variables import TopicVariables
from lambdas.runtime.step import step, variables_of


def announce_hold(request: AnnounceHoldRequest) -> Hold:
    held = timedelta(minutes=request.run.settings.hold_minutes)
    hold = Hold(until=(request.now + held).replace(microsecond=0))
    topic = Topic(variables_of(TopicVariables).topic_arn)
    topic.publish(hold_subject(request), hold_body(request, hold))
    return hold


handler = step("Announce hold", AnnounceHoldRequest)(announce_hold)
