"""Whoever mails, a rehearsal's mail says so, and no other does."""

from __future__ import annotations

import pytest

from lambdas.aws.topic import Topic
from tests.fakes import bedrock as fakes_bedrock
from tests.fakes.bedrock import ACCOUNT, TOPIC_ARN, FakeSns

OFFLINE = TOPIC_ARN.replace(ACCOUNT, "000000000000")


@pytest.mark.parametrize(
    ("arn", "subject", "body"),
    [
        (TOPIC_ARN, "[bedrock-tuning] a leftover", "It billed."),
        (
            OFFLINE,
            "[rehearsal] [bedrock-tuning] a leftover",
            "This is a rehearsal: nothing was trained or billed on AWS.\n\nIt billed.",
        ),
    ],
)
def test_a_mail_says_whether_it_is_of_a_rehearsal(
    monkeypatch: pytest.MonkeyPatch, arn: str, subject: str, body: str
) -> None:
    sns = FakeSns()
    fakes_bedrock.install(monkeypatch, sns=sns)
    assert Topic(arn).publish("a leftover", "It billed.") == subject
    assert sns.called("Publish") == [{"TopicArn": arn, "Subject": subject, "Message": body}]
