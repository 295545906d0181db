"""Our own services in MiniStack's gateway, and what they need of the services beside them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any

from ministack import app
from ministack.core import iam_evaluator, router
from ministack.core.responses import get_account_id, get_region, request_scope
from ministack.core.router import extract_access_key_id
from ministack.services import eventbridge, s3

from lambdas.domain.run.arns import OFFLINE_ACCOUNT
from local.bedrock import Bedrock, Location, ServiceError
from local.services import comprehend, service_quotas

Answer = tuple[int, dict[str, str], bytes]
Json = dict[str, Any]


def register(bedrock: Bedrock) -> None:
    """Serve Bedrock, Service Quotas and Comprehend, each with its IAM checks."""
    for api in ("bedrock", "bedrock-runtime"):
        app.SERVICE_HANDLERS[api] = _bedrock_handler(bedrock, api)

    def quotas(action: str, request: Json) -> Json:
        there = Location(get_account_id(), get_region())
        return service_quotas(action, request, bedrock.quotas(there))

    _register_json("service-quotas", "ServiceQuotasV20190624", quotas)
    _register_json("comprehend", "Comprehend_20171127", comprehend)


def _bedrock_handler(bedrock: Bedrock, api: str) -> Any:
    def answer(method: str, path: str, headers: Any, body: bytes, query: Any) -> Answer:
        location = Location(get_account_id(), get_region())
        if app.AUTH:
            checks = bedrock.authorization(api, location, method, path, body)
            if denied := _denial(headers, checks, api):
                return denied
        return bedrock.handle(api, location, method, path, _lists(query), body)

    async def handle(method: str, path: str, headers: Any, body: bytes, query: Any) -> Answer:
        request = (method, path, headers, body or b"", query)
        if bedrock.scenario.faults:  # which may be slow
            return await asyncio.to_thread(answer, *request)
        return answer(*request)

    return handle


def _lists(query: dict[str, Any]) -> dict[str, list[str]]:
    return {k: v if isinstance(v, list) else [str(v)] for k, v in query.items()}


def _register_json(service: str, target: str, act: Callable[[str, Json], Json]) -> None:
    prefix = service.replace("-", "")  # of its IAM actions

    def answer(action: str, body: bytes) -> Answer:
        try:
            status, answered = 200, act(action, json.loads(body or b"{}"))
        except ServiceError as error:
            status, answered = 400, {"__type": error.code, "Message": error.message}
        return status, {"Content-Type": "application/x-amz-json-1.1"}, json.dumps(answered).encode()

    async def handle(_method: str, _path: str, headers: Any, body: bytes, _query: Any) -> Answer:
        action = headers.get("x-amz-target", "").rpartition(".")[2]
        checks = [(f"{prefix}:{action}", "*", dict[str, Any]())] if app.AUTH else []
        return _denial(headers, checks, prefix) or answer(action, body)

    router.SERVICE_PATTERNS[service] = {"target_prefixes": [target]}
    app.SERVICE_HANDLERS[service] = handle


def _denial(
    headers: Mapping[str, str], checks: list[tuple[str, str, Json]], service: str
) -> Answer | None:
    """Return AccessDenied unless the caller may do all of `checks`.

    A check is an action, a resource and its condition keys.
    """
    access_key = extract_access_key_id(headers, {}) or ""
    for action, resource, keys in checks:
        of = action.partition(":")[0] if action.startswith("kms:") else service  # a key's policy
        denied = iam_evaluator.enforce(
            access_key, action, of, get_region(), resource_arn=resource, service_context=keys
        )
        if denied:
            code = "AccessDeniedException"
            message = (
                f"{iam_evaluator.caller_arn()} is not authorized to perform: {action} on "
                f"resource: {resource} because no identity-based policy allows the {action} action"
            )
            answered = {"Content-Type": "application/json", "x-amzn-errortype": code}
            return 403, answered, json.dumps({"__type": code, "message": message}).encode()
    return None


class S3Objects:
    """S3 without its permissions, which `grants` has."""

    def get(self, bucket: str, key: str) -> bytes | None:
        with request_scope(OFFLINE_ACCOUNT, "us-east-1"):
            body: bytes | None = s3._get_object_data(bucket, key)  # no public way
            return bytes(body) if body is not None else None

    def put(self, bucket: str, key: str, body: bytes) -> None:
        with request_scope(OFFLINE_ACCOUNT, "us-east-1"):
            s3._put_object(bucket, key, body, {})  # same

    def bucket_region(self, bucket: str) -> str | None:
        with request_scope(OFFLINE_ACCOUNT, "us-east-1"):
            region: str | None = s3.bucket_region(bucket)
            return region


def publish(
    source: str, location: Location, detail_type: str, detail: dict[str, Any], resources: list[str]
) -> None:
    """Put an event of a source such as aws.bedrock on the default bus, as only AWS can."""
    entry = {
        "Source": source,
        "DetailType": detail_type,
        "Detail": json.dumps(detail),
        "Resources": resources,
    }
    with request_scope(location.account, location.region):
        eventbridge._put_events({"Entries": [entry]}, allow_aws_source=True)  # same


def caller() -> str:
    """Return the ARN of who made the request; the account's root where IAM is not enforced."""
    arn: str = iam_evaluator.caller_arn()
    return arn
