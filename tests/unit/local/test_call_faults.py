"""Which call a request is, and what its faults do to it, without a server."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.awsrequest import AWSPreparedRequest

from local.api_calls import HttpRequest, operation_of
from local.call_faults import HANG_UP, Call, CallFault, CallFaults, Kind

JOB = "arn:aws:bedrock:us-east-1:000000000000:model-customization-job/amazon.nova/abc"
MODEL = "arn:aws:bedrock:us-east-1:000000000000:custom-model/amazon.nova-micro-v1:0/abcdefghijkl"
OBJECT = {"Bucket": "b", "Key": "runs/a b/c.json"}
PART = {**OBJECT, "UploadId": "u"}
Messages = list[dict[str, Any]]


def request_of(service: str, method: str, arguments: dict[str, Any]) -> HttpRequest:
    """Return what boto3 would send."""
    sent: list[AWSPreparedRequest] = []

    def keep(request: AWSPreparedRequest, **_: object) -> None:
        sent.append(request)
        raise InterruptedError

    client: Any = boto3.client(
        service,  # type: ignore[call-overload]  # any of them
        region_name="us-east-1",
        endpoint_url="http://127.0.0.1:9",
        aws_access_key_id="k",
        aws_secret_access_key="s",
    )
    client.meta.events.register("before-send", keep)
    with pytest.raises(InterruptedError):
        getattr(client, method)(**arguments)
    return as_received(sent[0])


def as_received(request: AWSPreparedRequest) -> HttpRequest:
    url = urlsplit(request.url)
    body: Any = request.body or b""
    text = {
        name.lower(): value.decode() if isinstance(value, bytes) else str(value)
        for name, value in request.headers.items()
    }
    if hasattr(body, "read"):
        body = body.read()
    body = body.encode() if isinstance(body, str) else body
    return HttpRequest(request.method, url.path, url.query, text, body)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("service", "method", "arguments", "expected"),
    [
        ("s3", "get_object", OBJECT, "s3 GetObject"),
        ("s3", "put_object", OBJECT, "s3 PutObject"),
        ("s3", "head_object", OBJECT, "s3 HeadObject"),
        ("s3", "delete_object", OBJECT, "s3 DeleteObject"),
        ("s3", "copy_object", {**OBJECT, "CopySource": "b/d"}, "s3 CopyObject"),
        ("s3", "list_objects_v2", {"Bucket": "b"}, "s3 ListObjectsV2"),
        ("s3", "list_objects", {"Bucket": "b"}, "s3 ListObjects"),
        ("s3", "list_buckets", {}, "s3 ListBuckets"),
        ("s3", "head_bucket", {"Bucket": "b"}, "s3 HeadBucket"),
        (
            "s3",
            "get_object_attributes",
            {**OBJECT, "ObjectAttributes": ["Checksum"]},
            "s3 GetObjectAttributes",
        ),
        ("s3", "create_multipart_upload", OBJECT, "s3 CreateMultipartUpload"),
        ("s3", "upload_part", {**PART, "PartNumber": 1}, "s3 UploadPart"),
        ("s3", "complete_multipart_upload", PART, "s3 CompleteMultipartUpload"),
        ("bedrock", "list_model_customization_jobs", {}, "bedrock ListModelCustomizationJobs"),
        (
            "bedrock",
            "get_model_customization_job",
            {"jobIdentifier": JOB},
            "bedrock GetModelCustomizationJob",
        ),
        (
            "bedrock",
            "stop_model_customization_job",
            {"jobIdentifier": JOB},
            "bedrock StopModelCustomizationJob",
        ),
        (
            "bedrock",
            "delete_provisioned_model_throughput",
            {"provisionedModelId": "p"},
            "bedrock DeleteProvisionedModelThroughput",
        ),
        (
            "bedrock",
            "update_custom_model_deployment",
            {"customModelDeploymentIdentifier": "d", "modelArn": MODEL},
            "bedrock UpdateCustomModelDeployment",
        ),
        (
            "bedrock",
            "get_foundation_model_availability",
            {"modelId": "amazon.nova-micro-v1:0:128k"},
            "bedrock GetFoundationModelAvailability",
        ),
        (
            "bedrock-runtime",
            "converse",
            {"modelId": JOB, "messages": []},
            "bedrock-runtime Converse",
        ),
        ("stepfunctions", "list_state_machines", {}, "states ListStateMachines"),
        ("sns", "publish", {"TopicArn": "t", "Message": "m"}, "sns Publish"),
        ("service-quotas", "list_services", {}, "servicequotas ListServices"),
        ("lambda", "invoke", {"FunctionName": "f"}, "lambda Invoke"),
    ],
)
def test_a_request_is_named_as_boto3_names_it(
    service: str, method: str, arguments: dict[str, Any], expected: str
) -> None:
    operation = operation_of(request_of(service, method, arguments))
    assert operation is not None
    assert f"{operation.service} {operation.name}" == expected


class Invoked:
    """A function in the middle of an invocation, as the front sees it."""

    def __init__(self, function: str) -> None:
        self.function = function
        self.log: list[str] = []

    @contextmanager
    def calling(self) -> Iterator[None]:
        self.log.append("calls")
        yield
        self.log.append("has called")

    def kill(self) -> None:
        self.log.append("killed")

    def time_out(self) -> None:
        self.log.append("timed out")


@pytest.fixture
def invoked() -> Invoked:
    return Invoked("environment-buy-throughput")


@pytest.fixture
def faults(invoked: Invoked) -> CallFaults:
    return CallFaults(lambda user_agent: invoked if "app/" in user_agent else None)


Served = Callable[..., Messages]


@pytest.fixture
def serve(faults: CallFaults, invoked: Invoked) -> Served:
    """Sends a request through the front, as the function or as a test, and returns the answer."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        message = await receive()
        invoked.log.append(f"{scope['method']} {message['body'].decode()}")
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"done"})

    def served(request: HttpRequest, *, by_function: bool = True) -> Messages:
        answer: Messages = []
        given = [
            {"type": "http.request", "body": request.body[:3], "more_body": True},
            {"type": "http.request", "body": request.body[3:], "more_body": False},
        ]
        headers = {**request.headers, "user-agent": "app/it" if by_function else "Boto3"}
        scope = {
            "type": "http",
            "method": request.method,
            "raw_path": request.path.encode(),
            "query_string": request.query.encode(),
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        }

        async def receive() -> dict[str, Any]:
            return given.pop(0)

        async def send(message: dict[str, Any]) -> None:
            answer.append(message)

        async def call() -> None:
            await faults.around(app)(scope, receive, send)

        asyncio.run(call())
        return answer

    return served


PUBLISH = request_of("sns", "publish", {"TopicArn": "t", "Message": "m"})
PUT = request_of("s3", "put_object", {**OBJECT, "Body": b"whole body"})
DONE = [
    {"type": "http.response.start", "status": 200, "headers": []},
    {"type": "http.response.body", "body": b"done"},
]


def test_a_call_without_a_fault_goes_through_and_is_recorded(
    serve: Served, faults: CallFaults, invoked: Invoked
) -> None:
    assert serve(PUBLISH) == DONE
    assert serve(PUBLISH, by_function=False) == DONE
    assert faults.calls == [
        Call("environment-buy-throughput", "sns", "Publish"),
        Call(None, "sns", "Publish"),
    ]
    assert invoked.log[0] == "calls"
    assert invoked.log[2] == "has called"
    assert invoked.log[1].startswith("POST Action=Publish")
    assert faults.fired == 0


@pytest.mark.parametrize(
    ("kind", "request_", "status", "code"),
    [
        ("throttle", PUT, 503, b"SlowDown"),
        ("server_error", PUT, 500, b"InternalError"),
        ("access_denied", PUT, 403, b"AccessDenied"),
        ("throttle", PUBLISH, 429, b"Throttled"),
        ("access_denied", PUBLISH, 403, b"AuthorizationError"),
    ],
)
def test_a_refused_call_takes_no_effect(  # noqa: PLR0913, PLR0917  # fixtures and cases
    serve: Served,
    faults: CallFaults,
    invoked: Invoked,
    kind: Kind,
    request_: HttpRequest,
    status: int,
    code: bytes,
) -> None:
    faults.set(CallFault(kind, "PutObject"), CallFault(kind, "Publish"))
    start, body = serve(request_)
    assert start["status"] == status
    assert b"<Code>" + code + b"</Code>" in body["body"]
    assert f"staged {kind.replace('_', ' ')}".encode() in body["body"]
    assert invoked.log == ["calls", "has called"]


@pytest.mark.parametrize(
    ("kind", "end"),
    [
        ("lost_answer", []),
        ("function_killed", ["killed"]),
        ("function_timed_out", ["timed out"]),
    ],
)
def test_an_answer_is_lost_after_the_call_took_effect(
    serve: Served, faults: CallFaults, invoked: Invoked, kind: Kind, end: list[str]
) -> None:
    faults.set(CallFault(kind, "PutObject"))
    assert serve(PUT) == [{"type": HANG_UP}]
    assert invoked.log[0] == "calls"
    assert invoked.log[1].startswith("PUT ")
    assert invoked.log[2:] == [*end, "has called"]


def test_a_fault_is_of_its_operation_service_and_function() -> None:
    call = Call("environment-buy-throughput", "bedrock", "ListTagsForResource")
    fault = CallFault("throttle", "ListTagsForResource", "buy-throughput", "bedrock")
    assert fault.matches(call)
    assert CallFault("throttle", "ListTagsForResource").matches(call)
    assert not fault.matches(Call("environment-buy-throughput", "sns", "ListTagsForResource"))
    assert not fault.matches(Call("environment-buy-throughput", "bedrock", "TagResource"))
    assert not fault.matches(Call("environment-release-hosting", call.service, call.operation))
    assert not fault.matches(Call("environment-rebuy-throughput", call.service, call.operation))
    assert not fault.matches(Call(None, call.service, call.operation))


def test_each_fault_counts_its_own_calls(serve: Served, faults: CallFaults) -> None:
    twice = CallFault("throttle", "Publish", "buy-throughput", times=2)
    then = CallFault("lost_answer", "Publish", "buy-throughput")
    faults.set(twice, then)
    assert serve(PUBLISH, by_function=False) == DONE
    answers = [serve(PUBLISH) for _ in range(5)]
    assert [answer[0].get("status") for answer in answers[:2]] == [429, 429]
    assert answers[2:] == [[{"type": HANG_UP}]] * 3
    assert faults.fired == 5
    faults.set()
    assert (faults.fired, faults.calls) == (0, [])
    assert serve(PUBLISH) == DONE


def test_a_request_that_is_not_signed_is_no_call(serve: Served, faults: CallFaults) -> None:
    faults.set(CallFault("throttle", "Publish"))
    headers = {name: value for name, value in PUBLISH.headers.items() if name != "authorization"}
    unsigned = HttpRequest("POST", "/", "", headers, PUBLISH.body)
    assert serve(unsigned) == DONE
    assert faults.calls == []


def test_a_fault_may_spare_the_first_calls(serve: Served, faults: CallFaults) -> None:
    faults.set(CallFault("lost_answer", "Publish", after=2, times=1))
    assert [serve(PUBLISH) == DONE for _ in range(4)] == [True, True, False, True]
