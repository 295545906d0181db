"""One request in, one answer out: routing, validation, faults, and the operation itself."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

from local.bedrock import access, foundation, jobs, runtime, throughputs
from local.bedrock.protocol import (
    Answer,
    NotFound,
    Route,
    ServiceError,
    answer,
    failure,
    parse,
    route,
)
from local.bedrock.scenario import Fault, Scenario
from local.bedrock.state import Clock, Events, Objects, World

_log = logging.getLogger(__name__)
Request = dict[str, Any]
Operation = Callable[[World, str, str, Request], Request]

_OPERATIONS: dict[str, Operation] = {
    "CreateModelCustomizationJob": jobs.create,
    "GetModelCustomizationJob": lambda w, _a, _r, q: jobs.get(w, q["jobIdentifier"]),
    "ListModelCustomizationJobs": lambda w, _a, _r, q: jobs.list_jobs(w, q),
    "StopModelCustomizationJob": lambda w, _a, _r, q: jobs.stop(w, q["jobIdentifier"]),
    "GetCustomModel": lambda w, _a, _r, q: throughputs.get_model(w, q["modelIdentifier"]),
    "ListCustomModels": lambda w, _a, _r, q: throughputs.list_models(w, q),
    "DeleteCustomModel": lambda w, _a, _r, q: throughputs.delete_model(w, q["modelIdentifier"]),
    "CreateProvisionedModelThroughput": throughputs.create,
    "GetProvisionedModelThroughput": lambda w, _a, _r, q: throughputs.get(
        w, q["provisionedModelId"]
    ),
    "ListProvisionedModelThroughputs": lambda w, _a, _r, q: throughputs.list_throughputs(w, q),
    "UpdateProvisionedModelThroughput": lambda w, _a, _r, q: throughputs.update(
        w, q["provisionedModelId"], q
    ),
    "DeleteProvisionedModelThroughput": lambda w, _a, _r, q: throughputs.delete(
        w, q["provisionedModelId"]
    ),
    "GetFoundationModel": lambda w, _a, r, q: foundation.get(w, q["modelIdentifier"], r),
    "GetFoundationModelAvailability": lambda w, _a, r, q: foundation.availability(
        w, q["modelId"], r
    ),
    "ListFoundationModels": lambda w, _a, r, q: foundation.list_models(w, q, r),
    "TagResource": lambda w, _a, _r, q: _tag(w, q),
    "UntagResource": lambda w, _a, _r, q: _untag(w, q),
    "ListTagsForResource": lambda w, _a, _r, q: _tags(w, q),
    "Converse": lambda w, _a, _r, q: runtime.converse(w, q),
    "InvokeModel": lambda w, _a, _r, q: runtime.invoke(w, q),
}
_FAULTS = {
    "throttle": ("ThrottlingException", "Too many requests, please wait before trying again.", 429),
    "server_error": ("InternalServerException", "An internal server error occurred.", 500),
    "timeout_after_effect": ("ServiceUnavailableException", "The request timed out.", 503),
    "access_denied": (
        "AccessDeniedException",
        "User is not authorized: an explicit deny in a service control policy",
        403,
    ),
    "refused": ("ValidationException", "The request is not valid.", 400),
    "quota": (
        "ServiceQuotaExceededException",
        "Your account does not currently have any no commitment model units reserved.",
        400,
    ),
}


def _tagged(world: World, request: Request) -> str:
    arn = str(request["resourceARN"])
    known = {*world.jobs, *world.models, *world.throughputs}
    if arn not in known:
        raise NotFound(f"The resource {arn} was not found")
    return arn


def _tag(world: World, request: Request) -> Request:
    world.tag(_tagged(world, request), request["tags"])
    return {}


def _untag(world: World, request: Request) -> Request:
    for key in request["tagKeys"]:
        world.tags.get(_tagged(world, request), {}).pop(key, None)
    return {}


def _tags(world: World, request: Request) -> Request:
    tags = world.tags.get(_tagged(world, request), {})
    return {"tags": [{"key": key, "value": value} for key, value in tags.items()]}


def _known(service: str, method: str, path: str) -> Route:
    found = route(service, method, path)
    if found is None or found.name not in _OPERATIONS:
        what = found.name if found else f"{method} {path}"
        raise ServiceError("UnknownOperationException", f"not in the offline Bedrock: {what}", 404)
    return found


class Bedrock:
    """The offline Bedrock; see the package's docstring."""

    def __init__(
        self,
        *,
        clock: Clock,
        objects: Objects,
        events: Events,
        role_assumable: Callable[[str], bool],
        scenario: Scenario | None = None,
    ) -> None:
        self._world = World(
            clock=clock,
            objects=objects,
            events=events,
            role_assumable=role_assumable,
            scenario=scenario or Scenario(),
        )

    @property
    def scenario(self) -> Scenario:
        return self._world.scenario

    @scenario.setter
    def scenario(self, scenario: Scenario) -> None:
        with self._world.lock:
            self._world.scenario = scenario
            self._world.calls = {}

    def handle(  # noqa: PLR0913, PLR0917  # the parts of an HTTP request, in their usual order
        self,
        service: str,
        account: str,
        region: str,
        method: str,
        path: str,
        headers: Mapping[str, str],
        query: Mapping[str, list[str]],
        body: bytes,
    ) -> Answer:
        """Answer one request of the control plane ("bedrock") or the runtime."""
        del headers
        try:
            found = _known(service, method, path)
            request = parse(found, query, body)
            return answer(found, self._act(found, request, account, region))
        except ServiceError as error:
            return failure(error)
        except Exception:  # noqa: BLE001  # AWS would answer too, with a 500
            _log.exception("the offline Bedrock failed on %s %s", method, path)
            return failure(ServiceError("InternalServerException", "a bug in local/bedrock", 500))

    def _act(self, found: Route, request: Request, account: str, region: str) -> Request:
        fault = self._fault(found, request)
        if fault and fault.kind == "slow":
            time.sleep(fault.seconds)
        elif fault and fault.kind != "timeout_after_effect":
            raise ServiceError(*_FAULTS[fault.kind])
        with self._world.lock:
            output = _OPERATIONS[found.name](self._world, account, region, request)
        if fault and fault.kind == "timeout_after_effect":
            raise ServiceError(*_FAULTS[fault.kind])
        return output

    def _fault(self, found: Route, request: Request) -> Fault | None:
        with self._world.lock:
            for index, fault in enumerate(self._world.scenario.faults):
                if fault.operation != found.name or fault.model not in str(request):
                    continue
                seen = self._world.calls[index] = self._world.calls.get(index, 0) + 1
                last = None if fault.times is None else fault.after + fault.times
                if seen > fault.after and (last is None or seen <= last):
                    return fault
        return None

    def authorization(  # noqa: PLR0913, PLR0917  # as above
        self, service: str, method: str, path: str, body: bytes, account: str, region: str
    ) -> list[access.Check]:
        """Return the IAM checks that the request needs; none for what will be refused anyway."""
        found = route(service, method, path)
        if found is None:
            return []
        try:
            request = parse(found, {}, body)
        except ServiceError:
            return []
        with self._world.lock:
            return access.needed(self._world, found, request, account, region)

    def resource_tags(self, arn: str) -> dict[str, str] | None:
        return self._world.tags.get(arn)

    def alive(self) -> list[str]:
        """Return the ARNs of what runs or bills now."""
        with self._world.lock:
            running = [
                job.arn
                for job in self._world.jobs.values()
                if job.status in {"InProgress", "Stopping"}
            ]
            return [*running, *self._world.throughputs]

    def snapshot(self) -> dict[str, Any]:
        """Return jobs, models, throughputs and the bill as plain JSON."""
        with self._world.lock:
            world = self._world
            return {
                "now": world.now().isoformat(),
                "jobs": [
                    {"arn": j.arn, "name": j.name, "status": j.status} for j in world.jobs.values()
                ],
                "models": [{"arn": m.arn, "name": m.name} for m in world.models.values()],
                "throughputs": [
                    {
                        "arn": t.arn,
                        "name": t.name,
                        "status": t.status,
                        "tags": world.tags.get(t.arn),
                    }
                    for t in world.throughputs.values()
                ],
                "purchases": len(world.meter.leases),
                "meter": world.meter.bill(world.clock.time()),
            }

    def reset(self) -> None:
        with self._world.lock:
            self._world.clear()
