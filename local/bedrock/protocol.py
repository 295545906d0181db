"""AWS's REST-JSON protocol from the server's side, by botocore's service model."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import botocore.session
from botocore.model import (
    ListShape,
    MapShape,
    OperationModel,
    ServiceModel,
    Shape,
    StringShape,
    StructureShape,
)

from local.api_calls import routes
from local.clock import iso

Answer = tuple[int, dict[str, str], bytes]


class ServiceError(Exception):
    """An error as AWS answers it: a code and a message, and the HTTP status of that code."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message

    @property
    def status(self) -> int:
        return _statuses().get(self.code, 400)


class ValidationError(ServiceError):
    """AWS's ValidationException."""

    def __init__(self, message: str) -> None:
        super().__init__("ValidationException", message)


class NotFound(ServiceError):
    """AWS's ResourceNotFoundException."""

    def __init__(self, message: str) -> None:
        super().__init__("ResourceNotFoundException", message)


class Conflict(ServiceError):
    """AWS's ConflictException."""

    def __init__(self, message: str) -> None:
        super().__init__("ConflictException", message)


@dataclass(frozen=True)
class Route:
    """One operation of the service's model, found by method and path."""

    name: str
    model: OperationModel
    labels: dict[str, str]


@functools.cache
def _statuses() -> dict[str, int]:
    shapes = [each for api in ("bedrock", "bedrock-runtime") for each in _model(api).error_shapes]
    of_models = {each.name: each.metadata["error"]["httpStatusCode"] for each in shapes}
    return {"UnknownOperationException": 404, **of_models}


@functools.cache
def _model(service: str) -> ServiceModel:
    return botocore.session.get_session().get_service_model(service)


def route(service: str, method: str, path: str) -> Route | None:
    """Return the operation that `method` and `path` (still URL-encoded or not) ask for."""
    for each in routes(service)[method]:
        if (labels := each.labels(path)) is not None:
            return Route(each.operation.name, each.operation, labels)
    return None


def parse(found: Route, query: Mapping[str, list[str]], body: bytes) -> dict[str, Any]:
    """Return the operation's input, checked against the service's model.

    Raises
    ------
    ValidationError
        As AWS words it: every member that is missing, of a wrong type, or breaks a constraint.
    """
    shape = found.model.input_shape
    if not isinstance(shape, StructureShape):
        return {}
    values = _located(shape, found.labels, query, _json(body, shape))
    _check(shape, values)
    return values


def check_input(service: str, operation: str, values: dict[str, Any]) -> None:
    """Refuse what is no input of the operation, as `parse` does."""
    shape = _model(service).operation_model(operation).input_shape
    if shape is not None:
        _check(shape, values)


def _check(shape: Shape, values: dict[str, Any]) -> None:
    problems = [*_problems(shape, values, "")]
    if problems:
        errors = "error" if len(problems) == 1 else "errors"
        raise ValidationError(
            f"{len(problems)} validation {errors} detected: {'; '.join(problems)}"
        )


def _json(body: bytes, shape: StructureShape) -> Any:  # noqa: ANN401  # JSON is of any type
    payload = shape.serialization.get("payload")
    if payload and shape.members[payload].type_name == "blob":
        return {payload: body}
    try:
        value = without_nulls(json.loads(body)) if body else {}
    except ValueError:
        raise ServiceError("SerializationException", "the body is not valid JSON") from None
    if not isinstance(value, dict):
        raise ServiceError("SerializationException", "the body is not a JSON object")
    return value


def without_nulls(value: Any) -> Any:  # noqa: ANN401  # JSON is of any type
    """Return JSON without the members that are null, which AWS takes for absent."""
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    return [without_nulls(item) for item in value] if isinstance(value, list) else value


def _located(
    shape: StructureShape,
    labels: dict[str, str],
    query: Mapping[str, list[str]],
    body: Any,  # noqa: ANN401
) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, member in shape.members.items():
        location = member.serialization.get("location")
        wire = member.serialization.get("name", name)
        if location == "uri" and wire in labels:
            values[name] = labels[wire]
        elif location == "querystring" and wire in query:
            values[name] = _from_text(member, query[wire][0])
        elif location is None and body.get(wire) is not None:
            values[name] = body[wire]
    return values


def _from_text(member: Shape, text: str) -> Any:  # noqa: ANN401  # the member's type
    if member.type_name == "integer":
        return int(text) if text.lstrip("-").isdigit() else text
    if member.type_name == "boolean":
        return {"true": True, "false": False}.get(text, text)
    return text


_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,), "integer": (int,), "long": (int,), "float": (int, float),
    "double": (int, float), "boolean": (bool,), "list": (list,), "map": (dict,),
    "structure": (dict,),
}  # fmt: skip


def _problems(shape: Shape, value: Any, where: str) -> Iterator[str]:  # noqa: ANN401  # any JSON
    expected = _TYPES.get(shape.type_name)
    wrong_bool = isinstance(value, bool) and shape.type_name != "boolean"
    if expected and (not isinstance(value, expected) or wrong_bool):
        yield f"Value at '{where}' failed to satisfy constraint: Member must be a {shape.type_name}"
    elif isinstance(shape, StructureShape):
        if not getattr(shape, "is_document_type", False):
            yield from _structure_problems(shape, value, where)
    elif isinstance(shape, ListShape):
        yield from _size_problems(shape, value, where, "length")
        for index, item in enumerate(value):
            yield from _problems(shape.member, item, f"{where}.{index + 1}.member")
    elif isinstance(shape, MapShape):
        for key, item in value.items():
            yield from _problems(shape.value, item, f"{where}.{key}")
    else:
        yield from _scalar_problems(shape, value, where)


def _structure_problems(shape: StructureShape, value: dict[str, Any], where: str) -> Iterator[str]:
    for name in shape.required_members:
        if name not in value:
            at = f"{where}.{name}".lstrip(".")
            yield f"Value null at '{at}' failed to satisfy constraint: Member must not be null"
    for name, item in value.items():
        member = shape.members.get(name)
        if member is not None and item is not None:
            yield from _problems(member, item, f"{where}.{name}".lstrip("."))


def _scalar_problems(shape: Shape, value: Any, where: str) -> Iterator[str]:  # noqa: ANN401  # same
    if isinstance(shape, StringShape):
        yield from _size_problems(shape, value, where, "length")
        if shape.enum and value not in shape.enum:
            allowed = ", ".join(shape.enum)
            yield (
                f"Value '{value}' at '{where}' failed to satisfy constraint: Member must satisfy "
                f"enum value set: [{allowed}]"
            )
        pattern = shape.metadata.get("pattern")
        if pattern and not re.fullmatch(pattern, value):
            yield (
                f"Value '{value}' at '{where}' failed to satisfy constraint: Member must satisfy "
                f"regular expression pattern: {pattern}"
            )
    elif shape.type_name in {"integer", "long", "float", "double"}:
        yield from _size_problems(shape, value, where, "value")


def _size_problems(shape: Shape, value: Any, where: str, what: str) -> Iterator[str]:  # noqa: ANN401
    size = value if what == "value" else len(value)
    failed = f"Value at '{where}' failed to satisfy constraint: Member must have {what}"
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    if low is not None and size < low:
        yield f"{failed} greater than or equal to {low}"
    if high is not None and size > high:
        yield f"{failed} less than or equal to {high}"


def answer(found: Route, output: dict[str, Any]) -> Answer:
    """Serialise an operation's output; members that are None are left out."""
    status = found.model.http.get("responseCode", 200)
    shape = found.model.output_shape
    payload = shape.serialization.get("payload") if shape is not None else None
    if payload and isinstance(output.get(payload), bytes):
        return status, {"Content-Type": "application/json"}, output[payload]
    body = json.dumps(without_nulls(output), default=stamp).encode()
    return status, {"Content-Type": "application/json"}, body


def stamp(moment: datetime) -> str:
    """Return a date as AWS writes it."""
    return iso(moment.timestamp())


def failure(error: ServiceError) -> Answer:
    headers = {"Content-Type": "application/json", "x-amzn-errortype": error.code}
    return error.status, headers, json.dumps({"message": error.message}).encode()
