"""What an environment bills a month while no run is under way, from its template.

List prices in US dollars without a free allowance, which other things in the account may use up.
Not counted: what is stored, and mails.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from lambdas.domain.run.names import PROJECT
from stacks.review.templates import Deployment, Resource

_HOURS = 730  # a month
_HOUR_SECONDS = 3600

# What bills by itself: US dollars a month, source, when it was read.
PRICES = {
    "alarm metric": (0.10, "aws.amazon.com/cloudwatch/pricing, standard alarms", "2026-11"),
    "composite alarm": (0.50, "aws.amazon.com/cloudwatch/pricing", "2026-11"),
    # Three dashboards of at most 50 metrics each are free.
    "dashboard of more than 50 metrics": (3.00, "aws.amazon.com/cloudwatch/pricing", "2026-11"),
    "custom metric": (0.30, "aws.amazon.com/cloudwatch/pricing, by the hour with data", "2026-11"),
    # And a dollar more for each of the first two yearly rotations.
    "KMS key": (1.00, "aws.amazon.com/kms/pricing", "2026-11"),
    # Measured: 256 MB for a second, a trace, and its log lines.
    "thousand scheduled calls": (0.0137, "aws.amazon.com/lambda, xray, cloudwatch", "2026-11"),
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
    return {what: (counts[what], counts[what] * PRICES[what][0]) for what in PRICES if counts[what]}


def _billed(resource: Resource) -> Iterator[tuple[str, float]]:
    properties = resource.properties
    match resource.type:
        case "AWS::CloudWatch::Alarm":
            expressions = properties.get("Metrics", [{"MetricStat": {}}])
            yield "alarm metric", sum("MetricStat" in metric for metric in expressions)
        case "AWS::CloudWatch::CompositeAlarm":
            yield "composite alarm", 1
        case "AWS::CloudWatch::Dashboard" if len([*_shown(resource)]) > _FREE_METRICS:
            yield "dashboard of more than 50 metrics", 1
        case "AWS::KMS::Key":
            yield "KMS key", 1
        case "AWS::Events::Rule":
            rate = re.fullmatch(r"rate\((\d+) minutes?\)", properties.get("ScheduleExpression", ""))
            if rate:
                yield "thousand scheduled calls", _HOURS * 60 / int(rate[1]) / 1000


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
