"""IAM as single grants: merged statements compare by what they allow, not by how they stand."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import product
from typing import Any, NamedTuple

from stacks.review.text import flow

_SPOKEN = {"Effect", "Action", "Resource", "Sid"}


class Grant(NamedTuple):
    """What a statement says, of one action and one resource unless several are joined."""

    who: str  # the resource whose policy it is
    verb: str  # "may", "may not"; of another effect, the effect
    action: str
    resource: str
    terms: str  # principal, condition and whatever else the statement has
    anything: bool  # the resource is "*" and means any resource

    @property
    def text(self) -> str:
        where = f" on {self.resource}" if self.resource else ""
        warning = " ⚠ any resource" if self.anything and self.verb == "may" else ""
        return f"{self.verb} {self.action}{where}{self.terms}{warning}"


def grants_of(name: str, kind: str, properties: Any) -> Iterator[Grant]:
    """Return all grants in the resource's policies, wherever in its properties they stand."""
    for statement in _statements(properties):
        whole = statement_grant(statement)._replace(who=name)
        for action, resource in product(
            _listed(statement.get("Action")), _listed(statement.get("Resource"))
        ):
            any_resource = resource == "*" and kind.startswith("AWS::IAM::")
            yield whole._replace(action=action, resource=resource, anything=any_resource)


def statement_grant(statement: Mapping[str, Any]) -> Grant:
    """Return all that the statement says, as one grant of nobody's."""
    effect = str(statement["Effect"])
    verb = {"Allow": "may", "Deny": "may not"}.get(effect, effect)
    actions = ", ".join(_listed(statement.get("Action")))
    resources = ", ".join(_listed(statement.get("Resource")))
    return Grant("", verb, actions, resources, _terms(statement), anything=False)


def grant_lines(grants: Iterable[Grant]) -> list[str]:
    """Return the grants in lines, those together that differ in one thing only."""
    merged = sorted(grants)
    for field in ("action", "resource", "who"):
        merged = _merged(merged, field)
    return [f"{grant.who}: {grant.text}" for grant in merged]


def _merged(grants: Iterable[Grant], field: str) -> list[Grant]:
    values: dict[Grant, list[str]] = {}
    for grant in grants:
        alike: dict[str, Any] = {field: ""}
        values.setdefault(grant._replace(**alike), []).append(getattr(grant, field))
    joined: dict[Grant, dict[str, Any]] = {g: {field: ", ".join(v)} for g, v in values.items()}
    return [grant._replace(**value) for grant, value in joined.items()]


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
