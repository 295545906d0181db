"""All that an account has on Bedrock, listed, tagged and deleted as the service does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from tests.factories import EXECUTION, NOW
from tests.fakes.bedrock import REGION, FakeClient, arn
from tests.fakes.s3 import client_error

HAIKU = f"arn:aws:bedrock:{REGION}::foundation-model/anthropic.claude-3-haiku-20240307-v1:0:200k"
_KINDS = {
    "list_provisioned_model_throughputs": ("provisionedModelSummaries", "provisioned-model"),
    "list_custom_model_deployments": ("modelDeploymentSummaries", "custom-model-deployment"),
    "list_custom_models": ("modelSummaries", "custom-model"),
    "list_model_customization_jobs": (
        "modelCustomizationJobSummaries",
        "model-customization-job",
    ),
}


@dataclass(frozen=True)
class _Pages:
    account: FakeInventory
    operation: str

    def paginate(self, **filters: Any) -> Iterator[dict[str, Any]]:
        return self.account.pages_of(self.operation, **filters)


class FakeInventory(FakeClient):
    """`things` by ARN; put some in with `add`."""

    def __init__(self) -> None:
        super().__init__()
        self.meta = SimpleNamespace(region_name=REGION)
        self.things: dict[str, dict[str, Any]] = {}
        self.tags: dict[str, dict[str, str]] = {}
        self.busy: set[str] = set()
        self.unreadable: dict[str, Exception] = {}

    def add(  # keyword-only, each a property of the thing
        self,
        kind: str,
        name: str,
        *,
        tags: dict[str, str] | None = None,
        minutes_old: float = 60,
        status: str | None = None,
        **members: Any,
    ) -> str:
        """Add something of this environment, an hour old, of the factories' execution."""
        identifier = f"{len(self.things):012}"
        made = arn(kind, identifier if kind != "custom-model" else f"base/{identifier}")
        self.tags[made] = {
            "bedrock-tuning:environment": "dev",
            "bedrock-tuning:run": "run-1",
            "bedrock-tuning:execution": EXECUTION.arn,
            **(tags or {}),
        }
        created = NOW - timedelta(minutes=minutes_old)
        self.things[made] = _summary(kind, made, name, created, status) | members
        return made

    def get_paginator(self, operation: str) -> _Pages:
        return _Pages(self, operation)

    def pages_of(self, operation: str, **filters: Any) -> Iterator[dict[str, Any]]:
        member, kind = _KINDS[operation]
        self._enter(operation, filters)
        found = [each for made, each in self.things.items() if f":{kind}/" in made]
        wanted = filters.get("nameContains", "")
        yield {member: [each for each in found if wanted in each_name(each)]}

    def list_tags_for_resource(self, **request: Any) -> dict[str, Any]:
        made = request["resourceARN"]
        self._enter("ListTagsForResource", request)
        if error := self.unreadable.get(made):
            raise error
        if made not in self.things:
            raise client_error("ResourceNotFoundException", 404)
        tags = self.tags[made]
        return {"tags": [{"key": key, "value": value} for key, value in tags.items()]}

    def delete_provisioned_model_throughput(self, **request: Any) -> dict[str, Any]:
        return self._delete("DeleteProvisionedModelThroughput", request["provisionedModelId"])

    def delete_custom_model_deployment(self, **request: Any) -> dict[str, Any]:
        identifier = request["customModelDeploymentIdentifier"]
        return self._delete("DeleteCustomModelDeployment", identifier)

    def delete_custom_model(self, **request: Any) -> dict[str, Any]:
        return self._delete("DeleteCustomModel", request["modelIdentifier"])

    def stop_model_customization_job(self, **request: Any) -> dict[str, Any]:
        return self._delete("StopModelCustomizationJob", request["jobIdentifier"])

    def _delete(self, operation: str, made: str) -> dict[str, Any]:
        self._enter(operation, {"arn": made})
        if made in self.busy:
            raise client_error("ConflictException")
        if made not in self.things:
            raise client_error("ResourceNotFoundException", 404)
        del self.things[made]
        return {}


def install(monkeypatch: pytest.MonkeyPatch, fake: FakeInventory) -> FakeInventory:
    """Make every `Inventory` use `fake`."""
    monkeypatch.setattr("lambdas.aws.inventory.client", {"bedrock": fake}.__getitem__)
    return fake


def each_name(summary: dict[str, Any]) -> str:
    keys = ("provisionedModelName", "customModelDeploymentName", "modelName", "jobName")
    return next(summary[key] for key in keys if key in summary)


def _summary(
    kind: str, made: str, name: str, created: datetime, status: str | None
) -> dict[str, Any]:
    match kind:
        case "provisioned-model":
            return {
                "provisionedModelArn": made,
                "provisionedModelName": name,
                "status": status or "InService",
                "creationTime": created,
                "modelArn": arn("custom-model", "m"),
                "foundationModelArn": HAIKU,
                "modelUnits": 1,
            }
        case "custom-model-deployment":
            return {
                "customModelDeploymentArn": made,
                "customModelDeploymentName": name,
                "status": status or "Active",
                "createdAt": created,
                "modelArn": arn("custom-model", "m"),
            }
        case "custom-model":
            return {
                "modelArn": made,
                "modelName": name,
                "creationTime": created,
                "baseModelArn": HAIKU,
                "modelStatus": status or "Active",
            }
        case _:
            return {
                "jobArn": made,
                "jobName": name,
                "status": status or "InProgress",
                "creationTime": created,
            }
