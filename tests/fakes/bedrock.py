"""Bedrock, its runtime and SNS in memory, refusing as the services do."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from datetime import datetime
from email.utils import format_datetime
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError

from tests.fakes.s3 import client_error

ACCOUNT = "123456789012"
REGION = "us-west-2"


def arn(kind: str, name: str) -> str:
    return f"arn:aws:bedrock:{REGION}:{ACCOUNT}:{kind}/{name}"


class FakeClient:
    """A boto3 client: records its calls, and raises the staged failures of an operation in turn."""

    def __init__(self) -> None:
        self.failures: dict[str, list[Exception]] = {}
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self._lock = threading.Lock()

    def fail(self, operation: str, *codes: str) -> None:
        self.failures[operation] = [client_error(code, operation=operation) for code in codes]

    def lose(self, times: int) -> None:
        """Let so many calls of Converse take effect and their answers be waited for in vain."""
        self.failures["Converse"] = [ReadTimeoutError(endpoint_url="…") for _ in range(times)]

    def called(self, operation: str) -> list[dict[str, Any]]:
        return [request for name, request in self.calls if name == operation]

    def _enter(self, operation: str, request: dict[str, Any]) -> None:
        with self._lock:
            self.calls.append((operation, request))
            pending = self.failures.get(operation)
            if pending:
                raise pending.pop(0)


class FakeBedrock(FakeClient):
    """The control plane: `jobs`, `throughputs` and `deployments` are what there is, by name."""

    def __init__(self, now: datetime) -> None:
        super().__init__()
        self.now = now
        self.answered_at: datetime | None = None  # the date of AWS's answers, where they tell one
        self.meta = SimpleNamespace(region_name=REGION)
        self.jobs: dict[str, dict[str, Any]] = {}
        self.throughputs: dict[str, dict[str, Any]] = {}
        self.deployments: dict[str, dict[str, Any]] = {}
        self.unknown = "ResourceNotFoundException"  # what a name is told that nothing has

    def get_paginator(self, operation: str) -> SimpleNamespace:
        """Make a paginator: `paginate` gives one page of all that there is of a kind."""
        member, things = {
            "list_model_customization_jobs": ("modelCustomizationJobSummaries", self.jobs),
            "list_provisioned_model_throughputs": ("provisionedModelSummaries", self.throughputs),
            "list_custom_model_deployments": ("modelDeploymentSummaries", self.deployments),
        }[operation]

        def paginate(*, nameContains: str = "") -> list[dict[str, Any]]:  # noqa: N803  # AWS's name
            self._enter(operation, {"nameContains": nameContains})
            return [{member: [each for name, each in things.items() if nameContains in name]}]

        return SimpleNamespace(paginate=paginate)

    def get_model_customization_job(self, **request: Any) -> dict[str, Any]:
        self._enter("GetModelCustomizationJob", request)
        return self._find(self.jobs, "jobArn", request["jobIdentifier"])

    def create_model_customization_job(self, **request: Any) -> dict[str, Any]:
        self._enter("CreateModelCustomizationJob", request)
        name = request["jobName"]
        if name in self.jobs:
            raise client_error("ConflictException")
        token = request["clientRequestToken"]
        self.jobs[name] = self.job(name, clientRequestToken=token)
        return {"jobArn": self.jobs[name]["jobArn"]}

    def stop_model_customization_job(self, **request: Any) -> dict[str, Any]:
        self._enter("StopModelCustomizationJob", request)
        job = self._find(self.jobs, "jobArn", request["jobIdentifier"])
        if job["status"] != "InProgress":
            raise client_error("ConflictException")
        job["status"] = "Stopping"
        return {}

    def get_provisioned_model_throughput(self, **request: Any) -> dict[str, Any]:
        self._enter("GetProvisionedModelThroughput", request)
        return self._find(self.throughputs, "provisionedModelArn", request["provisionedModelId"])

    def create_provisioned_model_throughput(self, **request: Any) -> dict[str, Any]:
        self._enter("CreateProvisionedModelThroughput", request)
        name = request["provisionedModelName"]
        self.throughputs[name] = self.throughput(name)
        return {"provisionedModelArn": self.throughputs[name]["provisionedModelArn"]}

    def delete_provisioned_model_throughput(self, **request: Any) -> dict[str, Any]:
        self._enter("DeleteProvisionedModelThroughput", request)
        found = self._find(self.throughputs, "provisionedModelArn", request["provisionedModelId"])
        del self.throughputs[found["provisionedModelName"]]
        return {"ResponseMetadata": {"HTTPHeaders": self._date()}}

    def get_custom_model_deployment(self, **request: Any) -> dict[str, Any]:
        self._enter("GetCustomModelDeployment", request)
        identifier = request["customModelDeploymentIdentifier"]
        return self._find(self.deployments, "customModelDeploymentArn", identifier)

    def create_custom_model_deployment(self, **request: Any) -> dict[str, Any]:
        self._enter("CreateCustomModelDeployment", request)
        name = request["modelDeploymentName"]
        if name in self.deployments:
            raise client_error("ValidationException")
        self.deployments[name] = self.deployment(name)
        return {"customModelDeploymentArn": self.deployments[name]["customModelDeploymentArn"]}

    def delete_custom_model_deployment(self, **request: Any) -> dict[str, Any]:
        self._enter("DeleteCustomModelDeployment", request)
        identifier = request["customModelDeploymentIdentifier"]
        found = self._find(self.deployments, "customModelDeploymentArn", identifier)
        if found["status"] == "Creating":
            raise client_error("ValidationException")
        del self.deployments[found["modelDeploymentName"]]
        return {"ResponseMetadata": {"HTTPHeaders": self._date()}}

    def _find(
        self, things: dict[str, dict[str, Any]], arn_member: str, identifier: str
    ) -> dict[str, Any]:
        for name, thing in things.items():
            if identifier in {name, thing[arn_member]}:
                return thing
        error = client_error(self.unknown, 404)
        error.response["ResponseMetadata"]["HTTPHeaders"] = self._date()
        raise error

    def _date(self) -> dict[str, str]:
        return {"date": format_datetime(self.answered_at)} if self.answered_at else {}

    def job(self, name: str, status: str = "InProgress", **members: Any) -> dict[str, Any]:
        return {
            "jobArn": arn("model-customization-job", "abcdefghijkl"),
            "jobName": name,
            "status": status,
            "creationTime": self.now,
            **members,
        }

    def throughput(self, name: str, status: str = "Creating", **members: Any) -> dict[str, Any]:
        return {
            "provisionedModelArn": arn("provisioned-model", "mnopqrstuvwx"),
            "provisionedModelName": name,
            "status": status,
            "creationTime": self.now,
            **members,
        }

    def deployment(self, name: str, status: str = "Creating", **members: Any) -> dict[str, Any]:
        """Return what Get and List show: the two call the name differently."""
        return {
            "customModelDeploymentArn": arn("custom-model-deployment", "abcdefghijkl"),
            "modelDeploymentName": name,
            "customModelDeploymentName": name,
            "status": status,
            "createdAt": self.now,
            **members,
        }


class FakeRuntime(FakeClient):
    """Converse: `reply` makes the response of a request; failures are by `Converse`."""

    def __init__(self, reply: Callable[[Mapping[str, Any]], dict[str, Any]]) -> None:
        super().__init__()
        self.reply = reply

    def converse(self, **request: Any) -> dict[str, Any]:
        self._enter("Converse", request)
        return self.reply(request)


TOPIC_ARN = f"arn:aws:sns:{REGION}:{ACCOUNT}:bedrock-tuning-dev-notifications"


class FakeSns(FakeClient):
    def publish(self, **request: Any) -> dict[str, Any]:
        self._enter("Publish", request)
        return {"MessageId": "1"}


def text_reply(text: str, stop_reason: str = "end_turn") -> dict[str, Any]:
    return _response([{"text": text}], stop_reason)


def empty_reply(stop_reason: str) -> dict[str, Any]:
    return _response([], stop_reason)


def tool_reply(tool_input: object) -> dict[str, Any]:
    content = {"toolUse": {"toolUseId": "1", "name": "record_correctness", "input": tool_input}}
    return _response([content], "tool_use")


def question_in(request: Mapping[str, Any]) -> str:
    text: str = request["messages"][0]["content"][0]["text"]
    return text


def install(monkeypatch: pytest.MonkeyPatch, **clients: FakeClient) -> None:
    """Make the adapters use these clients: bedrock, bedrock_runtime, sns."""
    by_name = {name.replace("_", "-"): fake for name, fake in clients.items()}

    def client(service: str, read_seconds: float = 60) -> FakeClient:
        assert read_seconds > 0
        return by_name[service]

    for module in ("customization_jobs", "hosted_resources", "converse", "topic"):
        monkeypatch.setattr(f"lambdas.aws.{module}.client", client)


def _response(content: list[dict[str, Any]], stop_reason: str) -> dict[str, Any]:
    return {
        "output": {"message": {"role": "assistant", "content": content}},
        "stopReason": stop_reason,
        "usage": {"inputTokens": 11, "outputTokens": 7},
        "metrics": {"latencyMs": 900},
    }
