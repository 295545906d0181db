"""*Notify*: one mail at the end of every run, whatever its end."""

from __future__ import annotations

from lambdas.aws.topic import Topic
from lambdas.domain.contracts import Notification, NotifyRequest
from lambdas.domain.notification import body, subject
from lambdas.step import setting, step


def notify(request: NotifyRequest) -> Notification:
    Topic(setting("TOPIC_ARN")).publish(subject(request), body(request))
    return Notification(subject=subject(request))


handler = step("Notify", NotifyRequest)(notify)
