"""boto3 clients, one per process and service, and AWS's errors as errors of this project."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionError, HTTPClientError  # noqa: A004  # botocore's name

from lambdas.domain.errors import (
    AccessDenied,
    QuotaExceeded,
    RequestRefused,
    ServiceUnavailable,
    Throttled,
)


def _config(attempts: int) -> Config:
    return Config(
        retries={"mode": "standard", "total_max_attempts": attempts},
        connect_timeout=5,
        read_timeout=60,
        max_pool_connections=32,
    )


_CONFIG = _config(attempts=4)
# Calls to models are repeated by their callers, within their function's time limit.
_RUNTIME = _config(attempts=2)

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
_SERVER_ERROR = 500


@functools.cache
def client(service: str) -> Any:  # noqa: ANN401  # each service has a type of its own
    """Return the process's client for `service`, with bounded retries and time-outs."""
    config = _RUNTIME if service == "bedrock-runtime" else _CONFIG
    return boto3.client(service, config=config)  # type: ignore[call-overload]  # service is a str


def code_of(error: ClientError) -> str:
    return error.response.get("Error", {}).get("Code", "")


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
