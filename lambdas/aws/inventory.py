"""Bedrock's resources that carry an environment's tag: listed, deleted, stopped."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from lambdas.aws.clients import client, code_of, translated
from lambdas.domain.errors import HostingBusy, RequestRefused
from lambdas.domain.housekeeping.tagged_resources import Kind, TaggedResource, check_deletable
from lambdas.domain.run.tags import ENVIRONMENT

_GONE = "ResourceNotFoundException"
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
        try:
            with translated(f"{'stop' if resource.kind == 'job' else 'delete'} {resource.arn}"):
                self._end(resource)
        except RequestRefused as error:
            # AWS documents for none of them which error a resource in Creating gives.
            if resource.is_changing:
                raise HostingBusy(str(error)) from error
            raise
        except ClientError as error:
            if code_of(error) == _GONE:
                return
            if code_of(error) != "ConflictException":
                raise
            if resource.kind != "job":  # a job that conflicts was over before the request came
                raise HostingBusy(f"{resource.name} cannot be deleted yet: {error}") from error

    def _end(self, resource: TaggedResource) -> None:
        bedrock, arn = self.bedrock, resource.arn
        match resource.kind:
            case "throughput":
                bedrock.delete_provisioned_model_throughput(provisionedModelId=arn)
            case "deployment":
                bedrock.delete_custom_model_deployment(customModelDeploymentIdentifier=arn)
            case "custom-model":
                bedrock.delete_custom_model(modelIdentifier=arn)
            case "job":
                bedrock.stop_model_customization_job(jobIdentifier=arn)

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
        try:
            with translated(f"read the tags of {arn}"):
                found = self.bedrock.list_tags_for_resource(resourceARN=arn)
        except ClientError as error:
            if code_of(error) == _GONE:
                return {}  # deleted since it was listed
            raise
        return {each["key"]: each["value"] for each in found["tags"]}

    def _pages(self, operation: str, member: str, **filters: object) -> Iterator[Summary]:
        with translated(operation.replace("_", " ")):
            for page in self.bedrock.get_paginator(operation).paginate(**filters):
                yield from page[member]
