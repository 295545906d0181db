"""Checks a definition as Step Functions does when it is created, and refuses what is not played.

The fields of each state: https://states-language.net/spec.html, read 2026-11-29.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from local.states.expressions import Expressions
from local.states.maps import INPUT_TYPES
from local.states.tasks import INVOKE, WITH_TOKEN

Json = Any
_COMMON = {"Type", "Comment", "QueryLanguage"}
_STEP = _COMMON | {"Next", "End", "Output", "Assign"}
_CATCHING = _STEP | {"Retry", "Catch"}
_TOLERATED = {"ToleratedFailurePercentage", "ToleratedFailureCount"}
_FIELDS = {
    "Pass": _STEP,
    "Succeed": _COMMON | {"Output"},
    "Fail": _COMMON | {"Error", "Cause"},
    "Wait": _STEP | {"Seconds", "Timestamp"},
    "Choice": _COMMON | {"Choices", "Default", "Output", "Assign"},
    "Task": _CATCHING | {"Resource", "Arguments", "TimeoutSeconds", "HeartbeatSeconds"},
    "Parallel": _CATCHING | {"Branches", "Arguments"},
    "Map": _CATCHING
    | _TOLERATED
    | {"ItemProcessor", "Items", "ItemSelector", "ItemReader", "ItemBatcher", "ResultWriter"}
    | {"MaxConcurrency", "Label"},
}
_NEEDED = {
    "Task": ("Resource",),
    "Choice": ("Choices",),
    "Parallel": ("Branches",),
    "Map": ("ItemProcessor",),
}
_OF_JSONPATH = {"Parameters", "Result", "ResultSelector", "Iterator"}  # beside those named ...Path
_LAST = ("Succeed", "Fail", "Choice")
_RESOURCES = {
    "ItemReader": "arn:aws:states:::s3:getObject",
    "ResultWriter": "arn:aws:states:::s3:putObject",
}


def problems(definition: str, expressions: Expressions) -> list[str]:
    """Return why a definition is refused, each with where it is; nothing if it is not."""
    try:
        machine = json.loads(definition)
    except ValueError as error:
        return [f"INVALID_JSON_DESCRIPTION: {error}"]
    language = machine.get("QueryLanguage", "JSONPath")
    found = [*_machine(machine, "", language, frozenset())]
    return found or [*_expressions(machine, "", expressions)]


def _machine(machine: Json, at: str, language: str, outer: frozenset[str]) -> Iterator[str]:
    states = machine.get("States")
    if not isinstance(states, Mapping) or not states:
        yield f"SCHEMA_VALIDATION_FAILED: States is missing or empty at {at or '/'}"
        return
    start = machine.get("StartAt")
    if start not in states:
        yield f"MISSING_TRANSITION_TARGET: Missing 'StartAt' target: {start} at {at}/StartAt"
    for name, state in states.items():
        yield from _state(state, f"{at}/States/{name}", language, outer)
        for target in _targets(state):
            if target not in states:
                yield f"MISSING_TRANSITION_TARGET: Missing target: {target} at {at}/States/{name}"
    reached = _reached(states, start)
    for name in states:
        if name not in reached:
            yield f"UNREACHABLE_STATE: State is not reachable: {name} at {at}/States/{name}"
    yield from _inner(states, at, language, outer)


def _inner(states: Json, at: str, language: str, outer: frozenset[str]) -> Iterator[str]:
    own = frozenset(variable for state in states.values() for variable in _assigned(state))
    for name, state in states.items():
        for field, inner in _machines_in(state):
            config = inner.get("ProcessorConfig", {})
            # Child executions have no variables of the Map's.
            known = frozenset[str]() if config.get("Mode") == "DISTRIBUTED" else outer | own
            yield from _machine(inner, f"{at}/States/{name}/{field}", language, known)


def _state(state: Json, at: str, language: str, outer: frozenset[str]) -> Iterator[str]:
    kind = state.get("Type")
    if kind not in _FIELDS:
        yield f"SCHEMA_VALIDATION_FAILED: Value is not a valid state type: {kind} at {at}/Type"
        return
    if state.get("QueryLanguage", language) != "JSONata":
        yield f"SCHEMA_VALIDATION_FAILED: JSONPath is not played offline at {at}/QueryLanguage"
        return
    for field in sorted(state.keys() - _FIELDS[kind]):
        why = "is of JSONPath" if _is_of_jsonpath(field) else "is not supported"
        yield f"SCHEMA_VALIDATION_FAILED: Field '{field}' {why} at {at}/{field}"
    for field in _NEEDED.get(kind, ()):
        if not state.get(field):
            yield f"SCHEMA_VALIDATION_FAILED: Field '{field}' is required at {at}"
    yield from _way_out(state, at)
    yield from _services(state, at)
    for variable in sorted(_assigned(state) & outer):
        yield f"INVALID_VARIABLE: '{variable}' is assigned in an outer scope at {at}/Assign"


def _way_out(state: Json, at: str) -> Iterator[str]:
    ways = ("Next" in state) + bool(state.get("End"))
    if state["Type"] not in _LAST and ways != 1:
        yield f"SCHEMA_VALIDATION_FAILED: Exactly one of Next and End is needed at {at}"
    if state["Type"] == "Wait" and ("Seconds" in state) == ("Timestamp" in state):
        yield f"SCHEMA_VALIDATION_FAILED: Exactly one of Seconds and Timestamp is needed at {at}"
    for field in ("Retry", "Catch"):
        for index, rule in enumerate(state.get(field, [])):
            names = rule.get("ErrorEquals", [])
            last = index == len(state[field]) - 1
            if not names or ("States.ALL" in names and not (last and len(names) == 1)):
                yield (
                    "SCHEMA_VALIDATION_FAILED: ErrorEquals is missing, or States.ALL is not alone "
                    f"and last at {at}/{field}[{index}]"
                )


def _services(state: Json, at: str) -> Iterator[str]:
    resource = state.get("Resource", INVOKE)
    if state["Type"] == "Task" and resource not in {INVOKE, INVOKE + WITH_TOKEN}:
        yield f"SCHEMA_VALIDATION_FAILED: {resource} is not played offline at {at}/Resource"
    for field, played in _RESOURCES.items():
        given = state.get(field, {})
        if given.get("Resource", played) != played:
            where = f"{at}/{field}/Resource"
            yield f"SCHEMA_VALIDATION_FAILED: {given['Resource']} is not played offline at {where}"
        for of_jsonpath in filter(_is_of_jsonpath, given):
            where = f"{at}/{field}/{of_jsonpath}"
            yield f"SCHEMA_VALIDATION_FAILED: Field '{of_jsonpath}' is of JSONPath at {where}"
    if reader := state.get("ItemReader"):
        kind = reader.get("ReaderConfig", {}).get("InputType")
        if kind not in INPUT_TYPES:
            where = f"{at}/ItemReader/ReaderConfig/InputType"
            yield f"SCHEMA_VALIDATION_FAILED: InputType {kind} is not played offline at {where}"


def _is_of_jsonpath(field: str) -> bool:
    return field in _OF_JSONPATH or field.endswith("Path")


def _rules(state: Json) -> list[Json]:
    return [*state.get("Choices", []), *state.get("Catch", [])]


def _assigned(state: Json) -> frozenset[str]:
    return frozenset(name for each in [state, *_rules(state)] for name in each.get("Assign", {}))


def _targets(state: Json) -> list[str]:
    found = [each.get("Next") for each in _rules(state)]
    return found + [state[field] for field in ("Next", "Default") if field in state]


def _reached(states: Json, start: str) -> set[str]:
    seen, waiting = set[str](), [start]
    while waiting:
        name = waiting.pop()
        if name in states and name not in seen:
            seen.add(name)
            waiting += _targets(states[name])
    return seen


def _machines_in(state: Json) -> list[tuple[str, Json]]:
    branches = [(f"Branches[{i}]", each) for i, each in enumerate(state.get("Branches", []))]
    processor = state.get("ItemProcessor")
    return branches + ([("ItemProcessor", processor)] if processor else [])


def _expressions(value: Json, at: str, expressions: Expressions) -> Iterator[str]:
    """Yield what is wrong with the JSONata in a part of a definition."""
    if isinstance(value, Mapping):
        for key, each in value.items():
            yield from _expressions(each, f"{at}/{key}", expressions)
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from _expressions(each, f"{at}[{index}]", expressions)
    elif isinstance(value, str) and value.startswith("{%") and value.endswith("%}"):
        problem = expressions.problem(value[2:-2].strip())
        if problem:
            yield f"INVALID_JSONATA_EXPRESSION: {problem} at {at}"
