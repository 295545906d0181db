"""CloudFormation: resources that our templates use and stock MiniStack lacks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ministack.services import budgets, cloudwatch, s3
from ministack.services.cloudformation import provisioners

from local.ministack.upstream import check_answer

Properties = dict[str, Any]
Made = tuple[str, dict[str, Any]]
_BUDGET = "AWS::Budgets::Budget"
_MOST_NOTIFICATIONS = 5  # of one budget
_MOST_SUBSCRIBERS = {"SNS": 1, "EMAIL": 10}  # of one notification


def create_types_that_stock_lacks() -> None:
    """Handle resource types that CloudFormation has, and MiniStack has not."""
    _create_budgets()
    _create_composite_alarms()
    _empty_buckets_without_a_function()


def _empty_buckets_without_a_function() -> None:
    """Handle Custom::S3AutoDeleteObjects here; its Node function finds no SDK in stock."""

    def create(logical_id: str, _: Properties, stack: str) -> Made:
        return f"{stack}-{logical_id}", {}

    def update(physical_id: str, *_: Any) -> Made:
        return physical_id, {}

    def delete(_: str, properties: Properties) -> None:
        bucket = s3._buckets.get(properties["BucketName"])
        if bucket:
            bucket["objects"].clear()

    name = "Custom::S3AutoDeleteObjects"
    provisioners._RESOURCE_HANDLERS[name] = {"create": create, "update": update, "delete": delete}


def _create_composite_alarms() -> None:
    """Pass AWS::CloudWatch::CompositeAlarm, which stock does not know, to CloudWatch itself."""
    put = cloudwatch._put_composite_alarm
    delete_alarms = cloudwatch._delete_alarms

    def save(name: str, properties: Properties) -> Made:
        check_answer(put({}, {**properties, "AlarmName": name}, False, is_json=True))
        return name, {"Arn": cloudwatch._composite_alarms[name]["AlarmArn"]}

    def create(logical_id: str, properties: Properties, stack: str) -> Made:
        generated = provisioners._physical_name(stack, logical_id, max_len=255)
        return save(properties.get("AlarmName") or generated, properties)

    def update(physical_id: str, _: Any, properties: Properties, __: str) -> Made:
        return save(physical_id, properties)

    def delete(physical_id: str, _: dict[str, Any]) -> None:
        check_answer(delete_alarms({}, {"AlarmNames": [physical_id]}, False, is_json=True))

    name = "AWS::CloudWatch::CompositeAlarm"
    provisioners._RESOURCE_HANDLERS[name] = {"create": create, "update": update, "delete": delete}
    provisioners._REPLACING_PROPERTIES[name] = ("AlarmName",)


def _create_budgets() -> None:
    """Handle AWS::Budgets::Budget by the Budgets API; what AWS would refuse fails the stack.

    Rules, read 2026-11-23: the CloudFormation user guide's aws-resource-budgets-budget.html and
    aws-properties-budgets-budget-budgetdata.html; CreateBudget of the Budgets API reference.
    """
    handlers = provisioners._RESOURCE_HANDLERS
    handlers[_BUDGET] = {
        "create": _create_budget,
        "update": _update_budget,
        "delete": _delete_budget,
    }
    provisioners._STACK_TAG_PROPERTY[_BUDGET] = ("ResourceTags", "list")
    # As on AWS, other notifications replace the budget, which fails if it keeps a name of its own.
    provisioners._REPLACING_PROPERTIES[_BUDGET] = ("NotificationsWithSubscribers",)


def _create_budget(logical_id: str, properties: Properties, stack: str) -> Made:
    generated = provisioners._physical_name(stack, logical_id, max_len=100)
    name = str(properties.get("Budget", {}).get("BudgetName") or generated)
    request = {
        "Budget": _budget(name, properties),
        "NotificationsWithSubscribers": properties.get("NotificationsWithSubscribers", []),
        "ResourceTags": properties.get("ResourceTags", []),
    }
    check_answer(budgets._create_budget(request))
    return name, {}


def _update_budget(physical_id: str, old: Properties, new: Properties, stack: str) -> Made:
    name = str(new.get("Budget", {}).get("BudgetName") or physical_id)
    if name != physical_id:
        created = _create_budget(physical_id, new, stack)
        provisioners._delete_predecessor(_delete_budget, physical_id, old)
        return created
    check_answer(budgets._update_budget({"NewBudget": _budget(name, new)}))
    tags = new.get("ResourceTags", [])
    budgets._tags[budgets._budget_arn(name)] = {tag["Key"]: tag["Value"] for tag in tags}
    return name, {}


def _delete_budget(physical_id: str, _: Properties) -> None:
    budgets._delete_budget({"BudgetName": physical_id})  # not found is fine


def _budget(name: str, properties: Properties) -> dict[str, Any]:
    """Return the API's budget, in which amounts are text."""
    problems = [*_budget_problems(properties)]
    if problems:
        raise ValueError(f"{_BUDGET}: {'; '.join(problems)}")
    budget = {**properties["Budget"], "BudgetName": name}
    limit = budget["BudgetLimit"]
    return {**budget, "BudgetLimit": {**limit, "Amount": f"{float(limit['Amount']):g}"}}


def _budget_problems(properties: Properties) -> Iterator[str]:
    yield from _limit_problems(properties.get("Budget", {}))
    filters = properties.get("Budget", {}).get("CostFilters", {})
    for key, values in filters.items():
        if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
            yield f"CostFilters.{key} must be a list of strings"
        elif key == "TagKeyValue" and not all("$" in value for value in values):
            yield "CostFilters.TagKeyValue must be like user:key$value"
    notifications = properties.get("NotificationsWithSubscribers", [])
    if len(notifications) > _MOST_NOTIFICATIONS:
        yield f"a budget has at most {_MOST_NOTIFICATIONS} notifications"
    for notification in notifications:
        yield from _subscriber_problems(notification.get("Subscribers", []))


def _limit_problems(budget: dict[str, Any]) -> Iterator[str]:
    limit = budget.get("BudgetLimit", {})
    try:
        positive = float(limit["Amount"]) > 0
    except (KeyError, TypeError, ValueError):
        positive = False
    if not positive:
        yield "BudgetLimit.Amount must be a number above 0"
    if not limit.get("Unit"):
        yield "BudgetLimit.Unit is required"


def _subscriber_problems(subscribers: list[dict[str, Any]]) -> Iterator[str]:
    for kind, most in _MOST_SUBSCRIBERS.items():
        there = (one for one in subscribers if one.get("SubscriptionType") == kind)
        addresses = [one.get("Address", "") for one in there]
        if len(addresses) > most:
            yield f"a notification has at most {most} {kind} subscriber(s)"
        mark = "arn:" if kind == "SNS" else "@"
        wrong = [address for address in addresses if mark not in address]
        yield from (f"{address} is not an {kind} address" for address in wrong)


def keep_alarms_on_metric_math() -> None:
    """Create alarms on `Metrics`, which stock refuses; nothing evaluates their expressions.

    They stay in INSUFFICIENT_DATA until SetAlarmState.
    """
    record = provisioners._cw_metric_alarm_record

    def with_metrics(name: str, properties: Properties) -> dict[str, Any]:
        metrics = properties.get("Metrics")
        if not metrics:
            plain: dict[str, Any] = record(name, properties)
            return plain
        _check_metrics(metrics, properties)
        stand_in = {"Metrics": None, "MetricName": "-", "Namespace": "-"}
        made = record(name, {**properties, **stand_in})
        of_one_metric = ("MetricName", "Namespace", "Statistic", "ExtendedStatistic", "Unit")
        return {**made, **dict.fromkeys(of_one_metric), "Metrics": metrics}

    provisioners._cw_metric_alarm_record = with_metrics


def _check_metrics(metrics: list[dict[str, Any]], properties: Properties) -> None:
    """Refuse what PutMetricAlarm refuses.

    Source, read 2026-11-23: its `Metrics`, and MetricDataQuery, in the CloudWatch API reference.
    """
    if {"MetricName", "Namespace", "Statistic", "Period", "Dimensions"} & properties.keys():
        raise ValueError("an alarm has either Metrics or a metric of its own")
    ids = [metric.get("Id") for metric in metrics]
    if None in ids or len(set(ids)) < len(ids):
        raise ValueError("each of an alarm's Metrics must have an Id of its own")
    if any(("Expression" in metric) == ("MetricStat" in metric) for metric in metrics):
        raise ValueError("each of an alarm's Metrics has either an Expression or a MetricStat")
    if sum(metric.get("ReturnData", True) in {True, "true"} for metric in metrics) != 1:
        raise ValueError("exactly one of an alarm's Metrics must have ReturnData true")
