"""What carries the environment's tag on Bedrock, and how each of it is ended."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from lambdas.aws.clients import client, code_of, translated
from lambdas.domain.errors import HostingBusy, HostingCommitted, RequestRefused
from lambdas.domain.housekeeping.tagged_resources import Kind, Owned
from lambdas.domain.run.tags import ENVIRONMENT

_GONE = "ResourceNotFoundException"
Summary = Mapping[str, Any]


@dataclass(frozen=True)
class Inventory:
    """One environment's resources; each method raises the named errors of `translated`."""

    environment: str
    bedrock: Any = field(default_factory=lambda: client("bedrock"))

    def everything(self) -> list[Owned]:
        """Return all that carries the environment's tag."""
        return [
            *self.throughputs(),
            *self.deployments(),
            *self.running_jobs(),
            *self.custom_models(),
        ]

    def throughputs(self) -> Iterator[Owned]:
        pages = self._pages("list_provisioned_model_throughputs", "provisionedModelSummaries")
        for each in pages:
            yield from self._owned(
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

    def deployments(self) -> Iterator[Owned]:
        pages = self._pages("list_custom_model_deployments", "modelDeploymentSummaries")
        for each in pages:
            summary = {**each, "creationTime": each["createdAt"]}
            arn, name = each["customModelDeploymentArn"], each["customModelDeploymentName"]
            yield from self._owned("deployment", arn, name, summary, model_arn=each["modelArn"])

    def running_jobs(self) -> Iterator[Owned]:
        pages = self._pages(
            "list_model_customization_jobs",
            "modelCustomizationJobSummaries",
            statusEquals="InProgress",
            nameContains=f"{self.environment}-",
        )
        for each in pages:
            yield from self._owned("job", each["jobArn"], each["jobName"], each)

    def custom_models(self) -> Iterator[Owned]:
        pages = self._pages(
            "list_custom_models",
            "modelSummaries",
            nameContains=f"{self.environment}-",
            isOwned=True,
        )
        for each in pages:
            summary = {"status": each.get("modelStatus", "Active"), **each}
            yield from self._owned(
                "custom-model",
                each["modelArn"],
                each["modelName"],
                summary,
                foundation_model_arn=each["baseModelArn"],
            )

    def end(self, owned: Owned) -> None:
        """Delete it, or stop it where it is a job; that it is gone already is success.

        Raises
        ------
        HostingBusy
            AWS refuses for now: it is being created or changed, or something still uses it.
        HostingCommitted
            It was bought with a commitment, so that AWS deletes it only when that has ended.
        """
        if owned.commitment:
            raise HostingCommitted(
                f"{owned.name} was bought with a commitment ({owned.commitment}) that ends "
                f"{owned.commitment_ends or 'at a time AWS does not tell'}: until then AWS does "
                "not delete it and it bills. This project buys none: CloudTrail names who did"
            )
        try:
            with translated(f"{'stop' if owned.kind == 'job' else 'delete'} {owned.arn}"):
                self._end(owned)
        except RequestRefused as error:
            # Which error a resource in Creating gives is documented for none of them.
            if owned.is_changing:
                raise HostingBusy(str(error)) from error
            raise
        except ClientError as error:
            if code_of(error) == _GONE:
                return
            if code_of(error) != "ConflictException":
                raise
            if owned.kind != "job":  # a job that conflicts was over before the request came
                raise HostingBusy(f"{owned.name} cannot be deleted yet: {error}") from error

    def _end(self, owned: Owned) -> None:
        bedrock, arn = self.bedrock, owned.arn
        match owned.kind:
            case "throughput":
                bedrock.delete_provisioned_model_throughput(provisionedModelId=arn)
            case "deployment":
                bedrock.delete_custom_model_deployment(customModelDeploymentIdentifier=arn)
            case "custom-model":
                bedrock.delete_custom_model(modelIdentifier=arn)
            case "job":
                bedrock.stop_model_customization_job(jobIdentifier=arn)

    def _owned(
        self,
        kind: Kind,
        arn: str,
        name: str,
        summary: Summary,
        **details: Any,  # noqa: ANN401  # members of Owned
    ) -> Iterator[Owned]:
        tags = self._tags(arn)
        if tags.get(ENVIRONMENT) == self.environment:
            status, created = summary["status"], summary["creationTime"]
            yield Owned(kind, arn, name, status, created, tags, **details)

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
