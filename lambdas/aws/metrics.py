"""Figures for the dashboard and its alarms, written to the log in CloudWatch's embedded format.

No call to AWS is made, so none can fail or cost anything.
"""

from __future__ import annotations

from collections.abc import Mapping

from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

from lambdas.domain.run.names import PROJECT


def record(environment: str, values: Mapping[str, float]) -> None:
    """Write one metric for each name, with the dimensions `service` and `environment`."""
    metrics = EphemeralMetrics(namespace=PROJECT, service=PROJECT)
    metrics.add_dimension("environment", environment)
    for name, value in values.items():
        metrics.add_metric(name, MetricUnit.NoUnit, value)
    metrics.flush_metrics()
