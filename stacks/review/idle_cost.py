"""What an environment bills a month while no run is under way, from its template.

List prices in US dollars without a free allowance, which other things in the account may use up.
Not counted: what is stored, and mails.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from lambdas.domain.cost.calculator import HOURS_PER_MONTH
from lambdas.domain.cost.price_book import ServiceField, service_price
from lambdas.domain.run.names import PROJECT
from stacks.review.templates import Deployment, Resource

_HOUR_SECONDS = 3600
_PRICES: dict[str, ServiceField] = {
    "alarm metric": "alarm_usd_per_metric_month",
    "dashboard of more than 50 metrics": "dashboard_usd_per_month",
    "custom metric": "custom_metric_usd_per_month",
    "KMS key": "kms_key_usd_per_month",
    "thousand scheduled calls": "scheduled_call_usd_per_thousand",
}
_FREE_METRICS = 50


def idle_items(deployment: Deployment) -> dict[str, tuple[float, float]]:
    """Return the number of each thing that bills, and US dollars a month for all of them."""
    counts = Counter[str]()
    custom: set[str] = set()
    for resource in deployment.resources.values():
        counts += Counter(dict(_billed(resource)))
        # One that is shown by the hour or finer is written whether or not a run is under way.
        custom |= {name for name, seconds in _custom_metrics(resource) if seconds <= _HOUR_SECONDS}
    counts["custom metric"] = len(custom)
    return {
        what: (counts[what], counts[what] * service_price(field).usd)
        for what, field in _PRICES.items()
        if counts[what]
    }


def _billed(resource: Resource) -> Iterator[tuple[str, float]]:
    properties = resource.properties
    match resource.type:
        case "AWS::CloudWatch::Alarm":
            expressions = properties.get("Metrics", [{"MetricStat": {}}])
            yield "alarm metric", sum("MetricStat" in metric for metric in expressions)
        case "AWS::CloudWatch::Dashboard" if len([*_shown(resource)]) > _FREE_METRICS:
            yield "dashboard of more than 50 metrics", 1
        case "AWS::KMS::Key":
            yield "KMS key", 1
        case "AWS::Events::Rule":
            rate = re.fullmatch(r"rate\((\d+) minutes?\)", properties.get("ScheduleExpression", ""))
            if rate:
                yield "thousand scheduled calls", HOURS_PER_MONTH * 60 / int(rate[1]) / 1000


def _custom_metrics(resource: Resource) -> Iterator[tuple[str, float]]:
    """Yield name and period in seconds of the project's own metrics that the resource reads."""
    properties = resource.properties
    if resource.type == "AWS::CloudWatch::Alarm" and properties.get("Namespace") == PROJECT:
        yield properties["MetricName"], properties["Period"]
    for namespace, name, *_, options in _shown(resource):
        if namespace == PROJECT:
            yield name, options["period"]


def _shown(resource: Resource) -> Iterator[list[Any]]:
    body = resource.properties.get("DashboardBody")
    if isinstance(body, dict):
        for widget in body["widgets"]:
            yield from widget["properties"].get("metrics", [])
