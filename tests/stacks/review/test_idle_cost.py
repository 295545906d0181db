"""What an environment bills a month while nothing runs."""

from collections.abc import Mapping

import pytest

from stacks.review.idle_cost import idle_items
from stacks.review.templates import Deployment, read


@pytest.mark.parametrize(("name", "usd"), [("dev", 5.84), ("prod", 6.94), ("local", 5.94)])
def test_the_environments(deployments: Mapping[str, Deployment], name: str, usd: float) -> None:
    assert sum(cost for _, cost in idle_items(deployments[name]).values()) == pytest.approx(
        usd, abs=0.005
    )


def test_only_figures_of_the_reaper_bill_while_nothing_runs(
    deployments: Mapping[str, Deployment],
) -> None:
    count, _ = idle_items(deployments["dev"])["custom metric"]
    assert count == 5  # not those that runs write: as quoted, as metered


def test_an_alarm_bills_each_metric_of_its_expression() -> None:
    metrics = [{"MetricStat": {}}, {"MetricStat": {}}, {"Expression": "a + b"}]
    alarm = {"Type": "AWS::CloudWatch::Alarm", "Properties": {"Metrics": metrics}}
    found = idle_items(read("dev", "us-east-1", {"stack": {"Resources": {"Alarm": alarm}}}))
    assert found == {"alarm metric": (2, 0.2)}
