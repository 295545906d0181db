"""Fault injection into AWS API calls of any service, and a record of all calls.

A fault names an operation and, mostly, the function that calls it: the calls of other functions,
and of a test itself, go through untouched.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Literal, Protocol, get_args

from local.api_calls import HttpRequest, Operation, operation_of

Kind = Literal[
    "throttle",
    "server_error",
    "access_denied",
    "lost_answer",
    "function_killed",
    "function_timed_out",
]
KINDS: tuple[Kind, ...] = get_args(Kind)
HANG_UP = "offline.hang_up"  # an ASGI message of ours: end the connection without an answer
_REFUSALS = ("throttle", "server_error", "access_denied")  # nothing takes effect
Scope = dict[str, Any]
Asgi = Callable[[Scope, Any, Any], Awaitable[None]]


class Caller(Protocol):
    """A running invocation of a function."""

    @property
    def function(self) -> str: ...

    def calling(self) -> AbstractContextManager[None]: ...

    def kill(self) -> None: ...

    def time_out(self) -> None: ...


@dataclass(frozen=True)
class Call:
    """One AWS API call; `function` is None unless a Lambda function made it."""

    function: str | None
    service: str
    operation: str


@dataclass(frozen=True)
class CallFault:
    """What happens to the first `times` matching calls (None: to every one).

    The last three kinds let the call take effect first: then its answer is lost, or the function is
    killed, or it runs into its time-out.
    """

    kind: Kind
    operation: str
    function: str | None = None  # end of the function's name, such as "buy-throughput"
    service: str | None = None
    times: int | None = None
    after: int = 0  # so many matching calls go through before

    def matches(self, call: Call) -> bool:
        by_function = self.function is None or f"-{call.function}".endswith(f"-{self.function}")
        return (
            by_function
            and self.operation == call.operation
            and self.service in {None, call.service}
        )


class CallFaults:
    """Middleware of the offline AWS: records every call, and fails those that a fault matches.

    `caller` returns who makes a call, from its User-Agent; None for a call that no function makes.
    """

    def __init__(self, caller: Callable[[str], Caller | None]) -> None:
        self.calls: list[Call] = []
        self._caller = caller
        self._faults: list[CallFault] = []
        self._fired: Counter[CallFault] = Counter()
        self._spared: Counter[CallFault] = Counter()

    def set(self, *faults: CallFault) -> None:
        """Replace the faults, and forget the calls so far."""
        self._faults = list(faults)
        self._fired.clear()
        self._spared.clear()
        self.calls.clear()

    @property
    def fired(self) -> int:
        """How many calls a fault was injected into since `set`."""
        return self._fired.total()

    def around(self, app: Asgi) -> Asgi:
        """Wrap `app`, which serves the calls."""

        async def front(scope: Scope, receive: Any, send: Any) -> None:  # noqa: ANN401  # ASGI's own
            if scope["type"] != "http":
                await app(scope, receive, send)
                return
            request = _request(scope, await _read(receive))
            caller = self._caller(request.headers.get("user-agent", ""))
            with caller.calling() if caller else nullcontext():
                await self._serve(app, request, caller, scope, _replayed(request, receive), send)

        return front

    async def _serve(  # noqa: PLR0913, PLR0917  # an ASGI call's three, and what was found in them
        self,
        app: Asgi,
        request: HttpRequest,
        caller: Caller | None,
        scope: Scope,
        receive: Any,  # noqa: ANN401  # ASGI's own
        send: Any,  # noqa: ANN401  # same
    ) -> None:
        operation = operation_of(request)
        fault = self._fault(operation, caller) if operation else None
        if operation is None or fault is None:
            await app(scope, receive, send)
        elif fault.kind in _REFUSALS:
            await _refuse(fault.kind, operation, send)
        else:
            await app(scope, receive, _discard)
            if caller and fault.kind == "function_killed":
                caller.kill()
            elif caller and fault.kind == "function_timed_out":
                caller.time_out()
            await send({"type": HANG_UP})

    def _fault(self, operation: Operation, caller: Caller | None) -> CallFault | None:
        call = Call(caller.function if caller else None, operation.service, operation.name)
        self.calls.append(call)
        for fault in self._faults:
            left = fault.times is None or self._fired[fault] < fault.times
            if left and fault.matches(call):
                if self._spared[fault] < fault.after:
                    self._spared[fault] += 1
                    continue
                self._fired[fault] += 1
                return fault
        return None


def _request(scope: Scope, body: bytes) -> HttpRequest:
    return HttpRequest(
        method=scope["method"],
        path=scope["raw_path"].decode(),
        query=scope["query_string"].decode(),
        headers={name.decode().lower(): value.decode() for name, value in scope["headers"]},
        body=body,
    )


async def _read(receive: Any) -> bytes:  # noqa: ANN401  # ASGI's own
    chunks = []
    while True:
        message = await receive()
        chunks.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(chunks)


def _replayed(request: HttpRequest, receive: Any) -> Any:  # noqa: ANN401  # ASGI's own
    given = False

    async def again() -> Any:  # noqa: ANN401  # ASGI's own
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": request.body, "more_body": False}

    return again


async def _discard(message: Mapping[str, Any]) -> None:
    """Discard an answer."""


# Codes and statuses: "Common Errors" and the errors of the operations in each service's API
# reference, S3's "Error responses"; read 2026-11-23.
_CODES = {
    "json": {
        "throttle": ("ThrottlingException", 400),
        "server_error": ("InternalFailure", 500),
        "access_denied": ("AccessDeniedException", 400),
    },
    "rest-json": {
        "throttle": ("ThrottlingException", 429),
        "server_error": ("InternalServerException", 500),
        "access_denied": ("AccessDeniedException", 403),
    },
    "s3": {
        "throttle": ("SlowDown", 503),
        "server_error": ("InternalError", 500),
        "access_denied": ("AccessDenied", 403),
    },
    "query": {
        "throttle": ("Throttling", 400),
        "server_error": ("InternalFailure", 500),
        "access_denied": ("AccessDenied", 403),
    },
}
_CODES_OF_ITS_OWN = {
    "sns": {
        "throttle": ("Throttled", 429),
        "server_error": ("InternalError", 500),
        "access_denied": ("AuthorizationError", 403),
    },
    "lambda": {
        "throttle": ("TooManyRequestsException", 429),
        "server_error": ("ServiceException", 500),
    },
}
_WHY = {
    "throttle": "rate exceeded",
    "server_error": "the service failed",
    "access_denied": "not authorized to perform",
}


async def _refuse(kind: str, operation: Operation, send: Any) -> None:  # noqa: ANN401  # ASGI's own
    codes = {**_CODES[operation.format], **_CODES_OF_ITS_OWN.get(operation.service, {})}
    code, status = codes[kind]
    staged = kind.replace("_", " ")
    message = f"staged {staged}: {_WHY[kind]}: {operation.service}:{operation.name}"
    content_type, body = _BODIES[operation.format](code, message)
    headers = [
        (b"content-type", content_type),
        (b"content-length", str(len(body)).encode()),
        (b"x-amzn-errortype", code.encode()),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _json(code: str, message: str) -> tuple[bytes, bytes]:
    return b"application/json", json.dumps({"__type": code, "message": message}).encode()


def _s3(code: str, message: str) -> tuple[bytes, bytes]:
    error = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
    return b"application/xml", error.encode()


def _query(code: str, message: str) -> tuple[bytes, bytes]:
    _, error = _s3(code, message)
    return b"text/xml", b"<ErrorResponse>" + error + b"</ErrorResponse>"


_BODIES = {"json": _json, "rest-json": _json, "s3": _s3, "query": _query}
