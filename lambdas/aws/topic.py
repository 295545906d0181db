"""The SNS topic that mails people."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from lambdas.aws.clients import client, translated


@dataclass(frozen=True)
class Topic:
    """An SNS topic; raises the named errors of `translated`."""

    arn: str
    sns: Any = field(default_factory=lambda: client("sns"))

    def publish(self, subject: str, body: str) -> None:
        with translated(f"publish to {self.arn}"):
            self.sns.publish(TopicArn=self.arn, Subject=subject, Message=body)
