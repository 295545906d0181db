"""boto3 clients, one per process and service, and AWS's errors as errors of this project."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionError, HTTPClientError  # noqa: A004  # botocore's name

from lambdas.domain.errors import (
    AccessDenied,
    HostingBusy,
    QuotaExceeded,
    RequestRefused,
    ServiceUnavailable,
    Throttled,
)

_READ_SECONDS = 60
_ATTEMPTS = 4
# They answer within seconds: a call that hangs costs the guards 40 s of their 180 or 300.
_CONTROL_READ_SECONDS = 10
_CONTROL_PLANES = frozenset({"bedrock", "service-quotas", "sns", "stepfunctions"})

_BY_CODE: dict[str, type[Exception]] = {
    "AccessDeniedException": AccessDenied,
    "AccessDenied": AccessDenied,
    "AuthorizationError": AccessDenied,  # SNS's word
    "403": AccessDenied,  # the answer to a HEAD request has no body and no code
    "ServiceQuotaExceededException": QuotaExceeded,
    "TooManyTagsException": RequestRefused,
    "ValidationException": RequestRefused,
    "ThrottlingException": Throttled,
    "TooManyRequestsException": Throttled,
    "Throttled": Throttled,  # SNS's words
    "Throttling": Throttled,
    "ModelNotReadyException": Throttled,
    "SlowDown": Throttled,
    "InternalServerException": ServiceUnavailable,
    "ServiceUnavailableException": ServiceUnavailable,
    "ModelTimeoutException": ServiceUnavailable,
    "ModelErrorException": ServiceUnavailable,
    "InternalError": ServiceUnavailable,
    "ServiceUnavailable": ServiceUnavailable,
}
_CLIENT_ERROR, _SERVER_ERROR = 400, 500
_GONE = "ResourceNotFoundException"


@functools.cache
def client(service: str, read_seconds: float = _READ_SECONDS) -> Any:  # noqa: ANN401  # each service has a type of its own
    """Return the process's client for `service`, with bounded retries and time-outs.

    A request to a model may be paid for although its answer is lost, and botocore repeats it all
    the same: there the caller repeats, who knows what came of it.
    """
    attempts = 1 if service == "bedrock-runtime" else _ATTEMPTS
    config = Config(
        retries={"mode": "standard", "total_max_attempts": attempts},
        connect_timeout=5,
        read_timeout=_CONTROL_READ_SECONDS if service in _CONTROL_PLANES else read_seconds,
        max_pool_connections=32,
    )
    return boto3.client(service, config=config)  # type: ignore[call-overload]  # service is a str


def code_of(error: ClientError) -> str:
    return error.response.get("Error", {}).get("Code", "")


def refused_at_once(error: BaseException, operation: str) -> bool:
    """Whether AWS answered the only request of `operation` with a refusal: it has done nothing.

    A refusal after a repetition says nothing of the request before it, whose answer was lost.
    """
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ClientError):
        cause = cause.__cause__
    if cause is None or cause.operation_name != operation:
        return False
    answer = cause.response.get("ResponseMetadata", {})
    refused = _CLIENT_ERROR <= answer.get("HTTPStatusCode", _SERVER_ERROR) < _SERVER_ERROR
    return refused and answer.get("RetryAttempts") == 0


def is_gone(error: ClientError) -> bool:
    """Whether AWS says that what the call names does not exist."""
    return code_of(error) == _GONE


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Raise AWS's errors as the named errors that Retry and Catch tables list.

    `doing` opens the message: "create the customization job x". Codes that have a meaning for one
    call only (ResourceNotFoundException, ConflictException, NoSuchKey) pass through untouched.
    """
    try:
        yield
    except ClientError as error:
        named = _BY_CODE.get(code_of(error))
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        if named is None and status >= _SERVER_ERROR:
            named = ServiceUnavailable
        if named is None:
            raise
        raise named(f"could not {doing}: {error}") from error
    except (ConnectionError, HTTPClientError) as error:
        raise ServiceUnavailable(f"could not {doing}: {error}") from error


def get(doing: str, call: Callable[..., Mapping[str, Any]], **arguments: Any) -> Any:  # noqa: ANN401  # boto3's own
    """Call AWS; None if the resource does not exist. `doing` is that of `translated`."""
    try:
        with translated(doing):
            return call(**arguments)
    except ClientError as error:
        if not is_gone(error):
            raise
        return None


@dataclass(frozen=True)
class Deleted:
    """What came of a deletion: it was there, or it was gone; `at` is AWS's time of saying so."""

    found: bool
    at: datetime | None  # None: the answer had none


def delete(
    doing: str,
    call: Callable[..., Mapping[str, Any]],
    *,
    changing: bool,
    **arguments: str,
) -> Deleted:
    """Delete what is being hosted; one that does not exist counts as deleted.

    Raises
    ------
    HostingBusy
        AWS refuses for now: it is being created or updated (`changing`), or is still in use.
    """
    try:
        with translated(doing):
            return Deleted(found=True, at=answered_at(call(**arguments)))
    except RequestRefused as error:
        # AWS does not document which error a resource in Creating gives: both are retried.
        if changing:
            raise HostingBusy(str(error)) from error
        raise
    except ClientError as error:
        if code_of(error) == "ConflictException":
            raise HostingBusy(f"could not {doing} yet: {error}") from error
        if not is_gone(error):
            raise
        return Deleted(found=False, at=answered_at(error))


def answered_at(answer: object) -> datetime | None:
    """Return the time that AWS gave with an answer, or with the error that it answered."""
    said = answer if isinstance(answer, Mapping) else getattr(answer, "response", {})
    date = said.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date")
    try:
        at = parsedate_to_datetime(date) if date else None
    except ValueError:
        return None
    return at if at and at.tzinfo else None  # one without a zone compares with no other time
