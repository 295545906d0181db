"""Schedules and messages on the simulated clock."""

from __future__ import annotations

import json
from typing import Any

import boto3

from local.server import OfflineAws
from tests.workflow.ministack.definitions import HOUR, eventually, queue_arn, received


def test_schedules_ring_on_the_simulated_clock(
    function: str, queue: str, role: str, offline: OfflineAws
) -> None:
    payload = json.dumps({"count": True})
    events: Any = boto3.client("events")
    events.put_rule(Name="hourly", ScheduleExpression="rate(1 hour)")
    events.put_targets(Rule="hourly", Targets=[{"Id": "f", "Arn": function, "Input": payload}])
    schedules: Any = boto3.client("scheduler")
    schedules.create_schedule(
        Name="two-hourly",
        ScheduleExpression="rate(2 hours)",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target={"Arn": function, "RoleArn": role, "Input": payload},
    )
    calls = 0

    def all_called() -> bool:
        nonlocal calls
        calls += received(queue)
        return calls >= 6

    try:
        offline.clock.advance(4.5 * HOUR)
        eventually(all_called)
        assert calls == 4 + 2
    finally:
        schedules.delete_schedule(Name="two-hourly")
        events.remove_targets(Rule="hourly", Ids=["f"])
        events.delete_rule(Name="hourly")


def test_a_message_of_an_event_is_there_at_once(queue: str, offline: OfflineAws) -> None:
    events: Any = boto3.client("events")
    events.put_rule(Name="told", EventPattern=json.dumps({"source": ["contract"]}))
    events.put_targets(Rule="told", Targets=[{"Id": "q", "Arn": queue_arn(queue)}])
    offline.clock.advance(HOUR)
    entry = {"Source": "contract", "DetailType": "Told", "Detail": "{}"}
    events.put_events(Entries=[entry])
    eventually(lambda: received(queue) == 1)
    events.remove_targets(Rule="told", Ids=["q"])
    events.delete_rule(Name="told")


def test_a_message_of_a_topic_is_no_older_than_the_clock_says(offline: OfflineAws) -> None:
    """A queue drops what is older than it keeps, and the simulated clock passes that quickly."""
    sqs: Any = boto3.client("sqs")
    sns: Any = boto3.client("sns")
    queue = sqs.create_queue(
        QueueName="keeps-a-minute", Attributes={"MessageRetentionPeriod": "60"}
    )["QueueUrl"]
    topic = sns.create_topic(Name="after-minutes")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue_arn(queue))
    offline.clock.advance(120)
    sns.publish(TopicArn=topic, Message="still here")
    assert received(queue) == 1
