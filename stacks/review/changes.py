"""What changes between two deployments of an environment, or between two environments."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from cfnlint.schema import (  # type: ignore[import-untyped]  # it has no annotations
    PROVIDER_SCHEMA_MANAGER,
    ResourceNotFoundError,
)

from stacks.review.diagram import all_states
from stacks.review.grants import Grant
from stacks.review.kinds import Kinds, kinds_of
from stacks.review.templates import Deployment, Field, Resource, fields_of

_SCHEMA_REGION = "us-east-1"  # what may change in place is the same in all regions
# What is gone with a resource of these types, unless its policy retains it.
_DATA = {
    "AWS::S3::Bucket": "its objects",
    "AWS::Logs::LogGroup": "its logs",
    "AWS::KMS::Key": "the key, and what it encrypted",
    "AWS::SQS::Queue": "its messages",
    "AWS::DynamoDB::Table": "its items",
}
_KEEPS = {"Retain", "RetainExceptOnCreate", "Snapshot"}


@dataclass(frozen=True)
class Change:
    """A field of a resource or a state, before and after; None where there is none."""

    path: str
    before: str | None
    after: str | None


@dataclass(frozen=True)
class Altered:
    """A resource that both sides have."""

    before: Resource
    after: Resource
    changes: tuple[Change, ...]
    replaced_for: tuple[str, ...] = ()  # why CloudFormation makes a new one; empty: it does not


@dataclass(frozen=True)
class States:
    """What changes in one state machine; an absent side is empty."""

    before: Mapping[str, Any]
    after: Mapping[str, Any]
    added: dict[str, dict[str, Any]]
    removed: dict[str, dict[str, Any]]
    changed: dict[str, list[Change]]
    around: list[Change]  # of the machine itself


def _states(before: Mapping[str, Any], after: Mapping[str, Any]) -> States:
    old, new = all_states(before), all_states(after)
    changes = {
        name: [*field_changes(fields_of(old[name]), fields_of(new[name]))]
        for name in new
        if name in old
    }
    around = (
        fields_of({key: value for key, value in machine.items() if key != "States"})
        for machine in (before, after)
    )
    return States(
        before,
        after,
        added={name: state for name, state in new.items() if name not in old},
        removed={name: state for name, state in old.items() if name not in new},
        changed={name: found for name, found in changes.items() if found},
        around=[*field_changes(*around)],
    )


@dataclass
class Changes:
    """All that differs, but for grants that merely follow a bucket's new name."""

    added: list[Resource]
    removed: list[Resource]
    altered: list[Altered]
    gained: set[Grant]
    lost: set[Grant]
    machines: dict[str, States]
    followers: int  # grants that are the same but for a bucket's new name
    kinds_before: Kinds
    kinds_after: Kinds
    common: list[Resource]  # of both sides, as they are after

    @property
    def replaced(self) -> list[Altered]:
        return [each for each in self.altered if each.replaced_for]

    @property
    def changed(self) -> list[Altered]:
        return [each for each in self.altered if not each.replaced_for]


def compare(before: Deployment, after: Deployment) -> Changes:
    """Return what changes from `before` to `after`."""
    common = [key for key in before.resources if key in after.resources]
    pairs = [(before.resources[key], after.resources[key]) for key in common]
    altered = [_altered(old, new) for old, new in pairs]
    # Between two environments nothing is replaced: each has its own.
    if before.environment == after.environment:
        altered = _carried_on([_marked(each) for each in altered])
    old, new = _grants(before), _grants(after)
    following = _following(old - new, new - old, pairs)
    machines = {
        name: _states(before.machines.get(name, {}), after.machines.get(name, {}))
        for name in {**before.machines, **after.machines}
        if before.machines.get(name) != after.machines.get(name)
    }
    return Changes(
        added=[each for key, each in after.resources.items() if key not in before.resources],
        removed=[each for key, each in before.resources.items() if key not in after.resources],
        altered=[each for each in altered if each.changes or each.replaced_for],
        gained=new - old - {*following.values()},
        lost=old - new - {*following},
        followers=len(following),
        machines=machines,
        kinds_before=kinds_of(before),
        kinds_after=kinds_of(after),
        common=[new for _, new in pairs],
    )


def is_kept_version(resource: Resource) -> bool:
    """Whether it is a function's version that stays when the template has another or none."""
    return resource.type == "AWS::Lambda::Version" and resource.value("DeletionPolicy") in _KEEPS


def data_lost(resource: Resource, policies: Iterable[str]) -> str | None:
    """Return what is gone with the resource under these deletion policies, if anything is."""
    kept = all(policy in _KEEPS for policy in policies)
    return None if kept else _DATA.get(resource.type)


def field_changes(before: Iterable[Field], after: Iterable[Field]) -> Iterator[Change]:
    """Yield each path whose values differ; entries of a list have neither order nor number."""
    old, new = Counter(before), Counter(after)
    gone, come = _by_path(old - new), _by_path(new - old)
    for path in {**gone, **come}:
        values, others = gone.get(path, []), come.get(path, [])
        if len(values) == len(others) == 1:
            yield Change(path, values[0], others[0])
        else:
            yield from (Change(path, value, None) for value in values)
            yield from (Change(path, None, value) for value in others)


def _by_path(fields: Counter[Field]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for path, value in fields.elements():
        found.setdefault(path, []).append(value)
    return found


def _altered(old: Resource, new: Resource) -> Altered:
    types = [] if old.type == new.type else [Change("Type", old.type, new.type)]
    return Altered(old, new, (*types, *field_changes(old.fields, new.fields)))


def _marked(altered: Altered) -> Altered:
    """Return the same with the reasons for which CloudFormation makes a new resource."""
    old, new = altered.before, altered.after
    paths = dict.fromkeys(change.path for change in altered.changes)
    reasons = [path for path in paths if path == "Type" or _create_only(new.type, path)]
    if old.logical_id != new.logical_id and not is_kept_version(old):
        reasons.append("its logical id")
    return replace(altered, replaced_for=tuple(reasons))


def _carried_on(altered: Sequence[Altered]) -> list[Altered]:
    """Return the same with what is replaced because it refers to something replaced."""
    found = {each.after.key: each for each in altered}
    waiting = [each for each in altered if each.replaced_for]
    while waiting:
        source = waiting.pop().after
        for key, each in found.items():
            path = None if each.replaced_for else _refers(each.after, source)
            if path:
                found[key] = replace(each, replaced_for=(path,))
                waiting.append(found[key])
    return [*found.values()]


def _refers(resource: Resource, to: Resource) -> str | None:
    references = f"${{{to.name}}}", f"${{{to.name}."
    if resource.stack != to.stack:
        return None
    return next(
        (
            path
            for path, text in resource.fields
            if any(reference in text for reference in references)
            and _create_only(resource.type, path)
        ),
        None,
    )


def _create_only(kind: str, path: str) -> bool:
    return any(
        path == name or path.startswith((f"{name}.", f"{name}[")) for name in _replacing(kind)
    )


@cache
def _replacing(kind: str) -> tuple[str, ...]:
    """Return the properties of the type that CloudFormation cannot change in place."""
    try:
        schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema(_SCHEMA_REGION, kind).schema
    except ResourceNotFoundError:  # a custom resource, or a stack
        return ()
    pointers = schema.get("createOnlyProperties", [])
    return tuple(pointer.removeprefix("/properties/").replace("/", ".") for pointer in pointers)


def _grants(deployment: Deployment) -> set[Grant]:
    return {grant for resource in deployment.resources.values() for grant in resource.grants}


def _following(
    lost: Iterable[Grant], gained: Collection[Grant], pairs: Iterable[tuple[Resource, Resource]]
) -> dict[Grant, Grant]:
    """Return the grants that are lost and gained again with a bucket's new name in them."""
    names = [[bucket.value("BucketName") for bucket in pair] for pair in pairs]
    found = {}
    for grant in lost:
        renamed = grant
        for old, new in names:
            if old and new and old != new:
                resource, terms = (text.replace(old, new) for text in renamed[3:5])
                renamed = renamed._replace(resource=resource, terms=terms)
        if renamed in gained:
            found[grant] = renamed
    return found
