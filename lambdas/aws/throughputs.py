"""Bedrock's provisioned throughputs, bought without commitment only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from lambdas.aws.hosted_resources import HostedResources, hosting_model
from lambdas.aws.named_resources import NamedResources
from lambdas.domain.errors import QuotaExceeded
from lambdas.domain.hosting.terms import Hosted
from lambdas.domain.hosting.throughput import quota_advice
from lambdas.domain.run.contracts import Run


@dataclass(frozen=True)
class Throughputs(HostedResources):
    """The account's throughputs."""

    delete_call: ClassVar = "delete_provisioned_model_throughput"
    resources: ClassVar = NamedResources(
        kind="provisioned throughput",
        describe="get_provisioned_model_throughput",
        identifier="provisionedModelId",
        list_all="list_provisioned_model_throughputs",
        summaries="provisionedModelSummaries",
        name="provisionedModelName",
        arn="provisionedModelArn",
    )

    def buy(self, run: Run, *, model: str, model_name: str, tags: dict[str, str]) -> str:
        """Buy the run's throughput, billed by the hour until it is deleted; return its ARN."""
        try:
            with hosting_model(model, f"buy provisioned throughput {run.hosting_name}"):
                bought = self.bedrock.create_provisioned_model_throughput(
                    clientRequestToken=run.client_token,
                    modelUnits=run.settings.model_units,
                    provisionedModelName=run.hosting_name,
                    modelId=model,
                    tags=[{"key": key, "value": value} for key, value in tags.items()],
                )
        except QuotaExceeded as error:
            advice = quota_advice(model_name, self.bedrock.meta.region_name)
            raise QuotaExceeded(f"{error}. {advice}") from error
        arn: str = bought["provisionedModelArn"]
        return arn

    def _hosted(self, found: Mapping[str, Any]) -> Hosted:
        return Hosted(
            kind="provisioned",
            arn=found["provisionedModelArn"],
            name=found["provisionedModelName"],
            status=found["status"],
            created_at=found["creationTime"],
            failure_message=found.get("failureMessage"),
        )
