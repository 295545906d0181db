"""IAM as single grants: merged statements compare by what they allow, not by how they stand."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import product
from typing import Any, NamedTuple

from stacks.review.text import flow

_SPOKEN = {"Effect", "Action", "Resource", "Sid"}


class Grant(NamedTuple):
    """What one statement says of one action and one resource."""

    who: str  # the resource whose policy it is
    verb: str  # "may", "may not"; of another effect, the effect
    action: str
    resource: str
    terms: str  # principal, condition and whatever else the statement has
    anything: bool  # the resource is "*" and means any resource


def grants_of(name: str, kind: str, properties: Any) -> Iterator[Grant]:
    """Return all grants in the resource's policies, wherever in its properties they stand."""
    for statement in _statements(properties):
        for action, resource in product(
            _listed(statement.get("Action")), _listed(statement.get("Resource"))
        ):
            any_resource = resource == "*" and kind.startswith("AWS::IAM::")
            yield Grant(name, _verb(statement), action, resource, _terms(statement), any_resource)


def statement_text(statement: Mapping[str, Any]) -> str:
    """Return the statement on one line."""
    actions = ", ".join(_listed(statement.get("Action")))
    resources = ", ".join(_listed(statement.get("Resource")))
    return _sentence(_verb(statement), actions, resources, _terms(statement))


def grant_lines(grants: Iterable[Grant]) -> list[str]:
    """Return the grants in lines, those together that differ in one thing only."""
    rows: list[tuple[str, ...]] = [
        (grant.who, grant.verb, grant.action, grant.resource, grant.terms + _warning(grant))
        for grant in sorted(grants)
    ]
    for column in (2, 3, 0):  # action, resource, who
        rows = _merged(rows, column)
    return [f"{who}: {_sentence(*said)}" for who, *said in rows]


def _merged(rows: Iterable[tuple[str, ...]], column: int) -> list[tuple[str, ...]]:
    merged: dict[tuple[str, ...], list[str]] = {}
    for row in rows:
        merged.setdefault((*row[:column], "", *row[column + 1 :]), []).append(row[column])
    return [(*key[:column], ", ".join(v), *key[column + 1 :]) for key, v in merged.items()]


def _warning(grant: Grant) -> str:
    return " ⚠ any resource" if grant.anything and grant.verb == "may" else ""


def _sentence(verb: str, actions: str, resources: str, terms: str) -> str:
    where = f" on {resources}" if resources else ""
    return f"{verb} {actions}{where}{terms}"


def _statements(value: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(value, dict):
        found = value.get("Statement")
        if isinstance(found, list):
            yield from found
        for item in value.values():
            yield from _statements(item)
    elif isinstance(value, list):
        for item in value:
            yield from _statements(item)


def _verb(statement: Mapping[str, Any]) -> str:
    effect = str(statement["Effect"])
    return {"Allow": "may", "Deny": "may not"}.get(effect, effect)


def _terms(statement: Mapping[str, Any]) -> str:
    others = {key: value for key, value in statement.items() if key not in _SPOKEN}
    words = {"Principal": "by", "Condition": "if"}
    said = "".join(
        f" {words.get(key, key)} {flow(others[key])}" for key in sorted(others, reverse=True)
    )
    return said + (f" ({statement['Sid']})" if "Sid" in statement else "")


def _listed(value: object) -> list[str]:
    if value is None:
        return [""]
    return [str(item) for item in value] if isinstance(value, list) else [str(value)]
