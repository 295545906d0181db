"""The dashboard: what bills now, what the month cost, and how executions and functions fare."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch

from stacks.constructs.stack import EnvironmentStack
from stacks.constructs.step import Step
from stacks.operations.metrics import Metrics

_WIDTH = 12
_NARROW = 8


def add_dashboard(stack: EnvironmentStack, metrics: Metrics, steps: Iterable[Step]) -> None:
    steps = list(steps)
    cloudwatch.Dashboard(
        stack,
        "Dashboard",
        dashboard_name=stack.names.state_machine,
        default_interval=Duration.days(7),
        widgets=[
            _costs(metrics),
            _executions(metrics),
            [
                _functions(metrics, steps, "Errors", "Sum"),
                _functions(metrics, steps, "Duration", "Maximum"),
            ],
        ],
    )


def _costs(metrics: Metrics) -> list[cloudwatch.IWidget]:
    # Labels are added here: on an alarm's metric, one would turn it into an expression.
    now = [
        metrics.recorded("ThroughputsAlive").with_(label="throughputs"),
        metrics.recorded("OldestThroughputMinutes").with_(label="the oldest, minutes"),
        metrics.recorded("DeploymentsAlive").with_(label="deployments"),
    ]
    late = [
        metrics.recorded("HostingOverdue").with_(label="past release-by"),
        metrics.recorded("LeftBehind").with_(label="could not be deleted"),
    ]
    month = Duration.days(30)
    spent = [
        metrics.recorded(name, "Sum").with_(label=label, period=month)
        for name, label in (("QuotedUsd", "as quoted"), ("MeteredUsd", "as metered"))
    ]
    values = cloudwatch.SingleValueWidget
    return [
        values(title="Hosting now", metrics=now, width=_NARROW),
        _graph("Hosting to be released", late, _NARROW),
        values(title="US dollars in 30 days", metrics=spent, width=_NARROW, period=month),
    ]


def _executions(metrics: Metrics) -> list[cloudwatch.IWidget]:
    ends = [
        metrics.executions(end).with_(label=end)
        for end in ("Succeeded", "Failed", "TimedOut", "Aborted")
    ]
    took = metrics.longest_execution().with_(label="Longest")
    return [_graph("Executions", ends), _graph("Duration of executions", [took])]


def _functions(
    metrics: Metrics, steps: Sequence[Step], metric: str, statistic: str
) -> cloudwatch.GraphWidget:
    lines = [metrics.function(step, metric, statistic).with_(label=step.name) for step in steps]
    return _graph(f"{metric} of functions", lines)


def _graph(
    title: str, metrics: Sequence[cloudwatch.Metric], width: int = _WIDTH
) -> cloudwatch.GraphWidget:
    return cloudwatch.GraphWidget(title=title, left=[*metrics], width=width)
