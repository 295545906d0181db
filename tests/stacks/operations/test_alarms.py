"""What tells a person that money is at risk: alarms, budget, dashboard and their topic."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from lambdas.aws.metrics import record
from stacks.environment import Environment
from stacks.guards.steps import guard_steps
from tests.stacks.resources import plain

Stacks = Mapping[str, dict[str, Any]]
Alarms = Mapping[str, dict[str, Any]]

OF_MACHINES = {
    "executions-failed": ("", "ExecutionsFailed"),
    "executions-timed-out": ("", "ExecutionsTimedOut"),
    "executions-aborted": ("", "ExecutionsAborted"),
    "guard-failed": ("-guard", "ExecutionsFailed"),
    "guard-timed-out": ("-guard", "ExecutionsTimedOut"),
}
MONEY = {
    "ThroughputsAlive",
    "OldestThroughputMinutes",
    "DeploymentsAlive",
    "HostingOverdue",
    "LeftBehind",
    "QuotedUsd",
    "MeteredUsd",
}


def of_type(template: Mapping[str, Any], kind: str) -> list[dict[str, Any]]:
    return [each["Properties"] for each in template["Resources"].values() if each["Type"] == kind]


@pytest.fixture
def alarms(environment: Environment, stacks: Stacks) -> Alarms:
    """Return the alarms' properties by what stands behind the environment in their names."""
    prefix = f"bedrock-tuning-{environment.name}-"
    found = of_type(stacks["operations"], "AWS::CloudWatch::Alarm")
    return {each["AlarmName"].removeprefix(prefix): each for each in found}


def dimensions(alarm: Mapping[str, Any]) -> dict[str, str]:
    return {each["Name"]: plain(each["Value"]) for each in alarm["Dimensions"]}


def existing(stacks: Stacks) -> set[str]:
    """Return the names of functions, machines and queues."""
    names = {"FunctionName", "StateMachineName", "QueueName"}
    return {
        each["Properties"][name]
        for stack in ("pipeline", "guards")
        for each in stacks[stack]["Resources"].values()
        for name in names & {*each["Properties"]}
        if isinstance(each["Properties"][name], str)
    }


def test_these_are_the_alarms(environment: Environment, alarms: Alarms) -> None:
    errors = {f"{step.slug}-errors" for step in guard_steps(environment)}
    others = {"guard-undelivered", "left-behind", "reaper-silent"}
    assert {*alarms} == {*OF_MACHINES} | errors | others


def test_every_alarm_reaches_the_topic_and_says_what_to_do(alarms: Alarms) -> None:
    for name, alarm in alarms.items():
        assert [each["Ref"][:5] for each in alarm["AlarmActions"]] == ["Topic"], name
        assert alarm.get("ActionsEnabled", True), name
        assert len(alarm["AlarmDescription"]) > 20, name


def test_once_is_enough_for_each_but_what_may_pass_by_itself(alarms: Alarms) -> None:
    periods = {name: alarm["EvaluationPeriods"] for name, alarm in alarms.items()}
    assert {name for name, number in periods.items() if number != 1} == {"left-behind"}
    for name in {*alarms} - {"reaper-silent"}:
        assert alarms[name]["Threshold"] == 1, name
        assert alarms[name]["ComparisonOperator"] == "GreaterThanOrEqualToThreshold", name
        assert alarms[name]["TreatMissingData"] == "notBreaching", name


@pytest.mark.parametrize("name", OF_MACHINES)
def test_an_end_of_a_machine_is_watched(
    environment: Environment, stacks: Stacks, alarms: Alarms, name: str
) -> None:
    machine, metric = OF_MACHINES[name]
    watched = f"bedrock-tuning-{environment.name}{machine}"
    alarm = alarms[name]
    assert (alarm["Namespace"], alarm["MetricName"]) == ("AWS/States", metric)
    arn = f"arn:aws:states:{environment.region}:<account>:stateMachine:{watched}"
    assert dimensions(alarm) == {"StateMachineArn": arn}
    assert watched in existing(stacks)


def test_errors_of_every_function_that_watches_over_runs_are_watched(
    environment: Environment, stacks: Stacks, alarms: Alarms
) -> None:
    for step in guard_steps(environment):
        alarm = alarms[f"{step.slug}-errors"]
        function = f"bedrock-tuning-{environment.name}-{step.slug}"
        assert (alarm["Namespace"], alarm["MetricName"]) == ("AWS/Lambda", "Errors")
        assert alarm["Statistic"] == "Sum"
        assert dimensions(alarm) == {"FunctionName": function}
        assert function in existing(stacks)


def test_an_event_that_did_not_reach_the_guard_is_watched(
    environment: Environment, stacks: Stacks, alarms: Alarms
) -> None:
    alarm = alarms["guard-undelivered"]
    queue = f"bedrock-tuning-{environment.name}-guard-undelivered"
    assert alarm["MetricName"] == "ApproximateNumberOfMessagesVisible"
    assert dimensions(alarm) == {"QueueName": queue}
    assert queue in existing(stacks)


def test_what_survives_two_passes_of_the_reaper_is_an_alarm(
    environment: Environment, alarms: Alarms
) -> None:
    alarm = alarms["left-behind"]
    assert alarm["EvaluationPeriods"] == alarm.get("DatapointsToAlarm", 2) == 2
    assert alarm["Period"] == 60 * environment.spending.reap_every_minutes
    assert (alarm["Namespace"], alarm["MetricName"]) == ("bedrock-tuning", "LeftBehind")
    assert alarm["Statistic"] == "Maximum"
    assert dimensions(alarm) == {"environment": environment.name, "service": "bedrock-tuning"}


def test_figures_are_recorded_as_the_alarm_looks_them_up(
    environment: Environment, alarms: Alarms, capsys: pytest.CaptureFixture[str]
) -> None:
    record(environment.name, {"LeftBehind": 1})

    written = json.loads(capsys.readouterr().out)
    (metrics,) = written["_aws"]["CloudWatchMetrics"]
    alarm = alarms["left-behind"]
    assert metrics["Namespace"] == alarm["Namespace"]
    assert [each["Name"] for each in metrics["Metrics"]] == [alarm["MetricName"]]
    (names,) = metrics["Dimensions"]
    assert {name: written[name] for name in names} == dimensions(alarm)


def test_a_reaper_that_is_not_called_is_an_alarm(environment: Environment, alarms: Alarms) -> None:
    alarm = alarms["reaper-silent"]
    assert (alarm["Namespace"], alarm["MetricName"]) == ("AWS/Lambda", "Invocations")
    function = f"bedrock-tuning-{environment.name}-reap-leftovers"
    assert dimensions(alarm) == {"FunctionName": function}
    assert (alarm["ComparisonOperator"], alarm["Threshold"]) == ("LessThanThreshold", 1)
    assert alarm["TreatMissingData"] == "breaching"
    assert alarm["Period"] >= 60 * environment.spending.reap_every_minutes


def test_the_budget_counts_this_environment_and_tells_the_topic(
    environment: Environment, stacks: Stacks
) -> None:
    (given,) = of_type(stacks["operations"], "AWS::Budgets::Budget")
    budget = given["Budget"]
    assert budget["CostFilters"] == {
        "TagKeyValue": [f"user:bedrock-tuning:environment${environment.name}"]
    }
    limit = {"Amount": environment.spending.monthly_budget_usd, "Unit": "USD"}
    assert budget["BudgetLimit"] == limit
    assert (budget["BudgetType"], budget["TimeUnit"]) == ("COST", "MONTHLY")
    told = given["NotificationsWithSubscribers"]
    assert [
        (each["Notification"]["NotificationType"], each["Notification"]["Threshold"])
        for each in told
    ] == [("ACTUAL", 80), ("FORECASTED", 100)]
    for each in told:
        (subscriber,) = each["Subscribers"]
        assert subscriber["SubscriptionType"] == "SNS"
        assert subscriber["Address"]["Ref"].startswith("Topic")


@pytest.mark.parametrize("service", ["cloudwatch", "budgets"])
def test_alarms_and_the_budget_may_publish(
    environment: Environment, stacks: Stacks, service: str
) -> None:
    (policy,) = of_type(stacks["operations"], "AWS::SNS::TopicPolicy")
    (allowed,) = _allowed_to(policy["PolicyDocument"], service)
    assert allowed["Action"] == "sns:Publish"
    account = environment.account or {"Ref": "AWS::AccountId"}
    assert allowed["Condition"] == {"StringEquals": {"aws:SourceAccount": account}}
    keys = of_type(stacks["storage"], "AWS::KMS::Key")
    assert len(keys) == (1 if environment.storage.encryption == "kms" else 0)
    for key in keys:
        (allowed,) = _allowed_to(key["KeyPolicy"], service)
        assert {*allowed["Action"]} == {"kms:Decrypt", "kms:GenerateDataKey"}


def _allowed_to(document: Mapping[str, Any], service: str) -> list[dict[str, Any]]:
    principal = f"{service}.amazonaws.com"
    return [
        each
        for each in document["Statement"]
        if each["Effect"] == "Allow" and principal in json.dumps(each["Principal"])
    ]


def test_nobody_else_may_publish(stacks: Stacks) -> None:
    (policy,) = of_type(stacks["operations"], "AWS::SNS::TopicPolicy")
    allowed = [
        each["Principal"]
        for each in policy["PolicyDocument"]["Statement"]
        if each["Effect"] == "Allow"
    ]
    services = ("cloudwatch", "budgets")
    assert allowed == [{"Service": f"{service}.amazonaws.com"} for service in services]


def figures(stacks: Stacks) -> Iterator[list[Any]]:
    """Yield every metric on the dashboard as CloudWatch has them: names in order, then options."""
    (dashboard,) = of_type(stacks["operations"], "AWS::CloudWatch::Dashboard")
    for widget in json.loads(plain(dashboard["DashboardBody"]))["widgets"]:
        yield from widget["properties"]["metrics"]


def test_the_dashboard_shows_the_money(environment: Environment, stacks: Stacks) -> None:
    own = {each[1]: each[2:6] for each in figures(stacks) if each[0] == "bedrock-tuning"}
    assert {*own} == MONEY
    for name, given in own.items():
        found = dict(zip(given[::2], given[1::2], strict=True))
        assert found == {"environment": environment.name, "service": "bedrock-tuning"}, name


def test_every_figure_of_money_is_recorded_somewhere() -> None:
    sources = [path.read_text(encoding="utf-8") for path in Path("lambdas/handlers").glob("*.py")]
    recorded = {
        name
        for source in sources
        if "from lambdas.aws.metrics import record" in source
        for name in re.findall(r'"([A-Z]\w+)":', source)
    }
    assert recorded == MONEY


def test_the_dashboard_shows_every_function(stacks: Stacks) -> None:
    shown = {each[3] for each in figures(stacks) if each[:2] == ["AWS/Lambda", "Errors"]}
    functions = {
        each["FunctionName"]
        for stack in ("pipeline", "guards")
        for each in of_type(stacks[stack], "AWS::Lambda::Function")
    }
    assert shown == functions
