"""Changes in words: titled lists of lines, marked as in a diff, what matters most first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from os.path import commonprefix

from stacks.review.changes import Altered, Change, Changes, States, data_lost
from stacks.review.grants import grant_lines
from stacks.review.kinds import Kinds, own_lines
from stacks.review.templates import Resource

Sections = dict[str, list[str]]  # an entry may have several lines

LOSS = "⚠ DATA LOSS"
_CONTEXT = 40  # characters left of what two texts have in common at their start


def sections(changes: Changes) -> Sections:
    """Return the lines by title."""
    found = {
        "Replaced": _losses_first(map(_replaced, changes.replaced)),
        "Removed": _losses_first(_removed(each, changes.kinds_before) for each in changes.removed),
        "Added": [_entry("+", _title(each), each, changes.kinds_after) for each in changes.added],
        "Changed": [*_changed(changes)],
        "IAM: granted": [f"+ {line}" for line in grant_lines(changes.gained)],
        "IAM: no longer granted": [f"- {line}" for line in grant_lines(changes.lost)],
    }
    if changes.followers:
        found["IAM: the same"] = [f"~ {changes.followers} grants follow a bucket's new name"]
    for name, states in changes.machines.items():
        found[f"State machine: {name}"] = [*_state_lines(states)]
    return {title: lines for title, lines in found.items() if lines}


def change_line(change: Change) -> str:
    """Return "path: before → after", or what a list of that path gains or loses."""
    if change.before is None:
        return f"{change.path}: + {change.after}"
    if change.after is None:
        return f"{change.path}: - {change.before}"
    texts = [change.before, change.after]
    start = len(commonprefix(texts)) - _CONTEXT  # noqa: RUF071  # of texts, not of paths
    if start > _CONTEXT:
        texts = [f"…{text[start:]}" for text in texts]
    return f"{change.path}: {' → '.join(texts)}"


def kind_of(resource: Resource) -> str:
    """Return the resource's type as people say it: "Lambda Function"."""
    return resource.type.removeprefix("AWS::").replace("::", " ")


def _title(resource: Resource) -> str:
    return f"{kind_of(resource)} {resource.stack}/{resource.name}"


def _replaced(altered: Altered) -> str:
    old, new = altered.before, altered.after
    loss = _loss(old, [str(each.value("UpdateReplacePolicy")) for each in (old, new)])
    first = f"! {_title(new)}, because of {', '.join(altered.replaced_for)}{loss}"
    return "\n".join([first, *(f"!   {change_line(change)}" for change in altered.changes)])


def _removed(resource: Resource, kinds: Kinds) -> str:
    loss = _loss(resource, [str(resource.value("DeletionPolicy"))])
    return _entry("-", f"{_title(resource)}{loss}", resource, kinds)


def _entry(mark: str, first: str, resource: Resource, kinds: Kinds) -> str:
    lines = own_lines(resource, kinds)
    return "\n".join([f"{mark} {first}", *(f"{mark}   {line}" for line in lines)])


def _losses_first(entries: Iterable[str]) -> list[str]:
    return sorted(entries, key=lambda entry: LOSS not in entry)


def _loss(resource: Resource, policies: Iterable[str]) -> str:
    lost = data_lost(resource, policies)
    return f" {LOSS}: {lost}" if lost else ""


def _changed(changes: Changes) -> Iterator[str]:
    alike: dict[tuple[str, str, str], list[Resource]] = {}
    for altered in changes.changed:
        resource = altered.after
        for change in altered.changes:
            line = resource.own(change_line(change))
            alike.setdefault((resource.type, change.path, line), []).append(resource)
    excepted: dict[str, list[str]] = {}
    for (type_, path, line), resources in alike.items():
        same = [resource for resource in changes.common if resource.type == type_]
        if len(resources) == 1:
            yield f"~ {_title(resources[0])}: {line}"
        elif 4 * len(resources) >= 3 * len(same):
            # Without count and names, in which environments differ that share the change.
            yield f"~ each {kind_of(resources[0])}: {line}"
            for resource in same:
                if resource not in resources:
                    excepted.setdefault(_title(resource), []).append(path)
        else:
            names = ", ".join(resource.name for resource in resources)
            yield f"~ {len(resources)} x {kind_of(resources[0])}: {line} ({names})"
    yield from (f"~ not {title}: {', '.join(paths)}" for title, paths in excepted.items())


def _state_lines(states: States) -> Iterator[str]:
    """Yield the states that come and go, and the fields of those that change."""
    for mark, found in (("+", states.added), ("-", states.removed)):
        for name, state in found.items():
            following = f" → {state['Next']}" if "Next" in state else ""
            yield f"{mark} {name} ({state['Type']}){following}"
    yield from (f"~ {change_line(change)}" for change in states.around)
    alike: dict[str, list[str]] = {}
    for name, changes in states.changed.items():
        for change in changes:
            alike.setdefault(change_line(change), []).append(name)
    yield from (f"~ {', '.join(names)}: {line}" for line, names in alike.items())
