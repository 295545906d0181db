"""The contract of the patches of CloudFormation: money, alarms, and what stands beside them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from email.utils import parsedate_to_datetime
from itertools import pairwise
from typing import Any

import boto3
import pytest

from lambdas.domain.run.arns import OFFLINE_ACCOUNT
from local.bedrock import Scenario
from local.rehearsal.rehearse import REGION
from local.server import OfflineAws

Resources = dict[str, Any]
Deploy = Callable[[Resources], str]
BUDGET: dict[str, Any] = {
    "BudgetName": "contract-dev",
    "BudgetType": "COST",
    "TimeUnit": "MONTHLY",
    "BudgetLimit": {"Amount": 500, "Unit": "USD"},
    "CostFilters": {"TagKeyValue": ["user:environment$dev"]},
}
MAIL: dict[str, Any] = {
    "Notification": {
        "NotificationType": "ACTUAL",
        "ComparisonOperator": "GREATER_THAN",
        "Threshold": 80,
    },
    "Subscribers": [{"SubscriptionType": "EMAIL", "Address": "team@example.com"}],
}


def budget(*mails: Any, **change: Any) -> Resources:
    given = {key: value for key, value in {**BUDGET, **change}.items() if value is not None}
    properties = {"Budget": given, "NotificationsWithSubscribers": list(mails or [MAIL])}
    return {"Budget": {"Type": "AWS::Budgets::Budget", "Properties": properties}}


@pytest.fixture
def deploy(offline: OfflineAws) -> Iterator[Deploy]:
    """Create or update one stack and return its status, and why it failed."""
    del offline
    formation: Any = boto3.client("cloudformation")
    name = f"contract-{time.monotonic_ns()}"
    acts = [formation.create_stack]

    def put(resources: Resources) -> str:
        template = json.dumps({"Resources": resources})
        acts[-1](StackName=name, TemplateBody=template, Capabilities=["CAPABILITY_IAM"])
        acts.append(formation.update_stack)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            stack = formation.describe_stacks(StackName=name)["Stacks"][0]
            if not stack["StackStatus"].endswith("IN_PROGRESS"):
                break
            time.sleep(0.05)
        events = formation.describe_stack_events(StackName=name)["StackEvents"]
        reasons = [each.get("ResourceStatusReason", "") for each in events]
        return " ".join([stack["StackStatus"], *reasons])

    yield put
    formation.delete_stack(StackName=name)


def budgets() -> dict[str, dict[str, Any]]:
    listed = boto3.client("budgets").describe_budgets(AccountId=OFFLINE_ACCOUNT).get("Budgets", [])
    return {each["BudgetName"]: dict(each) for each in listed}


def test_a_budget_lives_with_its_stack(deploy: Deploy) -> None:
    client: Any = boto3.client("budgets")
    assert deploy(budget()).startswith("CREATE_COMPLETE")
    made = budgets()["contract-dev"]
    assert made["BudgetLimit"] == {"Amount": "500", "Unit": "USD"}
    assert made["CostFilters"] == BUDGET["CostFilters"]
    told = client.describe_notifications_for_budget(
        AccountId=OFFLINE_ACCOUNT, BudgetName="contract-dev"
    )
    [notification] = told["Notifications"]
    assert notification["Threshold"] == 80
    subscribers = client.describe_subscribers_for_notification(
        AccountId=OFFLINE_ACCOUNT, BudgetName="contract-dev", Notification=notification
    )
    assert subscribers["Subscribers"] == MAIL["Subscribers"]

    changed = budget(BudgetLimit={"Amount": "700.5", "Unit": "USD"})
    assert deploy(changed).startswith("UPDATE_COMPLETE")
    assert budgets()["contract-dev"]["BudgetLimit"]["Amount"] == "700.5"
    assert deploy(budget(BudgetName="contract-other")).startswith("UPDATE_COMPLETE")
    assert [name for name in budgets() if name.startswith("contract")] == ["contract-other"]


def test_a_deleted_stack_takes_its_budget_along(deploy: Deploy) -> None:
    deploy(budget())
    assert deploy(
        {"Other": {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", "Value": "1"}}}
    ).startswith("UPDATE_COMPLETE")
    assert "contract-dev" not in budgets()


def test_other_notifications_need_another_budget_as_on_aws(deploy: Deploy) -> None:
    louder = {**MAIL, "Notification": {**MAIL["Notification"], "Threshold": 100}}
    deploy(budget())
    assert "already exists" in deploy(budget(louder))
    assert "contract-dev" in budgets()
    assert deploy(budget(louder, BudgetName="contract-new")).startswith("UPDATE_COMPLETE")


def test_other_notifications_replace_a_budget_without_a_name(deploy: Deploy) -> None:
    louder = {**MAIL, "Notification": {**MAIL["Notification"], "Threshold": 100}}
    before = set(budgets())
    deploy(budget(BudgetName=None))
    [first] = set(budgets()) - before
    assert deploy(budget(louder, BudgetName=None)).startswith("UPDATE_COMPLETE")
    [second] = set(budgets()) - before
    assert first != second


@pytest.mark.parametrize(
    ("resources", "said"),
    [
        (budget(BudgetLimit=None), "BudgetLimit.Amount must be a number above 0"),
        (budget(BudgetLimit={"Amount": 5}), "BudgetLimit.Unit is required"),
        (budget(TimeUnit=None), "TimeUnit must be one of"),
        (budget(BudgetType="MONEY"), "BudgetType must be one of"),
        (budget(BudgetName="a:b"), "valid budget name"),
        (budget(CostFilters={"TagKeyValue": ["environment=dev"]}), "like user:key"),
        (budget(CostFilters={"Service": "Amazon Bedrock"}), "must be a list of strings"),
        (budget({**MAIL, "Subscribers": []}), "non-empty list"),
        (
            budget({**MAIL, "Subscribers": [{"SubscriptionType": "SNS", "Address": "topic"}]}),
            "topic is not an SNS address",
        ),
        (budget(*[MAIL] * 6), "at most 5 notifications"),
    ],
)
def test_a_budget_that_aws_would_refuse_fails_its_stack(
    deploy: Deploy, resources: Resources, said: str
) -> None:
    status = deploy(resources)
    assert status.startswith("ROLLBACK_COMPLETE")
    assert said in status


def alarm(**more: Any) -> Resources:
    plain = {"ComparisonOperator": "GreaterThanThreshold", "Threshold": 0, "EvaluationPeriods": 1}
    return {"Type": "AWS::CloudWatch::Alarm", "Properties": {**plain, **more}}


def sum_of(name: str) -> dict[str, Any]:
    metric = {"Namespace": "Contract", "MetricName": name}
    return {"Id": name, "MetricStat": {"Metric": metric, "Period": 60, "Stat": "Sum"}}


MATH = [
    {"Id": "all", "Expression": "first + second", "Label": "both"},
    {**sum_of("first"), "ReturnData": False},
    {**sum_of("second"), "ReturnData": False},
]


def test_alarms_on_metric_math_and_composite_alarms_deploy(deploy: Deploy) -> None:
    single = alarm(AlarmName="contract-single", Namespace="Contract", MetricName="m", Period=60)
    both = {
        "AlarmName": "contract-both",
        "AlarmRule": 'ALARM("contract-single") OR ALARM("contract-math")',
    }
    resources = {
        "Single": single,
        "Math": alarm(AlarmName="contract-math", Metrics=MATH),
        "Both": {
            "Type": "AWS::CloudWatch::CompositeAlarm",
            "Properties": both,
            "DependsOn": ["Single", "Math"],
        },
    }
    assert deploy(resources).startswith("CREATE_COMPLETE")
    client: Any = boto3.client("cloudwatch")

    def states() -> dict[str, str]:
        found = client.describe_alarms(
            AlarmNamePrefix="contract-", AlarmTypes=["MetricAlarm", "CompositeAlarm"]
        )
        alarms = [*found["MetricAlarms"], *found["CompositeAlarms"]]
        return {each["AlarmName"]: each["StateValue"] for each in alarms}

    assert states() == {
        "contract-single": "INSUFFICIENT_DATA",
        "contract-math": "INSUFFICIENT_DATA",
        "contract-both": "OK",
    }
    math = client.describe_alarms(AlarmNames=["contract-math"])["MetricAlarms"][0]
    assert [each["Id"] for each in math["Metrics"]] == ["all", "first", "second"]
    client.set_alarm_state(AlarmName="contract-math", StateValue="ALARM", StateReason="a test")
    assert states()["contract-both"] == "ALARM"
    resources["Both"]["Properties"] = {**both, "AlarmRule": 'ALARM("contract-single")'}
    assert deploy(resources).startswith("UPDATE_COMPLETE")


@pytest.mark.parametrize(
    ("metrics", "said"),
    [
        (MATH[1:], "exactly one"),
        ([MATH[0], MATH[0]], "Id of its own"),
        ([{"Id": "nothing"}], "either an Expression or a MetricStat"),
    ],
)
def test_metric_math_that_aws_would_refuse_fails_its_stack(
    deploy: Deploy, metrics: Any, said: str
) -> None:
    assert said in deploy({"Alarm": alarm(Metrics=metrics)})


def test_answers_of_bedrock_carry_the_simulated_date_once(offline: OfflineAws) -> None:
    client: Any = boto3.client("bedrock")
    offline.clock.advance(3600)
    answer = client.list_custom_models()["ResponseMetadata"]["HTTPHeaders"]
    dated = parsedate_to_datetime(answer["date"]).timestamp()  # two headers would be no date
    assert offline.clock.time() - 5 < dated <= offline.clock.time()


class Mailbox:
    """A topic, and what was sent to it.

    The topic stands between a rule and the queue: what EventBridge puts into a queue itself is
    stamped with simulated time, and the queue would show it when real time gets there.
    """

    def __init__(self, name: str) -> None:
        self._sqs: Any = boto3.client("sqs")
        allow = {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}}
        statement = {**allow, "Action": "sqs:SendMessage", "Resource": "*"}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        created = self._sqs.create_queue(QueueName=name, Attributes={"Policy": policy})
        self._queue = created["QueueUrl"]
        found = self._sqs.get_queue_attributes(QueueUrl=self._queue, AttributeNames=["QueueArn"])
        sns: Any = boto3.client("sns")
        self.topic = sns.create_topic(Name=name)["TopicArn"]
        arn = found["Attributes"]["QueueArn"]
        sns.subscribe(TopicArn=self.topic, Protocol="sqs", Endpoint=arn)

    def events(self) -> list[dict[str, Any]]:
        heard: list[dict[str, Any]] = []
        options = {"QueueUrl": self._queue, "MaxNumberOfMessages": 10, "WaitTimeSeconds": 1}
        while got := self._sqs.receive_message(**options).get("Messages"):
            heard += [json.loads(json.loads(each["Body"])["Message"]) for each in got]
            for each in got:
                self._sqs.delete_message(QueueUrl=self._queue, ReceiptHandle=each["ReceiptHandle"])
        return heard


def test_the_schedule_of_a_stack_counts_from_its_creation(
    deploy: Deploy, offline: OfflineAws
) -> None:
    """In stock, a stack's rule does not know when it was created."""
    mailbox = Mailbox("contract-ticks")
    target = {"Id": "mail", "Arn": mailbox.topic}
    rule = {"ScheduleExpression": "rate(15 minutes)", "Targets": [target]}
    assert deploy({"Rule": {"Type": "AWS::Events::Rule", "Properties": rule}}).startswith("CREATE")
    offline.clock.advance(65 * 60)
    ticks = sorted(datetime.fromisoformat(each["time"]) for each in mailbox.events())
    gaps = [(later - earlier).total_seconds() for earlier, later in pairwise(ticks)]
    assert gaps == pytest.approx([900, 900, 900], abs=2)


@contextmanager
def as_buyer(offline: OfflineAws) -> Iterator[Any]:
    """A client of a user who may do everything with Bedrock, with IAM enforced."""
    iam: Any = boto3.client("iam")
    iam.create_user(UserName="buyer")
    statement = {"Effect": "Allow", "Action": ["bedrock:*"], "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_user_policy(UserName="buyer", PolicyName="all", PolicyDocument=policy)
    key = iam.create_access_key(UserName="buyer")["AccessKey"]
    session = boto3.Session(key["AccessKeyId"], key["SecretAccessKey"], region_name=REGION)
    offline.enforce_iam(on=True)
    try:
        yield session.client("bedrock")
    finally:
        offline.enforce_iam(on=False)


def test_a_rule_hears_from_the_trail_who_bought_a_commitment(offline: OfflineAws) -> None:
    mailbox = Mailbox("contract-trail")
    events: Any = boto3.client("events")
    pattern = {
        "source": ["aws.bedrock"],
        "detail-type": ["AWS API Call via CloudTrail"],
        "detail": {"requestParameters": {"commitmentDuration": [{"exists": True}]}},
    }
    events.put_rule(Name="contract-trail", EventPattern=json.dumps(pattern))
    events.put_targets(Rule="contract-trail", Targets=[{"Id": "mail", "Arn": mailbox.topic}])
    offline.bedrock.scenario = Scenario(cloudtrail=True, no_commitment_units=9)
    base = "meta.llama3-1-8b-instruct-v1:0:128k"
    with as_buyer(offline) as bedrock:
        for more in ({}, {"commitmentDuration": "OneMonth"}):
            bedrock.create_provisioned_model_throughput(
                modelUnits=1, provisionedModelName=f"trail-{len(more)}", modelId=base, **more
            )
    [event] = mailbox.events()
    assert event["region"] == REGION
    detail = event["detail"]
    assert detail["requestParameters"]["provisionedModelName"] == "trail-1"
    assert detail["userIdentity"] == {
        "type": "IAMUser",
        "arn": f"arn:aws:iam::{OFFLINE_ACCOUNT}:user/buyer",
        "accountId": OFFLINE_ACCOUNT,
    }


def test_a_bucket_that_empties_itself_can_be_deleted(offline: OfflineAws) -> None:
    from ministack.core.responses import request_scope  # noqa: PLC0415  # after the server started
    from ministack.services import s3 as store  # noqa: PLC0415  # same
    from ministack.services.cloudformation import provisioners  # noqa: PLC0415  # same

    del offline
    s3: Any = boto3.client("s3")
    s3.create_bucket(
        Bucket="contract-auto", CreateBucketConfiguration={"LocationConstraint": REGION}
    )
    s3.put_object(Bucket="contract-auto", Key="k", Body=b"1")
    with request_scope(OFFLINE_ACCOUNT, REGION):
        handlers = provisioners._RESOURCE_HANDLERS["Custom::S3AutoDeleteObjects"]
        physical, _ = handlers["create"]("Empty", {"BucketName": "contract-auto"}, "stack")
        handlers["delete"](physical, {"BucketName": "contract-auto"})
        assert not store._buckets["contract-auto"]["objects"]
    s3.delete_bucket(Bucket="contract-auto")
