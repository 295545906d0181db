"""Checks a definition as Step Functions does when it is created, and refuses what is not played.

The fields of each state: https://states-language.net/spec.html, read 2026-11-29.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from local.states.expressions import Expressions
from local.states.maps import PARSERS
from local.states.tasks import INVOKE, WITH_TOKEN

Json = Any
_STEP = "Type Comment QueryLanguage Next End Output Assign"
_PARTS = ("ItemReader", "ReaderConfig", "ItemBatcher", "ResultWriter", "Choices", "Retry", "Catch")
_FIELDS = {
    "Pass": _STEP,
    "Succeed": "Type Comment QueryLanguage Output",
    "Fail": "Type Comment QueryLanguage Error Cause",
    "Wait": f"{_STEP} Seconds Timestamp",
    "Choice": "Type Comment QueryLanguage Choices Default Output Assign",
    "Task": f"{_STEP} Retry Catch Resource Arguments TimeoutSeconds HeartbeatSeconds",
    "Parallel": f"{_STEP} Retry Catch Branches Arguments",
    "Map": f"{_STEP} Retry Catch ItemProcessor Items ItemSelector ItemReader ItemBatcher "
    "ResultWriter MaxConcurrency Label ToleratedFailurePercentage ToleratedFailureCount",
    "ItemReader": "Resource Arguments ReaderConfig",
    "ReaderConfig": "InputType MaxItems",
    "ItemBatcher": "MaxItemsPerBatch MaxInputBytesPerBatch BatchInput",
    "ResultWriter": "Resource Arguments",
    "Choices": "Comment Condition Next Output Assign",
    "Retry": "Comment ErrorEquals IntervalSeconds MaxAttempts BackoffRate MaxDelaySeconds "
    "JitterStrategy",
    "Catch": "Comment ErrorEquals Next Output Assign",
}
_NEEDED: dict[str, dict[str, tuple[str, ...]]] = {  # with the values that are played, if not all
    "Task": {"Resource": (INVOKE, INVOKE + WITH_TOKEN)},
    "Choice": {"Choices": ()},
    "Parallel": {"Branches": ()},
    "Map": {"ItemProcessor": ()},
    "ItemReader": {
        "Resource": ("arn:aws:states:::s3:getObject",),
        "ReaderConfig": (),
        "Arguments": (),
    },
    "ReaderConfig": {"InputType": tuple(PARSERS)},
    "Choices": {"Condition": ()},
    "Retry": {"ErrorEquals": ()},
    "Catch": {"ErrorEquals": ()},
    "ResultWriter": {"Resource": ("arn:aws:states:::s3:putObject",), "Arguments": ()},
}


def problems(definition: str, expressions: Expressions) -> list[str]:
    """Return why a definition is refused, each with where it is; nothing if it is not."""
    try:
        machine = json.loads(definition)
    except ValueError as error:
        return [f"INVALID_JSON_DESCRIPTION: {error}"]
    check = _Check(machine.get("QueryLanguage", "JSONPath"), expressions)
    check.machine(machine, "", frozenset())
    if not check.found:
        check.expressions_in(machine, "")
    return check.found


class _Check:
    """Gathers what is wrong with a definition."""

    def __init__(self, language: str, expressions: Expressions) -> None:
        self._language, self._expressions = language, expressions
        self.found: list[str] = []

    def machine(self, machine: Json, at: str, outer: frozenset[str]) -> None:
        states, start = machine.get("States"), machine.get("StartAt")
        if not isinstance(states, Mapping) or not states:
            self._say("States is missing or empty", at or "/")
            return
        targets = {name: _targets(state) for name, state in states.items()}
        for name, target in [
            ("StartAt", start),
            *((f"States/{a}", b) for a in targets for b in targets[a]),
        ]:
            if target not in states:
                self._say(f"Missing target: {target}", f"{at}/{name}", "MISSING_TRANSITION_TARGET")
        own = frozenset(name for state in states.values() for name in _assigned(state))
        for name, state in states.items():
            where = f"{at}/States/{name}"
            if name not in _reached(targets, start):
                self._say(f"State is not reachable: {name}", where, "UNREACHABLE_STATE")
            self._state(state, where, outer)
            for field, inner in _machines_in(state):
                mode = inner.get("ProcessorConfig", {}).get("Mode")
                # Child executions have no variables of the Map's.
                known = frozenset[str]() if mode == "DISTRIBUTED" else outer | own
                self.machine(inner, f"{where}/{field}", known)

    def _state(self, state: Json, at: str, outer: frozenset[str]) -> None:
        kind = state.get("Type")
        if kind not in _FIELDS:
            self._say(f"Value is not a valid state type: {kind}", f"{at}/Type")
            return
        if state.get("QueryLanguage", self._language) != "JSONata":
            self._say("JSONPath is not played offline", f"{at}/QueryLanguage")
        self._fields(kind, state, at)
        for one, other in (("Next", "End"), ("Seconds", "Timestamp")):
            possible = one in _FIELDS[kind].split()
            if possible and (one in state) == bool(state.get(other)):
                self._say(f"Exactly one of {one} and {other} is needed", at)
        rules = [(field, rule) for field in ("Retry", "Catch") for rule in state.get(field, [])]
        for field, rule in rules:
            names, last = rule.get("ErrorEquals", []), rule is state[field][-1]
            if "States.ALL" in names and not (last and len(names) == 1):
                self._say("States.ALL is not alone and last", f"{at}/{field}")
        for name in sorted(_assigned(state) & outer):
            what = f"'{name}' is assigned in an outer scope"
            self._say(what, f"{at}/Assign", "INVALID_VARIABLE")

    def _fields(self, kind: str, given: Json, at: str) -> None:
        for field in sorted(given.keys() - _FIELDS[kind].split()):
            self._say(f"Field '{field}' is not supported", f"{at}/{field}")
        for field, played in _NEEDED.get(kind, {}).items():
            if not given.get(field):
                self._say(f"Field '{field}' is required", at)
            elif played and given[field] not in played:
                self._say(f"{given[field]} is not played offline", f"{at}/{field}")
        for part in given.keys() & _PARTS:
            for each in given[part] if isinstance(given[part], list) else [given[part]]:
                self._fields(part, each, f"{at}/{part}")

    def expressions_in(self, value: Json, at: str) -> None:
        """Find what is wrong with the JSONata in a part of a definition."""
        if isinstance(value, str) and value.startswith("{%") and value.endswith("%}"):
            if problem := self._expressions.problem(value[2:-2].strip()):
                self._say(problem, at, "INVALID_JSONATA_EXPRESSION")
        elif isinstance(value, Mapping | list):
            pairs = value.items() if isinstance(value, Mapping) else enumerate(value)
            for key, each in pairs:
                self.expressions_in(each, f"{at}/{key}")

    def _say(self, what: str, at: str, code: str = "SCHEMA_VALIDATION_FAILED") -> None:
        self.found.append(f"{code}: {what} at {at}")


def _rules(state: Json) -> list[Json]:
    return [*state.get("Choices", []), *state.get("Catch", [])]


def _assigned(state: Json) -> frozenset[str]:
    return frozenset(name for each in [state, *_rules(state)] for name in each.get("Assign", {}))


def _targets(state: Json) -> list[str]:
    found = [each.get("Next") for each in _rules(state)]
    return found + [state[field] for field in ("Next", "Default") if field in state]


def _reached(targets: Mapping[str, list[str]], start: str) -> set[str]:
    seen, waiting = set[str](), [start]
    while waiting:
        name = waiting.pop()
        if name in targets and name not in seen:
            seen.add(name)
            waiting += targets[name]
    return seen


def _machines_in(state: Json) -> list[tuple[str, Json]]:
    branches = [(f"Branches[{i}]", each) for i, each in enumerate(state.get("Branches", []))]
    return branches + [(name, state[name]) for name in ("ItemProcessor",) if name in state]
