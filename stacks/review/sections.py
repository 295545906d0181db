"""Changes in words: titled lists of lines, marked as in a diff, what matters most first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from stacks.review.changes import Altered, Change, Changes, States, data_lost
from stacks.review.grants import grant_lines
from stacks.review.kinds import Kinds, line, own_lines
from stacks.review.templates import Resource, fields_of

Sections = dict[str, list[str]]  # an entry may have several lines

_LOSS = "⚠ DATA LOSS"
_CONTEXT = 40  # characters left of what two texts have in common
_FEW = 4  # resources that a line names; of more, in short, the first of them


def sections(changes: Changes, *, short: bool = False) -> Sections:
    """Return the lines by title; in short, without the fields of what is added and removed."""
    found = {
        "Replaced": _losses_first(map(_replaced, changes.replaced)),
        "Removed": _losses_first(
            _removed(each, changes.kinds_before, short=short) for each in changes.removed
        ),
        "Added": [_added(each, changes.kinds_after, short=short) for each in changes.added],
        "Changed": [*_changed(changes, short=short)],
        "New names": [*_new_names(changes)],
        "IAM: granted": [f"+ {line}" for line in grant_lines(changes.gained)],
        "IAM: no longer granted": [f"- {line}" for line in grant_lines(changes.lost)],
    }
    for name, states in changes.machines.items():
        found[f"State machine: {name}"] = [*_state_lines(states, short=short)]
    return {title: lines for title, lines in found.items() if lines}


def change_line(change: Change) -> str:
    """Return "path: before → after", or what a list of that path gains or loses."""
    if change.before is None:
        return f"{change.path}: + {change.after}"
    if change.after is None:
        return f"{change.path}: - {change.before}"
    return f"{change.path}: {' → '.join(_around_difference(change.before, change.after))}"


def _around_difference(before: str, after: str) -> tuple[str, str]:
    """Return both without most of what long texts have in common at their start and end."""
    start = _common(before, after) - _CONTEXT
    end = _common(before[::-1], after[::-1]) - _CONTEXT
    end = min(end, len(before) - start, len(after) - start)
    if start > _CONTEXT:
        before, after = f"…{before[start:]}", f"…{after[start:]}"
    if end > _CONTEXT:
        before, after = f"{before[:-end]}…", f"{after[:-end]}…"
    return before, after


def _common(one: str, other: str) -> int:
    pairs = enumerate(zip(one, other, strict=False))
    return next((at for at, (a, b) in pairs if a != b), min(len(one), len(other)))


def kind_of(resource: Resource) -> str:
    """Return the resource's type as people say it: "Lambda Function"."""
    return resource.type.removeprefix("AWS::").replace("::", " ")


def _title(resource: Resource) -> str:
    return f"{kind_of(resource)} {resource.stack}/{resource.name}"


def _replaced(altered: Altered) -> str:
    old, new = altered.before, altered.after
    policies = [str(each.value("UpdateReplacePolicy")) for each in (old, new)]
    why = ", ".join(altered.replaced_for)
    first = f"{kind_of(new)} {new.stack}/{new.name}, because of {why}"
    lines = map(change_line, altered.changes)
    return _entry("!", first + _loss(old, policies), lines)


def _removed(resource: Resource, kinds: Kinds, *, short: bool) -> str:
    loss = _loss(resource, [str(resource.value("DeletionPolicy"))])
    lines = () if short else own_lines(resource, kinds)
    return _entry("-", f"{kind_of(resource)} {resource.stack}/{resource.name}{loss}", lines)


def _added(resource: Resource, kinds: Kinds, *, short: bool) -> str:
    lines = () if short else own_lines(resource, kinds)
    return _entry("+", f"{kind_of(resource)} {resource.stack}/{resource.name}", lines)


def _losses_first(entries: Iterable[str]) -> list[str]:
    return sorted(entries, key=lambda entry: _LOSS not in entry)


def _loss(resource: Resource, policies: Iterable[str]) -> str:
    lost = data_lost(resource, policies)
    return f" {_LOSS}: {lost}" if lost else ""


def _entry(mark: str, first: str, lines: Iterable[str]) -> str:
    return "\n".join([f"{mark} {first}", *(f"{mark}   {line}" for line in lines)])


def _changed(changes: Changes, *, short: bool) -> Iterator[str]:
    alike: dict[tuple[str, str, str], list[Resource]] = {}
    for altered in changes.changed:
        resource = altered.after
        for change in altered.changes:
            line = resource.own(change_line(change))
            alike.setdefault((resource.type, change.path, line), []).append(resource)
    excepted: dict[str, list[str]] = {}
    for (type_, path, line), resources in alike.items():
        same = [resource for resource in changes.common if resource.type == type_]
        kind = kind_of(resources[0])
        if len(resources) == 1:
            yield f"~ {_title(resources[0])}: {line}"
        elif 4 * len(resources) >= 3 * len(same):
            # Without count and names, in which environments differ that share the change.
            yield f"~ each {kind}: {line}"
            changed = {resource.key for resource in resources}
            for resource in same:
                if resource.key not in changed:
                    excepted.setdefault(_title(resource), []).append(path)
        else:
            names = _named([resource.name for resource in resources], short=short)
            yield f"~ {len(resources)} x {kind}: {line} ({names})"
    yield from (f"~ not {title}: {', '.join(paths)}" for title, paths in excepted.items())


def _named(names: list[str], *, short: bool) -> str:
    shown = names[:_FEW] if short else names
    return ", ".join(shown) + (", …" if len(shown) < len(names) else "")


def _new_names(changes: Changes) -> Iterator[str]:
    for old, new in changes.renames.items():
        yield f"! {old} → {new}"
    if changes.followers:
        what = " and ".join(f"{count} {what}" for what, count in changes.followers.items())
        yield f"~ {what} follow, and nothing else about them changes"


def _state_lines(states: States, *, short: bool) -> Iterator[str]:
    for mark, names, found in (
        ("+", states.added, states.after_states),
        ("-", states.removed, states.before_states),
    ):
        for name in names:
            state = found[name]
            following = f" → {state['Next']}" if "Next" in state else ""
            lines = () if short else map(line, fields_of(state))
            yield _entry(mark, f"{name} ({state['Type']}){following}", lines)
    yield from (f"~ {change_line(change)}" for change in states.around)
    alike: dict[str, list[str]] = {}
    for name, changes in states.changed.items():
        for change in changes:
            alike.setdefault(change_line(change), []).append(name)
    for text, names in alike.items():
        yield f"~ {_named(names, short=short)}: {text}"
