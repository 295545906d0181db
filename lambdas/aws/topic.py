"""The SNS topic that mails people."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from lambdas.aws.clients import client, translated
from lambdas.domain.run import mail
from lambdas.domain.run.arns import Arn


@dataclass(frozen=True)
class Topic:
    """An SNS topic; raises the named errors of `translated`."""

    arn: str
    sns: Any = field(default_factory=lambda: client("sns"))

    def publish(self, subject: str, body: str) -> str:
        """Mail it, marked where it comes from a rehearsal; return the subject as sent."""
        rehearsal = Arn.parse(self.arn).is_rehearsal
        sent = mail.subject(subject, rehearsal=rehearsal)
        text = mail.body(body, rehearsal=rehearsal)
        with translated(f"publish to {self.arn}"):
            self.sns.publish(TopicArn=self.arn, Subject=sent, Message=text)
        return sent
