"""A state machine's picture, drawn from its rendered definition: nothing is drawn by hand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Asl = Mapping[str, Any]


def state_diagram(definition: Asl) -> str:
    """Return a Mermaid stateDiagram; what happens on an error is labelled so."""
    return "\n".join(["stateDiagram-v2", *_machine(definition, "  ")]) + "\n"


def _machine(machine: Asl, indent: str) -> Iterator[str]:
    states: Mapping[str, Asl] = machine["States"]
    for name, state in states.items():
        yield from _node(name, state, indent)
    yield f"{indent}[*] --> {_id(machine['StartAt'])}"
    for name, state in states.items():
        yield from (f"{indent}{_id(name)} --> {edge}" for edge in _edges(state))


def _node(name: str, state: Asl, indent: str) -> Iterator[str]:
    inside = [*state.get("Branches", []), *filter(None, [state.get("ItemProcessor")])]
    if not inside:
        yield f'{indent}state "{name}" as {_id(name)}'
        return
    yield f'{indent}state "{name}" as {_id(name)} {{'
    for number, branch in enumerate(inside):
        if number:
            yield f"{indent}  --"
        yield from _machine(branch, f"{indent}  ")
    yield f"{indent}}}"


def _edges(state: Asl) -> Iterator[str]:
    if "Next" in state:
        yield _id(state["Next"])
    for choice in state.get("Choices", []):
        yield f"{_id(choice['Next'])}: {_condition(choice)}"
    if "Default" in state:
        yield f"{_id(state['Default'])}: otherwise"
    for catcher in state.get("Catch", []):
        if catcher["Next"] != state.get("Next"):
            yield f"{_id(catcher['Next'])}: error"
    if state.get("End") or state["Type"] in {"Succeed", "Fail"}:
        yield "[*]"


def _condition(choice: Asl) -> str:
    text: str = choice["Condition"]
    return text.removeprefix("{%").removesuffix("%}").strip().replace("$", "")


def _id(name: str) -> str:
    return "".join(word for word in name.replace("?", "").title().split())
