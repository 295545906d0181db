"""A state machine's pictures, drawn from its rendered definition: nothing is drawn by hand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from operator import attrgetter
from typing import Any, NamedTuple

Asl = Mapping[str, Any]

_STYLES = {
    "added": "fill:#d4f4dd,stroke:#1a7f37,stroke-width:3px,color:#111",
    "removed": "fill:#ffd7d5,stroke:#cf222e,stroke-dasharray:5 4,color:#111",
    "changed": "fill:#fff3cd,stroke:#9a6700,stroke-width:3px,color:#111",
}
_ANY_OTHER = "any_other"  # what the error edge that most states share starts from


class Edge(NamedTuple):
    """A way from one state to the next."""

    source: str
    target: str
    label: str = ""
    error: bool = False


def all_states(machine: Asl) -> dict[str, dict[str, Any]]:
    """Return each state by name, inner ones too, without the states inside it."""
    return {name: state for inner in _machines(machine) for name, state in _own(inner)}


def _machines(machine: Asl) -> Iterator[Asl]:
    """Yield the machine and all in it; an absent machine is empty."""
    if machine:
        yield machine
        for state in machine["States"].values():
            for inner in _inside(state):
                yield from _machines(inner)


def _own(machine: Asl) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, state in machine["States"].items():
        inside = [{k: v for k, v in inner.items() if k != "States"} for inner in _inside(state)]
        own = {k: v for k, v in state.items() if k not in {"Branches", "ItemProcessor"}}
        yield name, own | ({"Inside": inside} if inside else {})


def flowchart(machine: Asl) -> str:
    """Return the whole machine; the error edge that most states share is drawn once."""
    lines = ["flowchart TB", *_body(machine, "  ")]
    counts = Counter(edge.target for edge in _edges(machine) if edge.error)
    shared = max(counts, key=lambda target: counts[target], default=None)
    if shared:
        lines.append(f'  {_ANY_OTHER}["an error of any other state"]')
    edges = dict.fromkeys(_all_edges(machine))
    lines += [f"  {_drawn(edge)}" for edge in edges if not (edge.error and edge.target == shared)]
    if shared:
        lines += [
            f"  {_ANY_OTHER} -.-> {_id(shared)}",
            f"  style {_ANY_OTHER} stroke-dasharray:5 4",
        ]
    return "\n".join(lines) + "\n"


def changed_states(before: Asl, after: Asl, marks: Mapping[str, str]) -> str:
    """Return the marked states ("added", "removed", "changed") with a neighbour on each side."""
    edges = dict.fromkeys(_all_edges(after))
    gone = (edge for edge in _all_edges(before) if edge not in edges)
    edges |= dict.fromkeys(edge._replace(label=f"{edge.label} (removed)".strip()) for edge in gone)
    # An error's way to where most errors go would hide the others.
    near = [
        edge for edge in edges if edge.target in marks or (edge.source in marks and not edge.error)
    ]
    shown = dict.fromkeys([*marks, *(name for edge in near for name in edge[:2])])
    lines = ["flowchart LR", *(f"  {_node(name, marks.get(name))}" for name in shown)]
    lines += [f"  {_drawn(edge)}" for edge in near]
    lines += [f"  classDef {mark} {_STYLES[mark]}" for mark in dict.fromkeys(marks.values())]
    return "\n".join(lines) + "\n"


def _body(machine: Asl, indent: str) -> Iterator[str]:
    for name in _run_order(machine):
        inside = _inside(machine["States"][name])
        if not inside:
            yield f"{indent}{_node(name)}"
            continue
        yield f"{indent}subgraph {_id(name)}[{_quoted(name)}]"
        for inner in inside:
            yield from _body(inner, f"{indent}  ")
        yield f"{indent}end"


def _run_order(machine: Asl) -> list[str]:
    """Return the states as a run comes to them: depth first, errors last."""
    order: dict[str, None] = {}
    waiting = [machine["StartAt"]]
    states = machine["States"]
    while waiting:
        name = waiting.pop()
        if name not in order:
            order[name] = None
            targets = [
                edge.target
                for edge in sorted(_leaving(name, states[name]), key=attrgetter("error"))
            ]
            waiting += reversed(targets)
    return [*order, *(name for name in states if name not in order)]


def _all_edges(machine: Asl) -> Iterator[Edge]:
    return (edge for inner in _machines(machine) for edge in _edges(inner))


def _edges(machine: Asl) -> Iterator[Edge]:
    for name in _run_order(machine):
        yield from _leaving(name, machine["States"][name])


def _leaving(name: str, state: Asl) -> Iterator[Edge]:
    for choice in state.get("Choices", []):
        yield Edge(name, choice["Next"], _condition(choice))
    if "Default" in state:
        yield Edge(name, state["Default"], "otherwise")
    if "Next" in state:
        yield Edge(name, state["Next"])
    for catcher in state.get("Catch", []):
        if catcher["Next"] != state.get("Next"):
            yield Edge(name, catcher["Next"], "error", error=True)


def _inside(state: Asl) -> list[Asl]:
    return [*state.get("Branches", []), *filter(None, [state.get("ItemProcessor")])]


def _condition(choice: Asl) -> str:
    text = str(choice.get("Condition", "if"))
    return text.removeprefix("{%").removesuffix("%}").strip().replace("$", "")


def _drawn(edge: Edge) -> str:
    arrow = "-.->" if edge.error else "-->"
    label = f"|{_quoted(edge.label)}|" if edge.label else ""
    return f"{_id(edge.source)} {arrow}{label} {_id(edge.target)}"


def _node(name: str, mark: str | None = None) -> str:
    return f"{_id(name)}[{_quoted(name)}]" + (f":::{mark}" if mark else "")


def _quoted(text: str) -> str:
    # Mermaid has entities of its own for what would end a label or start a tag.
    return '"' + text.replace('"', "#quot;").replace("<", "#lt;").replace(">", "#gt;") + '"'


def _id(name: str) -> str:
    # Prefixed, because words such as "end" and "note" are Mermaid's own.
    return "s_" + "".join(c if c.isascii() and c.isalnum() else "_" for c in name)
