"""Maps a request to the AWS operation it calls, by boto3's names."""

from __future__ import annotations

import functools
import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal
from urllib.parse import parse_qs, parse_qsl, unquote

import botocore.session
from botocore.model import OperationModel

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
    query = dict(parse_qsl(request.query, keep_blank_values=True))
    for api in _APIS.get(service, (service,)):
        for route in routes(api)[request.method]:
            fits = route.takes(query, request.headers)
            if fits and route.labels(request.path) is not None:
                return Operation(api, route.operation.name, "s3" if api == "s3" else "rest-json")
    return None


@dataclass(frozen=True)
class Route:
    """An operation of a service's model, and which requests ask for it."""

    operation: OperationModel
    path: re.Pattern[str]
    fixed: Mapping[str, str]  # query parameters of the operation's URL
    query: frozenset[str]  # names of required parameters
    headers: frozenset[str]

    @property
    def specificity(self) -> tuple[int, int]:
        """How specific it is: of the routes that match, the most specific one counts."""
        return len(self.fixed) + len(self.query) + len(self.headers), len(self.path.pattern)

    def labels(self, path: str) -> dict[str, str] | None:
        """Return what the path has in the place of its labels; None if it is another's path."""
        found = self.path.fullmatch(path.rstrip("/") or "/")
        return found and {name: unquote(value) for name, value in found.groupdict().items()}

    def takes(self, query: Mapping[str, str], headers: Mapping[str, str]) -> bool:
        return (
            self.fixed.items() <= query.items()
            and self.query <= query.keys()
            and self.headers <= headers.keys()
        )


@functools.cache
def routes(api: str) -> Mapping[str, list[Route]]:
    """Return the routes of a service by their HTTP methods, the most specific ones first."""
    session, by_method = botocore.session.Session(), defaultdict[str, list[Route]](list)
    if api in session.get_available_services():
        model = session.get_service_model(api)
        found = [_route(model.operation_model(name)) for name in model.operation_names]
        for route in sorted(found, key=lambda route: route.specificity, reverse=True):
            by_method[route.operation.http["method"]].append(route)
    return by_method


def _route(operation: OperationModel) -> Route:
    path, _, query = operation.http["requestUri"].partition("?")
    shape = operation.input_shape
    required = (
        [shape.members[name].serialization for name in shape.required_members] if shape else []
    )

    def names(location: str) -> frozenset[str]:
        return frozenset(
            member["name"].lower() if location == "header" else member["name"]
            for member in required
            if member.get("location") == location
        )

    return Route(
        operation=operation,
        path=_pattern(path.rstrip("/") or "/"),
        fixed=dict(parse_qsl(query, keep_blank_values=True)),
        query=names("querystring"),
        headers=names("header"),
    )


def _pattern(path: str) -> re.Pattern[str]:
    """Let a label match one segment of the path or an ARN, and a greedy one ("{Key+}") the rest."""
    parts = re.split(r"\{([^}]+)\}", path)
    for at in range(1, len(parts), 2):
        name, greedy = re.sub(r"\W", "", parts[at]), parts[at].endswith("+")
        parts[at] = f"(?P<{name}>{'.+' if greedy else 'arn:aws.+|[^/]+'})"
    parts[::2] = map(re.escape, parts[::2])
    return re.compile("".join(parts))
