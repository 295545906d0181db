"""The mails of an environment's topic, as a person gets them: in order, each a text file."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3

from lambdas.domain.approval.decisions import DecisionInput
from lambdas.domain.run.names import PROJECT

_SLUG_LENGTH = 60
_MARKS = re.compile(rf"\[(?:rehearsal|{PROJECT})\] ")
_MOST = 10  # that SQS gives at once


@dataclass(frozen=True)
class Mail:
    """One message of the topic."""

    subject: str
    text: str
    sent_at: str  # in simulated time

    @property
    def decisions(self) -> dict[str, DecisionInput]:
        """Return the inputs that it offers to the machine that decides, by decision."""
        lines = (line for line in self.text.splitlines() if line.startswith("{"))
        found = [DecisionInput.model_validate_json(line) for line in lines]
        return {each.decision: each for each in found}


class Inbox:
    """A subscriber of a topic; what it takes is also written to `folder`."""

    def __init__(self, topic_arn: str, folder: Path) -> None:
        self._folder = folder
        self._taken = 0
        self._sqs: Any = boto3.client("sqs")
        self._queue = self._sqs.create_queue(QueueName="inbox")["QueueUrl"]
        self._subscribe(topic_arn)

    def _subscribe(self, topic_arn: str) -> None:
        names = ["QueueArn"]
        given = self._sqs.get_queue_attributes(QueueUrl=self._queue, AttributeNames=names)
        arn = given["Attributes"]["QueueArn"]
        allow = {
            "Effect": "Allow",
            "Principal": {"Service": "sns.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": arn,
        }
        policy = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
        self._sqs.set_queue_attributes(QueueUrl=self._queue, Attributes={"Policy": policy})
        sns: Any = boto3.client("sns")
        sns.subscribe(TopicArn=topic_arn, Protocol="sqs", Endpoint=arn)

    def take(self) -> list[tuple[Mail, Path]]:
        """Return what came since the last call, in order, each with its file."""
        found: list[Mail] = []
        while batch := self._receive():
            found += batch
        return [(mail, self._write(mail)) for mail in sorted(found, key=lambda mail: mail.sent_at)]

    def _receive(self) -> list[Mail]:
        asked = {"QueueUrl": self._queue, "MaxNumberOfMessages": _MOST}
        messages = self._sqs.receive_message(**asked).get("Messages", [])
        for message in messages:
            self._sqs.delete_message(QueueUrl=self._queue, ReceiptHandle=message["ReceiptHandle"])
        bodies = (json.loads(message["Body"]) for message in messages)
        return [Mail(each["Subject"], each["Message"], each["Timestamp"]) for each in bodies]

    def _write(self, mail: Mail) -> Path:
        self._taken += 1
        about = _MARKS.sub("", mail.subject).replace(self._folder.parent.name, "")  # the run's
        slug = re.sub(r"[^a-z0-9]+", "-", about.lower())[:_SLUG_LENGTH].strip("-")
        path = self._folder / f"{self._taken:02}-{slug}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        head = f"Subject: {mail.subject}\nDate: {mail.sent_at}\n"
        path.write_text(f"{head}\n{mail.text}", encoding="utf-8")
        return path
