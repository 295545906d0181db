"""Reads a rendered state machine as a graph in which every state may also fail."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import jsonata  # type: ignore[import-untyped]  # it has no annotations

END = "(the execution ends)"


@dataclass(frozen=True)
class Node:
    """A state and where it stands: in the machine, in a branch of a Parallel, or in a Map."""

    name: str
    state: Mapping[str, Any]
    parent: str | None
    branch: int


class Graph:
    def __init__(self, definition: Mapping[str, Any]) -> None:
        self.start: str = definition["StartAt"]
        found = [*_nodes(definition, None, 0)]
        self.nodes = {node.name: node for node in found}
        assert len(self.nodes) == len(found), "two states share a name"

    def tasks(self) -> Iterator[Node]:
        return (node for node in self.nodes.values() if node.state["Type"] == "Task")

    def follow(self, name: str) -> set[str]:
        """Return where the execution can go from a state, by success and by failure."""
        return self._on_success(name) | self._on_failure(name)

    def reach(self, start: str, *, past: Callable[[str], bool] = lambda _: False) -> set[str]:
        """Return all that can be reached from `start` without going past states that match."""
        seen: set[str] = set()
        waiting = [start]
        while waiting:
            name = waiting.pop()
            if name in seen:
                continue
            seen.add(name)
            if name == END or past(name):
                continue
            waiting += self._unless_sibling_passes(name, past)
        return seen

    def _unless_sibling_passes(self, name: str, past: Callable[[str], bool]) -> set[str]:
        # A Parallel completes when all its branches do: then each has passed what it must pass.
        # A Map may have no items.
        node = self.nodes[name]
        if (
            not self._ends_branch(node)
            or self._is_in_map(node)
            or not self._a_branch_must_pass(node, past)
        ):
            return self.follow(name)
        return self._on_failure(name)

    def _is_in_map(self, node: Node) -> bool:
        return bool(self.nodes[str(node.parent)].state["Type"] == "Map")

    def _a_branch_must_pass(self, node: Node, past: Callable[[str], bool]) -> bool:
        branches = self.nodes[str(node.parent)].state["Branches"]
        return any(self._must_pass(branch, past) for branch in branches)

    def _must_pass(self, branch: Mapping[str, Any], past: Callable[[str], bool]) -> bool:
        inside = Graph(branch)
        return END not in {
            to
            for name in inside.reach(inside.start, past=past) - {END}
            if not past(name)
            for to in inside._on_success(name)
        }

    def _on_success(self, name: str) -> set[str]:
        node = self.nodes[name]
        state = node.state
        if inside := inner(state):
            return {each["StartAt"] for each in inside}
        if self._ends_branch(node):
            return self._after(self.nodes[str(node.parent)])
        return _next(state) or {END}

    def _after(self, parallel: Node) -> set[str]:
        return _next(parallel.state) or (
            self._after(self.nodes[parallel.parent]) if parallel.parent else {END}
        )

    def _ends_branch(self, node: Node) -> bool:
        return node.parent is not None and not _next(node.state)

    def _on_failure(self, name: str) -> set[str]:
        node = self.nodes[name]
        catchers = node.state.get("Catch", [])
        caught = {catcher["Next"] for catcher in catchers}
        if any(catcher["ErrorEquals"] == ["States.ALL"] for catcher in catchers):
            return caught
        return caught | (self._on_failure(node.parent) if node.parent else {END})


def _nodes(machine: Mapping[str, Any], parent: str | None, branch: int) -> Iterator[Node]:
    for name, state in machine["States"].items():
        yield Node(name, state, parent, branch)
        for number, inside in enumerate(inner(state)):
            yield from _nodes(inside, name, number)


def inner(state: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the machines within a state: a Parallel's branches, a Map's processor."""
    return [*state.get("Branches", []), *filter(None, [state.get("ItemProcessor")])]


def _next(state: Mapping[str, Any]) -> set[str]:
    choices = {choice["Next"] for choice in state.get("Choices", [])}
    return choices | {state[key] for key in ("Next", "Default") if key in state}


def expressions(value: object) -> list[str]:
    """Return every JSONata expression in a state or machine."""
    return re.findall(r"\{%(.*?)%\}", json.dumps(value))


def evaluate(expression: str, **variables: object) -> Any:  # JSON is of any type
    """Return what Step Functions makes of an expression."""
    body = expression.removeprefix("{%").removesuffix("%}")
    parsed = jsonata.Jsonata(body)
    parsed.register_lambda("parse", json.loads)
    return parsed.evaluate(None, variables)


def unassigned(machine: Mapping[str, Any]) -> set[str]:
    """Return "state: $variable" where an expression uses one that some path does not assign.

    Such an expression fails its state, and in a catcher's assignment the whole execution.
    """
    entered = _entered(machine, frozenset())
    return {
        f"{name}: ${variable}"
        for name, variables in entered.items()
        for variable in _used(Graph(machine).nodes[name].state) - variables
    }


def _entered(machine: Mapping[str, Any], given: frozenset[str]) -> dict[str, frozenset[str]]:
    """Return the variables that every path to a state assigns, by state."""
    entered = {machine["StartAt"]: given}
    waiting = [machine["StartAt"]]
    while waiting:
        name = waiting.pop()
        for to, assigned in _ways(machine["States"][name]):
            there = entered[name] | assigned
            both = there & entered.get(to, there)
            if entered.get(to) != both:
                entered[to] = both
                waiting.append(to)
    within = (
        _entered(each, _known_within(state, entered[name]))
        for name, state in machine["States"].items()
        for each in inner(state)
    )
    return entered | {name: there for one in within for name, there in one.items()}


def _known_within(state: Mapping[str, Any], known: frozenset[str]) -> frozenset[str]:
    config = state.get("ItemProcessor", {}).get("ProcessorConfig", {})
    # What a Distributed Map starts are executions of their own.
    return frozenset() if config.get("Mode") == "DISTRIBUTED" else known


def _ways(state: Mapping[str, Any]) -> Iterator[tuple[str, frozenset[str]]]:
    for rule in [*state.get("Choices", []), *state.get("Catch", [])]:
        yield rule["Next"], frozenset(rule.get("Assign", {}))
    for key in ("Next", "Default"):
        if key in state:
            yield state[key], frozenset(state.get("Assign", {}))


def _used(state: Mapping[str, Any]) -> set[str]:
    own = {key: value for key, value in state.items() if key not in {"Branches", "ItemProcessor"}}
    return {
        variable
        for text in expressions(own)
        for variable in re.findall(r"\$(\w+)\b(?!\()", text)
        if variable != "states" and f"${variable} := " not in text
    }


def all_definitions(stacks: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the definitions of an environment's state machines by name."""
    found = (definitions(stack) for stack in stacks.values())
    return {name: definition for machines in found for name, definition in machines.items()}


def definitions(stack: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return a stack's state machines by name, each reference in them as "${LogicalId}"."""
    machines = (
        resource["Properties"]
        for resource in stack["Resources"].values()
        if resource["Type"] == "AWS::StepFunctions::StateMachine"
    )
    return {
        machine["StateMachineName"]: _definition(machine["DefinitionString"])
        for machine in machines
    }


def _definition(rendered: Mapping[str, Any]) -> dict[str, Any]:
    _, parts = rendered["Fn::Join"]
    text = "".join(part if isinstance(part, str) else _reference(part) for part in parts)
    definition: dict[str, Any] = json.loads(text)
    return definition


def _reference(part: Mapping[str, Any]) -> str:
    target = part.get("Ref") or part["Fn::GetAtt"][0]
    return "aws" if target == "AWS::Partition" else f"${{{target}}}"
