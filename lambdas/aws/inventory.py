"""Bedrock's resources that carry an environment's tag: listed, deleted, stopped."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from lambdas.aws.clients import client, delete, get, translated
from lambdas.aws.customization_jobs import CustomizationJobs
from lambdas.domain.housekeeping.tagged_resources import Kind, TaggedResource, check_deletable
from lambdas.domain.run.tags import ENVIRONMENT

Summary = Mapping[str, Any]


@dataclass(frozen=True)
class Inventory:
    """One environment's resources; each method raises the named errors of `translated`."""

    environment: str
    bedrock: Any = field(default_factory=lambda: client("bedrock"))

    @property
    def region(self) -> str:
        region: str = self.bedrock.meta.region_name
        return region

    def everything(self) -> list[TaggedResource]:
        """Return all that carries the environment's tag."""
        return [
            *self.throughputs(),
            *self.deployments(),
            *self.running_jobs(),
            *self.custom_models(),
        ]

    def throughputs(self) -> Iterator[TaggedResource]:
        pages = self._pages("list_provisioned_model_throughputs", "provisionedModelSummaries")
        for each in pages:
            yield from self._tagged(
                "throughput",
                each["provisionedModelArn"],
                each["provisionedModelName"],
                each,
                model_arn=each["modelArn"],
                foundation_model_arn=each["foundationModelArn"],
                model_units=each["modelUnits"],
                commitment=each.get("commitmentDuration"),
                commitment_ends=each.get("commitmentExpirationTime"),
            )

    def deployments(self) -> Iterator[TaggedResource]:
        pages = self._pages("list_custom_model_deployments", "modelDeploymentSummaries")
        for each in pages:
            summary = {**each, "creationTime": each["createdAt"]}
            arn, name = each["customModelDeploymentArn"], each["customModelDeploymentName"]
            yield from self._tagged("deployment", arn, name, summary, model_arn=each["modelArn"])

    def running_jobs(self) -> Iterator[TaggedResource]:
        pages = self._pages(
            "list_model_customization_jobs",
            "modelCustomizationJobSummaries",
            statusEquals="InProgress",
            nameContains=f"{self.environment}-",
        )
        for each in pages:
            yield from self._tagged("job", each["jobArn"], each["jobName"], each)

    def custom_models(self) -> Iterator[TaggedResource]:
        pages = self._pages(
            "list_custom_models",
            "modelSummaries",
            nameContains=f"{self.environment}-",
            isOwned=True,
        )
        for each in pages:
            summary = {"status": each.get("modelStatus", "Active"), **each}
            yield from self._tagged(
                "custom-model",
                each["modelArn"],
                each["modelName"],
                summary,
                foundation_model_arn=each["baseModelArn"],
            )

    def end(self, resource: TaggedResource) -> None:
        """Delete a resource (stop a job); one that is gone already counts as success.

        Raises
        ------
        HostingBusy
            AWS refuses for now: it is being created or changed, or is still in use.
        HostingCommitted
            It was bought with a commitment, which has to end first.
        """
        check_deletable(resource)
        bedrock = self.bedrock
        match resource.kind:
            case "throughput":
                call, key = bedrock.delete_provisioned_model_throughput, "provisionedModelId"
            case "deployment":
                call, key = (
                    bedrock.delete_custom_model_deployment,
                    "customModelDeploymentIdentifier",
                )
            case "custom-model":
                call, key = bedrock.delete_custom_model, "modelIdentifier"
            case "job":
                CustomizationJobs(bedrock).stop(resource.arn)
                return
        doing = f"delete {resource.name} ({resource.arn})"
        delete(doing, call, changing=resource.is_changing, **{key: resource.arn})

    def _tagged(
        self,
        kind: Kind,
        arn: str,
        name: str,
        summary: Summary,
        **details: Any,  # noqa: ANN401  # members of TaggedResource
    ) -> Iterator[TaggedResource]:
        tags = self._tags(arn)
        if tags.get(ENVIRONMENT) == self.environment:
            status, created = summary["status"], summary["creationTime"]
            yield TaggedResource(kind, arn, name, status, created, tags, **details)

    def _tags(self, arn: str) -> dict[str, str]:
        doing = f"read the tags of {arn}"
        found = get(doing, self.bedrock.list_tags_for_resource, resourceARN=arn)
        # None: deleted since it was listed.
        return {tag["key"]: tag["value"] for tag in found["tags"]} if found else {}

    def _pages(self, operation: str, member: str, **filters: object) -> Iterator[Summary]:
        with translated(operation.replace("_", " ")):
            for page in self.bedrock.get_paginator(operation).paginate(**filters):
                yield from page[member]
