"""Bedrock's custom model deployments: tuned models on demand, billed by the token."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from lambdas.aws.hosted_resources import HostedResources, hosting_model
from lambdas.aws.named_resources import NamedResources
from lambdas.domain.errors import QuotaExceeded, RequestRefused
from lambdas.domain.hosting.deployment import quota_advice
from lambdas.domain.hosting.terms import Hosted
from lambdas.domain.run.contracts import Run


@dataclass(frozen=True)
class Deployments(HostedResources):
    """The account's deployments."""

    delete_call: ClassVar = "delete_custom_model_deployment"
    resources: ClassVar = NamedResources(
        kind="deployment",
        describe="get_custom_model_deployment",
        identifier="customModelDeploymentIdentifier",
        list_all="list_custom_model_deployments",
        summaries="modelDeploymentSummaries",
        name="customModelDeploymentName",
        arn="customModelDeploymentArn",
    )

    def create(self, run: Run, *, model: str, tags: dict[str, str]) -> str:
        """Create the run's deployment, which costs nothing until it is asked; return its ARN."""
        try:
            with hosting_model(model, f"create deployment {run.hosting_name}"):
                made = self.bedrock.create_custom_model_deployment(
                    clientRequestToken=run.client_token,
                    modelDeploymentName=run.hosting_name,
                    modelArn=model,
                    tags=[{"key": key, "value": value} for key, value in tags.items()],
                )
        except RequestRefused:
            # The call has no error of its own for a name that is in use: by an earlier try.
            if found := self.find(run.hosting_name):
                return found.arn
            raise
        except QuotaExceeded as error:
            advice = quota_advice(self.bedrock.meta.region_name)
            raise QuotaExceeded(f"{error}. {advice}") from error
        arn: str = made["customModelDeploymentArn"]
        return arn

    def _hosted(self, found: Mapping[str, Any]) -> Hosted:
        return Hosted(
            kind="on-demand",
            arn=found["customModelDeploymentArn"],
            name=found["modelDeploymentName"],  # its list calls it otherwise
            status=found["status"],
            created_at=found["createdAt"],
            failure_message=found.get("failureMessage"),
        )
