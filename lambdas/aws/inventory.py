"""Bedrock's resources: listed, their tags read, deleted, stopped."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from lambdas.aws.clients import client, delete, get, translated
from lambdas.aws.customization_jobs import CustomizationJobs
from lambdas.domain.housekeeping.tagged_resources import Kind, TaggedResource, check_deletable

Summary = Mapping[str, Any]


@dataclass(frozen=True)
class Inventory:
    """The account's resources; each method raises the named errors of `translated`.

    Jobs and models are listed by the environment's name: an account may have thousands.
    """

    environment: str | None  # None: whosever they are
    bedrock: Any = field(default_factory=lambda: client("bedrock"))

    @property
    def region(self) -> str:
        region: str = self.bedrock.meta.region_name
        return region

    @property
    def _by_name(self) -> dict[str, str]:
        return {} if self.environment is None else {"nameContains": f"{self.environment}-"}

    def listed(self, kind: Kind) -> Iterator[TaggedResource]:
        """Yield all of a kind, whosever it is, without its tags."""
        match kind:
            case "throughput":
                return self._throughputs()
            case "deployment":
                return self._deployments()
            case "job":
                return self._running_jobs()
            case "custom-model":
                return self._custom_models()

    def tags_of(self, arn: str) -> dict[str, str] | None:
        """Return the tags of a resource; None if it is gone."""
        doing = f"read the tags of {arn}"
        found = get(doing, self.bedrock.list_tags_for_resource, resourceARN=arn)
        return found and {tag["key"]: tag["value"] for tag in found["tags"]}

    def _throughputs(self) -> Iterator[TaggedResource]:
        pages = self._pages("list_provisioned_model_throughputs", "provisionedModelSummaries")
        for each in pages:
            yield TaggedResource(
                "throughput",
                each["provisionedModelArn"],
                each["provisionedModelName"],
                each["status"],
                each["creationTime"],
                model_arn=each["modelArn"],
                foundation_model_arn=each["foundationModelArn"],
                model_units=each["modelUnits"],
                commitment=each.get("commitmentDuration"),
                commitment_ends=each.get("commitmentExpirationTime"),
            )

    def _deployments(self) -> Iterator[TaggedResource]:
        pages = self._pages("list_custom_model_deployments", "modelDeploymentSummaries")
        for each in pages:
            yield TaggedResource(
                "deployment",
                each["customModelDeploymentArn"],
                each["customModelDeploymentName"],
                each["status"],
                each["createdAt"],
                model_arn=each["modelArn"],
            )

    def _running_jobs(self) -> Iterator[TaggedResource]:
        pages = self._pages(
            "list_model_customization_jobs",
            "modelCustomizationJobSummaries",
            statusEquals="InProgress",
            **self._by_name,
        )
        for each in pages:
            yield TaggedResource(
                "job", each["jobArn"], each["jobName"], each["status"], each["creationTime"]
            )

    def _custom_models(self) -> Iterator[TaggedResource]:
        pages = self._pages(
            "list_custom_models",
            "modelSummaries",
            isOwned=True,
            **self._by_name,
        )
        for each in pages:
            yield TaggedResource(
                "custom-model",
                each["modelArn"],
                each["modelName"],
                each.get("modelStatus", "Active"),
                each["creationTime"],
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
        # A model may still be in use: what served it is deleted soon after the call, not in it.
        changing = resource.is_changing or resource.kind == "custom-model"
        delete(doing, call, changing=changing, **{key: resource.arn})

    def _pages(self, operation: str, member: str, **filters: object) -> Iterator[Summary]:
        with translated(operation.replace("_", " ")):
            for page in self.bedrock.get_paginator(operation).paginate(**filters):
                yield from page[member]
