"""CloudFormation: resources that our templates use and stock MiniStack lacks."""

from __future__ import annotations

from typing import Any

from ministack.services import cloudwatch, s3
from ministack.services.cloudformation import provisioners

from local.ministack.budgets import create_budgets
from local.ministack.upstream import check_answer

Made = tuple[str, dict[str, Any]]


def create_types_that_stock_lacks() -> None:
    """Handle resource types that CloudFormation has, and MiniStack has not."""
    create_budgets()
    _create_composite_alarms()
    _empty_buckets_without_a_function()


def _empty_buckets_without_a_function() -> None:
    """Handle Custom::S3AutoDeleteObjects here; its Node function finds no SDK in stock."""
    handlers = provisioners._RESOURCE_HANDLERS

    def create(logical_id: str, _: dict[str, Any], stack: str) -> tuple[str, dict[str, Any]]:
        return f"{stack}-{logical_id}", {}

    def update(physical_id: str, *_: Any) -> tuple[str, dict[str, Any]]:
        return physical_id, {}

    def delete(_: str, properties: dict[str, Any]) -> None:
        bucket = s3._buckets.get(properties["BucketName"])
        if bucket:
            bucket["objects"].clear()

    handlers["Custom::S3AutoDeleteObjects"] = {
        "create": create,
        "update": update,
        "delete": delete,
    }


def _create_composite_alarms() -> None:
    """Pass AWS::CloudWatch::CompositeAlarm, which stock does not know, to CloudWatch itself."""
    put = cloudwatch._put_composite_alarm
    delete_alarms = cloudwatch._delete_alarms

    def save(name: str, properties: dict[str, Any]) -> Made:
        check_answer(put({}, {**properties, "AlarmName": name}, False, is_json=True))
        return name, {"Arn": cloudwatch._composite_alarms[name]["AlarmArn"]}

    def create(logical_id: str, properties: dict[str, Any], stack: str) -> Made:
        generated = provisioners._physical_name(stack, logical_id, max_len=255)
        return save(properties.get("AlarmName") or generated, properties)

    def update(physical_id: str, _: Any, properties: dict[str, Any], __: str) -> Made:
        return save(physical_id, properties)

    def delete(physical_id: str, _: dict[str, Any]) -> None:
        check_answer(delete_alarms({}, {"AlarmNames": [physical_id]}, False, is_json=True))

    handlers = provisioners._RESOURCE_HANDLERS
    handlers["AWS::CloudWatch::CompositeAlarm"] = {
        "create": create,
        "update": update,
        "delete": delete,
    }
    creating = provisioners._REPLACING_PROPERTIES
    creating["AWS::CloudWatch::CompositeAlarm"] = ("AlarmName",)


def keep_alarms_on_metric_math() -> None:
    """Create alarms on `Metrics`, which stock refuses; nothing evaluates their expressions.

    They stay in INSUFFICIENT_DATA until SetAlarmState.
    """
    record = provisioners._cw_metric_alarm_record

    def with_metrics(name: str, properties: dict[str, Any]) -> dict[str, Any]:
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


def _check_metrics(metrics: list[dict[str, Any]], properties: dict[str, Any]) -> None:
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
