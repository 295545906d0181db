"""Maps a request to the AWS operation it calls, by boto3's names."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import parse_qs, parse_qsl

import botocore.session

Format = Literal["json", "rest-json", "s3", "query"]
_SIGNED_FOR = re.compile(r"Credential=[^/]+/\d+/[^/]+/([^/]+)/aws4_request")
_APIS = {"bedrock": ("bedrock", "bedrock-runtime")}  # of one signing name


@dataclass(frozen=True)
class HttpRequest:
    """A raw request; `path` and `query` as in the URL, header names in lower case."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def signed_for(self) -> str | None:
        """The signing name of its service, such as "states"; None if it is not signed."""
        found = _SIGNED_FOR.search(self.headers.get("authorization", ""))
        return found[1] if found else None


@dataclass(frozen=True)
class Operation:
    """`service` is the name that requests are signed with, or "bedrock-runtime"."""

    service: str
    name: str
    format: Format


def operation_of(request: HttpRequest) -> Operation | None:
    """Return the operation of a request; None if its service is unknown."""
    service = request.signed_for
    if service is None:
        return None
    if target := request.headers.get("x-amz-target"):
        return Operation(service, target.rpartition(".")[2], "json")
    if "x-www-form-urlencoded" in request.headers.get("content-type", ""):
        action = parse_qs(request.body.decode()).get("Action", [""])[0]
        return Operation(service, action, "query")
    for api in _APIS.get(service, (service,)):
        if name := _by_route(api, request):
            return Operation(api, name, "s3" if api == "s3" else "rest-json")
    return None


def _by_route(api: str, request: HttpRequest) -> str | None:
    given = dict(parse_qsl(request.query, keep_blank_values=True))
    path = request.path.rstrip("/") or "/"
    for route in _routes(api):
        if route.matches(request, path, given):
            return route.operation
    return None


@dataclass(frozen=True)
class _Route:
    operation: str
    method: str
    path: re.Pattern[str]
    fixed: Mapping[str, str]  # query parameters of the operation's URL
    query: frozenset[str]  # names of required parameters
    headers: frozenset[str]

    @property
    def specificity(self) -> tuple[int, int]:
        """How specific it is: of the routes that match, the most specific one counts."""
        return len(self.fixed) + len(self.query) + len(self.headers), len(self.path.pattern)

    def matches(self, request: HttpRequest, path: str, given: Mapping[str, str]) -> bool:
        return (
            self.method == request.method
            and self.path.fullmatch(path) is not None
            and self.fixed.items() <= given.items()
            and self.query <= given.keys()
            and self.headers <= request.headers.keys()
        )


@functools.cache
def _routes(api: str) -> list[_Route]:
    session = botocore.session.Session()
    if api not in session.get_available_services():
        return []
    model = session.get_service_model(api)
    routes = [_route(model.operation_model(name)) for name in model.operation_names]
    return sorted(routes, key=lambda route: route.specificity, reverse=True)


def _route(operation: Any) -> _Route:  # noqa: ANN401  # botocore publishes no types
    path, _, query = operation.http["requestUri"].partition("?")
    members = operation.input_shape.members if operation.input_shape else {}
    required = [
        members[name].serialization
        for name in (operation.input_shape.required_members if members else [])
    ]

    def names(location: str) -> frozenset[str]:
        return frozenset(
            member["name"].lower() if location == "header" else member["name"]
            for member in required
            if member.get("location") == location
        )

    return _Route(
        operation=operation.name,
        method=operation.http["method"],
        path=_pattern(path.rstrip("/") or "/"),
        fixed=dict(parse_qsl(query, keep_blank_values=True)),
        query=names("querystring"),
        headers=names("header"),
    )


def _pattern(path: str) -> re.Pattern[str]:
    """Let a label match one segment of the path, and a greedy one ("{Key+}") the rest."""
    parts = re.split(r"(\{[^}]+\})", path)
    labels = {True: ".+", False: "[^/]+"}
    return re.compile(
        "".join(
            labels[part.endswith("+}")] if part.startswith("{") else re.escape(part)
            for part in parts
        )
    )
