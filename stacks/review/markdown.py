"""A review as Markdown: a table, what matters by environment, then the rest, folded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from stacks.review.changes import Changes, States, compare, field_changes, is_kept_version
from stacks.review.diagram import changed_states
from stacks.review.idle_cost import idle_items
from stacks.review.sections import LOSS, Sections, change_line, kind_of, sections
from stacks.review.templates import STACK, Deployment, Field, fields_of, read

LONGEST = 59_900  # characters; a comment holds 65,536
_MOST_PICTURED = 20
_NOTE, _PICTURE = "Note", "Picture"
_PLAIN = {_NOTE, _PICTURE}  # titles that are not shown, of entries that are Markdown
_FOLDED = {"Removed", "Added", "Changed", "IAM: no longer granted", "IAM: the same"}
_END = "\n```\n\n</details>"  # of a section
_CUT = "\n\n… cut here: the diff of `tests/stacks/snapshots/` has the rest.\n"

# What an execution calls, assumes, reads or is of, until it ends.
_NEEDED = {
    "AWS::StepFunctions::StateMachine": "state machine",
    "AWS::Lambda::Function": "function",
    "AWS::Lambda::Version": "version",
    "AWS::IAM::Role": "role",
    "AWS::S3::Bucket": "bucket",
}

Side = Mapping[str, Any]  # of one environment, as `stacks.review.side` prints it


@dataclass(frozen=True)
class Pair:
    """One environment on both sides; a side that has no such environment is None."""

    name: str
    before: Side | None
    after: Side | None

    @property
    def problems(self) -> Iterator[str]:
        for which, side in (("base", self.before), ("head", self.after)):
            if side and "error" in side:
                yield f"⚠ {self.name} cannot be synthesised on the {which} side: {side['error']}"
            elif side and "error" in side["quote"]:
                yield f"⚠ {self.name} has no quote on the {which} side: {side['quote']['error']}"

    @property
    def is_readable(self) -> bool:
        return not any("error" in side for side in (self.before, self.after) if side)

    @cached_property
    def deployments(self) -> tuple[Deployment, Deployment]:
        return self._read(self.before), self._read(self.after)

    @cached_property
    def changes(self) -> Changes:
        return compare(*self.deployments)

    def _read(self, side: Side | None) -> Deployment:
        if side is None:
            return Deployment(self.name)
        account = side["settings"].get("account")
        return read(self.name, side["region"], side["stacks"], account=account)


def review(title: str, before: Mapping[str, Side], after: Mapping[str, Side]) -> str:
    """Return the review of all environments, under 60,000 characters."""
    pairs = [Pair(name, before.get(name), after.get(name)) for name in {**after, **before}]
    readable = [pair for pair in pairs if pair.is_readable]
    blocks = [f"## {title}", *(line for pair in pairs for line in pair.problems)]
    if readable:
        blocks.append("\n".join(_table(readable)))
        found = {pair.name: _sections(pair) for pair in readable}
        blocks += _by_environments(found) or ["No environment changes."]
    return _cut("\n\n".join(blocks))


def _by_environments(found: Mapping[str, Sections]) -> list[str]:
    """Return all entries in blocks, those that several environments share once."""
    sharing: dict[tuple[str, str], list[str]] = {}
    for name, titled in found.items():
        for title, entries in titled.items():
            for entry in entries:
                sharing.setdefault((title, entry), []).append(name)
    groups: dict[tuple[str, ...], Sections] = {}
    for (title, entry), names in sharing.items():
        groups.setdefault(tuple(names), {}).setdefault(title, []).append(entry)
    return [
        block
        for is_open in (True, False)  # what matters of all of them first, for a cut is at the end
        for environments in sorted(groups, key=len, reverse=True)
        for block in _blocks(environments, groups[environments], is_open=is_open)
    ]


def _blocks(environments: Iterable[str], titled: Sections, *, is_open: bool) -> Iterator[str]:
    chosen = {title: lines for title, lines in titled.items() if _opens(title, lines) == is_open}
    if chosen:
        yield f"### {', '.join(environments)}"
    for title, entries in chosen.items():
        if title in _PLAIN:
            yield from entries
        else:
            # In a fence no text of a template is Markdown, or mentions anyone.
            text = "\n".join(entries).replace("```", "` ` `")
            summary = f"<summary>{title} ({len(entries)})</summary>"
            yield f"<details{' open' * is_open}>{summary}\n\n```diff\n{text}{_END}"


def _opens(title: str, entries: Iterable[str]) -> bool:
    return title not in _FOLDED or any(LOSS in entry for entry in entries)


def _table(pairs: Iterable[Pair]) -> Iterator[str]:
    yield (
        "| environment | added | changed | replaced | removed | IAM | states "
        "| quote, expected | quote, at most | idle a month |"
    )
    yield "|" + "---|" * 10
    for pair in pairs:
        found = pair.changes
        resources = (found.added, found.changed, found.replaced, found.removed)
        states = Counter[str]()
        for each in found.machines.values():
            states += Counter(
                {"+": len(each.added), "-": len(each.removed), "~": len(each.changed)}
            )
        cells = [
            pair.name,
            *(str(len(each)) for each in resources),
            f"+{len(found.gained)} -{len(found.lost)}",
            " ".join(f"{mark}{states[mark]}" for mark in "+-~"),
            *(_from_to(*_quoted(pair, figure)) for figure in ("expected", "at most")),
            _from_to(*map(_idle_usd, pair.deployments)),
        ]
        yield f"| {' | '.join(cells)} |"


def _from_to(before: float | None, after: float | None) -> str:
    old, new = ("none" if usd is None else f"${usd:,.2f}" for usd in (before, after))
    return new if old == new else f"{old} → **{new}**"


def _quoted(pair: Pair, figure: str) -> list[float | None]:
    return [side["quote"].get(figure) if side else None for side in (pair.before, pair.after)]


def _idle_usd(deployment: Deployment) -> float | None:
    return sum(usd for _, usd in idle_items(deployment).values()) if deployment.resources else None


def _sections(pair: Pair) -> Sections:
    if pair.after is None:
        return {_NOTE: ["Its file is gone; nothing leaves the account before `make destroy`."]}
    if pair.before is None:
        return {_NOTE: [_summary(pair)], **_figures(pair)}
    machines = pair.changes.machines.items()
    return {
        _NOTE: [*_unsafe(pair.changes)],
        **_figures(pair),
        **sections(pair.changes),
        _PICTURE: [picture for name, states in machines for picture in _picture(name, states)],
    }


def _summary(pair: Pair) -> str:
    resources = pair.deployments[1].resources.values()
    kinds = Counter(kind_of(each) for each in resources if each.type != STACK)
    counts = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())
    return (
        f"A new environment of {kinds.total()} resources: {counts}. "
        f"Its snapshot `{pair.name}.txt` says how it differs from the others."
    )


def _figures(pair: Pair) -> Sections:
    """Return what changes in addition to the templates."""
    old, new = (
        _fields(*side) for side in zip((pair.before, pair.after), pair.deployments, strict=True)
    )
    return {
        title: [f"~ {change_line(change)}" for change in field_changes(old[title], new[title])]
        for title in new
    }


def _fields(side: Side | None, deployment: Deployment) -> dict[str, list[Field]]:
    settings, quoted = (side["settings"], side["quote"].get("items", {})) if side else ({}, {})
    return {
        "Settings": [*fields_of(settings)],
        "Quote of the default run": [
            (what, f"expected ${expected:,.2f}, at most ${high:,.2f}")
            for what, (expected, high) in quoted.items()
        ],
        "Idle cost a month": [
            (what, f"{count:g} for ${usd:.2f}")
            for what, (count, usd) in idle_items(deployment).items()
        ],
    }


def _unsafe(changes: Changes) -> Iterator[str]:
    """Yield what a run under way may need and no longer finds; a rename is a removal too."""
    removed = [each for each in changes.removed if not is_kept_version(each)]
    replaced = [each.before for each in changes.replaced]
    types = Counter(each.type for each in (*removed, *replaced))
    counts = {
        "state": sum(len(each.removed) for each in changes.machines.values()),
        **{what: types[kind] for kind, what in _NEEDED.items()},
        "grant": sum(each.verb == "may" for each in changes.lost),
    }
    gone = [f"{n} {what}{'s' * (n > 1)}" for what, n in counts.items() if n]
    denied = sum(each.verb != "may" for each in changes.gained)
    said = [f"removes {', '.join(gone)}"] * bool(gone) + [f"denies {denied} more"] * bool(denied)
    if said:
        yield f"⚠ **Unsafe while an execution is under way**: it {' and '.join(said)}."


def _picture(name: str, states: States) -> Iterator[str]:
    marks = {
        **dict.fromkeys(states.changed, "changed"),
        **dict.fromkeys(states.added, "added"),
        **dict.fromkeys(states.removed, "removed"),
    }
    if len(marks) > _MOST_PICTURED:
        yield f"{name}: {len(marks)} states change, too many for a picture."
    elif marks:
        yield f"```mermaid\n{changed_states(states.before, states.after, marks)}```"


def _cut(text: str) -> str:
    if len(text) <= LONGEST:
        return text
    kept = text[: LONGEST - len(_CUT) - len(_END)].rpartition("\n")[0]
    if kept.count("```") % 2:
        kept += "\n```"
    if kept.count("\n<details") > kept.count("\n</details"):
        kept += "\n\n</details>"
    return kept + _CUT
