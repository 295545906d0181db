"""Checks a definition as Step Functions does when it is created, and refuses what is not played.

The fields of each state: https://states-language.net/spec.html, read 2026-11-29.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from local.states.expressions import Expressions, Json
from local.states.language import DOES, INVOKE, WITH_TOKEN

_STEP = "Type Comment QueryLanguage Next End Output Assign"
_FIELDS = {  # those with "!" are needed
    "Pass": _STEP,
    "Succeed": "Type Comment QueryLanguage Output",
    "Fail": "Type Comment QueryLanguage Error Cause",
    "Wait": f"{_STEP} Seconds Timestamp",
    "Choice": "Type Comment QueryLanguage Choices! Default Output Assign",
    "Task": f"{_STEP} Retry Catch Resource! Arguments! TimeoutSeconds HeartbeatSeconds",
    "Parallel": f"{_STEP} Retry Catch Branches!",
    "Map": f"{_STEP} Retry Catch ItemProcessor! ItemReader! ItemBatcher ResultWriter! "
    "MaxConcurrency Label ToleratedFailurePercentage",
    "Branches": "Comment StartAt States",
    "ItemProcessor": "Comment StartAt States ProcessorConfig!",
    "ProcessorConfig": "Mode! ExecutionType",
    "ItemReader": "Resource! Arguments! ReaderConfig!",
    "ReaderConfig": "InputType!",
    "ItemBatcher": "MaxItemsPerBatch! MaxInputBytesPerBatch BatchInput",
    "ResultWriter": "Resource! Arguments!",
    "Choices": "Comment Condition! Next Output Assign",
    "Retry": "Comment ErrorEquals! IntervalSeconds MaxAttempts BackoffRate MaxDelaySeconds "
    "JitterStrategy",
    "Catch": "Comment ErrorEquals! Next Output Assign",
}
_SCHEMA = "SCHEMA_VALIDATION_FAILED"
_PLAYED = {  # of fields that may have other values on AWS
    "Task/Resource": (INVOKE, INVOKE + WITH_TOKEN),
    "Map/ToleratedFailurePercentage": (0, 100),
    "ProcessorConfig/Mode": ("DISTRIBUTED",),
    "ProcessorConfig/ExecutionType": ("STANDARD",),
    "ItemReader/Resource": ("arn:aws:states:::s3:getObject",),
    "ReaderConfig/InputType": ("JSONL",),
    "ResultWriter/Resource": ("arn:aws:states:::s3:putObject",),
}


def problems(definition: str, expressions: Expressions) -> list[str]:
    """Return why a definition is refused, each with where it is; nothing if it is not."""
    try:
        machine = json.loads(definition)
    except ValueError as error:
        return [f"INVALID_JSON_DESCRIPTION: {error}"]
    language = machine.get("QueryLanguage", "JSONPath")
    found = [*_in_machine(machine, "", language, frozenset())]
    return found or [*_in_expressions(machine, "", expressions)]


def _in_machine(machine: Json, at: str, language: str, outer: frozenset[str]) -> Iterator[str]:
    """Yield what is wrong with a machine, branch or processor; `outer` is assigned around it."""
    states = machine.get("States")
    if not isinstance(states, Mapping) or not states:
        yield f"{_SCHEMA}: States is missing or empty at {at or '/'}"
        return
    yield from _in_transitions(machine, at)
    for name, state in states.items():
        where = f"{at}/States/{name}"
        yield from _in_state(state, where, language, outer)
        around = outer.union(*(_assigned(other) for other in states.values() if other is not state))
        for index, branch in enumerate(state.get("Branches", [])):
            yield from _in_machine(branch, f"{where}/Branches[{index}]", language, around)
        if "ItemProcessor" in state:  # whose executions have no variables of the Map's
            processor = state["ItemProcessor"]
            yield from _in_machine(processor, f"{where}/ItemProcessor", language, frozenset())


def _in_transitions(machine: Json, at: str) -> Iterator[str]:
    start, states = machine.get("StartAt"), machine["States"]
    targets = [(f"States/{name}", to) for name in states for to in _targets(states[name])]
    for place, to in [("StartAt", start), *targets]:
        if to not in states:
            yield f"MISSING_TRANSITION_TARGET: Missing target: {to} at {at}/{place}"
    reached = {start}
    while more := {to for name in reached & {*states} for to in _targets(states[name])} - reached:
        reached |= more
    for name in sorted({*states} - reached):
        yield f"UNREACHABLE_STATE: State is not reachable: {name} at {at}/States/{name}"


def _in_state(state: Json, at: str, language: str, outer: frozenset[str]) -> Iterator[str]:
    kind = state.get("Type")
    if kind not in DOES:
        yield f"{_SCHEMA}: Value is not a valid state type: {kind} at {at}/Type"
        return
    if state.get("QueryLanguage", language) != "JSONata":
        yield f"{_SCHEMA}: JSONPath is not played offline at {at}/QueryLanguage"
    yield from _in_fields(kind, state, at)
    for one, other in (("Next", "End"), ("Seconds", "Timestamp")):
        possible = one in _FIELDS[kind].split()
        if possible and (one in state) == bool(state.get(other)):
            yield f"{_SCHEMA}: Exactly one of {one} and {other} is needed at {at}"
    for field in ("Retry", "Catch"):
        listed = [rule.get("ErrorEquals", []) for rule in state.get(field, [])]
        before_last = listed[:-1] if ["States.ALL"] in listed[-1:] else listed
        if any("States.ALL" in names for names in before_last):
            yield f"{_SCHEMA}: States.ALL is not alone and last at {at}/{field}"
    for name in sorted(_assigned(state) & outer):
        yield f"INVALID_VARIABLE: '{name}' is assigned in an outer scope at {at}/Assign"


def _in_fields(kind: str, given: Json, at: str) -> Iterator[str]:
    fields = _FIELDS[kind].split()
    for field in sorted(given.keys() - {field.rstrip("!") for field in fields}):
        yield f"{_SCHEMA}: Field '{field}' is not supported at {at}/{field}"
    for field in fields:
        if field.endswith("!") and not given.get(field[:-1]):
            yield f"{_SCHEMA}: Field '{field[:-1]}' is required at {at}"
    for field, value in given.items():
        if value not in _PLAYED.get(f"{kind}/{field}", [value]):
            yield f"{_SCHEMA}: {value} is not played offline at {at}/{field}"
        if field in _FIELDS:
            for each in value if isinstance(value, list) else [value]:
                yield from _in_fields(field, each, f"{at}/{field}")


def _in_expressions(value: Json, at: str, expressions: Expressions) -> Iterator[str]:
    """Yield what is wrong with the JSONata in a part of a definition."""
    if isinstance(value, str) and value.startswith("{%") and value.endswith("%}"):
        if problem := expressions.problem(value[2:-2].strip()):
            yield f"INVALID_JSONATA_EXPRESSION: {problem} at {at}"
    elif isinstance(value, Mapping | list):
        for key, each in value.items() if isinstance(value, Mapping) else enumerate(value):
            yield from _in_expressions(each, f"{at}/{key}", expressions)


def _rules(state: Json) -> list[Json]:
    return [*state.get("Choices", []), *state.get("Catch", [])]


def _assigned(state: Json) -> frozenset[str]:
    return frozenset(name for each in [state, *_rules(state)] for name in each.get("Assign", {}))


def _targets(state: Json) -> list[str]:
    found = [each.get("Next") for each in _rules(state)]
    return found + [state[field] for field in ("Next", "Default") if field in state]
