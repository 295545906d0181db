"""The emulator's front: one request in, one answer out, with routing, validation and faults."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from email.utils import format_datetime
from typing import Any, Literal

from local.bedrock import cloudtrail, foundation_models, iam_actions, tags
from local.bedrock.customization import custom_models, jobs
from local.bedrock.hosting import deployments, throughputs
from local.bedrock.inference import runtime
from local.bedrock.protocol import (
    Answer,
    Route,
    ServiceError,
    answer,
    failure,
    parse,
    route,
)
from local.bedrock.quotas import Quota, all_quotas
from local.bedrock.scenario import Fault, Scenario
from local.bedrock.state import KINDS, Location, Region, World
from local.clock import take

_log = logging.getLogger(__name__)
Request = dict[str, Any]
_OPERATIONS: dict[str, Callable[[Region, Request], Request]] = {
    "CreateModelCustomizationJob": jobs.create,
    "GetModelCustomizationJob": jobs.get,
    "ListModelCustomizationJobs": jobs.list_jobs,
    "StopModelCustomizationJob": jobs.stop,
    "GetCustomModel": custom_models.get,
    "ListCustomModels": custom_models.list_models,
    "DeleteCustomModel": custom_models.delete,
    "CreateCustomModelDeployment": deployments.create,
    "GetCustomModelDeployment": deployments.get,
    "ListCustomModelDeployments": deployments.list_deployments,
    "UpdateCustomModelDeployment": deployments.update,
    "DeleteCustomModelDeployment": deployments.delete,
    "CreateProvisionedModelThroughput": throughputs.create,
    "GetProvisionedModelThroughput": throughputs.get,
    "ListProvisionedModelThroughputs": throughputs.list_throughputs,
    "UpdateProvisionedModelThroughput": throughputs.update,
    "DeleteProvisionedModelThroughput": throughputs.delete,
    "GetFoundationModel": foundation_models.get,
    "GetFoundationModelAvailability": foundation_models.availability,
    "ListFoundationModels": foundation_models.list_models,
    "TagResource": tags.tag,
    "UntagResource": tags.untag,
    "ListTagsForResource": tags.list_tags,
    "Converse": runtime.converse,
    "InvokeModel": runtime.invoke,
}
_FAULTS = {
    "throttle": ("ThrottlingException", "Too many requests, please wait before trying again."),
    "server_error": ("InternalServerException", "An internal server error occurred."),
    "timeout_after_effect": ("ServiceUnavailableException", "The request timed out."),
    "access_denied": (
        "AccessDeniedException",
        "User is not authorized: an explicit deny in a service control policy",
    ),
    "refused": ("ValidationException", "The request is not valid."),
    "not_found": ("ResourceNotFoundException", "The specified resource could not be found."),
    "quota": (
        "ServiceQuotaExceededException",
        "Your account does not currently have any no commitment model units reserved.",
    ),
}


def _known(service: str, method: str, path: str) -> Route:
    found = route(service, method, path)
    if found is None or found.name not in _OPERATIONS:
        what = found.name if found else f"{method} {path}"
        raise ServiceError("UnknownOperationException", f"not in the offline Bedrock: {what}")
    return found


class Bedrock:
    """The offline Bedrock; see the package's docstring."""

    def __init__(self, world: World) -> None:
        self._world = world

    @property
    def scenario(self) -> Scenario:
        return self._world.scenario

    @scenario.setter
    def scenario(self, scenario: Scenario) -> None:
        with self._world.clock.lock:
            self._world.scenario = scenario
            self._world.calls.clear()

    def handle(  # noqa: PLR0913, PLR0917  # the parts of an HTTP request, in their usual order
        self,
        service: str,
        location: Location,
        method: str,
        path: str,
        query: Mapping[str, list[str]],
        body: bytes,
    ) -> Answer:
        """Answer one request of the control plane ("bedrock") or the runtime.

        The answer's Date is the simulated time at which the request was done.
        """
        try:
            found = _known(service, method, path)
            output = self._act(found, parse(found, query, body), location)
            status, headers, content = answer(found, output)
        except ServiceError as error:
            status, headers, content = failure(error)
        except Exception:  # noqa: BLE001  # AWS would answer too, with a 500
            _log.exception("the offline Bedrock failed on %s %s", method, path)
            bug = ServiceError("InternalServerException", "a bug in local/bedrock")
            status, headers, content = failure(bug)
        return status, {**headers, "Date": format_datetime(self._world.now(), usegmt=True)}, content

    def _act(self, found: Route, request: Request, location: Location) -> Request:
        fault = self._fault(found, request)
        if fault and fault.kind == "slow":
            take(fault.seconds)
        elif fault and fault.kind != "timeout_after_effect":
            raise ServiceError(*_FAULTS[fault.kind])
        output = self._operate(found, request, location)
        if fault and fault.kind == "timeout_after_effect":
            raise ServiceError(*_FAULTS[fault.kind])
        return output

    def _operate(self, found: Route, request: Request, location: Location) -> Request:
        outcome: Request | ServiceError
        region = self._world.at(location)
        try:
            with self._world.clock.lock:
                outcome = _OPERATIONS[found.name](region, request)
        except ServiceError as error:
            outcome = error
        cloudtrail.record(region, operation=found.name, request=request, outcome=outcome)
        if isinstance(outcome, ServiceError):
            raise outcome
        return outcome

    def _fault(self, found: Route, request: Request) -> Fault | None:
        with self._world.clock.lock:
            for index, fault in enumerate(self._world.scenario.faults):
                if fault.operation != found.name or fault.model not in str(request):
                    continue
                self._world.calls[index] += 1
                nth = self._world.calls[index] - fault.after
                if nth > 0 and (fault.times is None or nth <= fault.times):
                    return fault
        return None

    def authorization(
        self, service: str, location: Location, method: str, path: str, body: bytes
    ) -> list[iam_actions.Check]:
        """Return the IAM checks that the request needs; none for what will be refused anyway."""
        try:
            found = _known(service, method, path)
            request = parse(found, {}, body)
        except ServiceError:
            return []
        with self._world.clock.lock:
            return iam_actions.needed(self._world.at(location), found, request)

    def quotas(self, location: Location) -> list[Quota]:
        """Return the account's quotas in the region, with what is in use."""
        with self._world.clock.lock:
            return all_quotas(self._world.at(location))

    def resource_tags(self, arn: str) -> dict[str, str] | None:
        found = (region.tags[arn] for region in self._world.regions if arn in region.tags)
        return next(found, None)

    def add_throughput(  # noqa: PLR0913  # a purchase and how far it is
        self,
        name: str,
        *,
        account: str,
        region: str,
        tags: Mapping[str, str] | None = None,
        commitment: Literal["OneMonth", "SixMonths"] | None = None,
        model_id: str | None = None,
        status: Literal["Creating", "InService", "Failed"] = "InService",
    ) -> str:
        """Put a throughput that somebody else bought into the account; return its ARN.

        It stays in `status` until it is deleted, and is on the meter from now on. `model_id` is a
        custom model's name or ARN, or a base model's id with its context length; None takes a base
        model of the region.
        """
        request = {
            "provisionedModelName": name,
            "modelUnits": 1,
            "modelId": model_id,
            "commitmentDuration": commitment,
            "tags": [{"key": key, "value": value} for key, value in (tags or {}).items()],
        }
        with self._world.clock.lock:
            return throughputs.add(self._world.at(Location(account, region)), request, status)

    def alive(self) -> list[str]:
        """Return the ARNs of what runs, serves or bills by the hour now, in any region."""
        with self._world.clock.lock:
            return [arn for region in self._world.regions for arn in _alive(region)]

    def snapshot(self) -> dict[str, Any]:
        """Return what all regions hold, and the bill, as plain JSON."""
        with self._world.clock.lock:
            world = self._world
            return {
                "now": world.now().isoformat(),
                **{kind: [*_shown(world, kind)] for kind in KINDS},
                "purchases": len(world.meter.leases),
                "deployed": [*world.meter.deployed.values()],
                "meter": world.meter.bill(world.clock.time()),
            }

    def reset(self) -> None:
        with self._world.clock.lock:
            self._world.clear()


def _alive(region: Region) -> list[str]:
    running = [job.arn for job in region.jobs.values() if job.status in {"InProgress", "Stopping"}]
    return [*running, *region.throughputs, *region.deployments]


def _shown(world: World, kind: str) -> Iterator[dict[str, Any]]:
    for region in world.regions:
        for arn, each in region.owned(kind).items():
            tags_of = region.tags.get(arn)
            yield {"arn": arn, "name": each.name, "status": each.status, "tags": tags_of}
