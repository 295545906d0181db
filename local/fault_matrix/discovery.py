"""Discovers what can go wrong: every call of every function, every state."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace

from local.call_faults import Call
from local.fault_matrix.cases import (
    BY_THE_HOUR,
    ON_DEMAND,
    UNANSWERED,
    Case,
    Setting,
    call_cases,
    change_cases,
    function_of,
    kept_cases,
    stop_cases,
    together_cases,
)
from local.fault_matrix.runner import FaultTarget, run_case

_UNANSWERED = Case("run", "unanswered", faults=UNANSWERED, expected=("staged access denied",))
# Between them these make every call that the run, the rule and the reaper make.
_COURSES: Mapping[str, tuple[Case, ...]] = {
    "local": (
        Case("run", "approved", course="approved"),
        Case("run", "reviewed", course="reviewed"),
        Case("run", "compared", course="compared"),
        Case("run", "held", course="held"),
        Case("run", "untrainable", course="untrainable"),
        _UNANSWERED,
        Case("stop", "stopped in training", stop_at="Wait for training"),
        Case("stop", "stopped while it serves", stop_at="Wait for throughput"),
        Case("stop", "job left", stop_at="Wait for training", guard_lost=True),
        Case("stop", "throughput left", stop_at="Wait for throughput", guard_lost=True),
    ),
    "dev": (
        Case("run", "kept"),
        Case("run", "not kept", course="unkept"),
        _UNANSWERED,
        Case("stop", "stopped while it serves", stop_at="Wait for deployment"),
        Case("stop", "deployment left", stop_at="Wait for deployment", guard_lost=True),
        Case("two runs", "of both kinds", course="both kinds", executions=2),
    ),
}
# Calls that depend on the run's deployment, where there is one.
_ABOUT_DEPLOYMENTS = ("CustomModelDeployment", "ListTagsForResource")
_BEFORE_IT = "check-preflight"
LEAST_CASES = 150


class NotSound(RuntimeError):
    """A course without a fault already breaks a rule, so the matrix would prove nothing."""


@dataclass(frozen=True)
class Found:
    """What the functions of an environment call, and the states that are entered, in order.

    `deployed`: those that are entered while there is a deployment.
    """

    calls: tuple[Call, ...]
    states: tuple[str, ...]
    deployed: frozenset[str] = frozenset()


def discover(target: FaultTarget, setting: Setting) -> Found:
    """Run what works, and note the calls it makes and the states it enters."""
    calls: list[Call] = []
    states: dict[str, bool] = {}
    for course in _COURSES[setting.environment]:
        alone = course.executions == 1
        with _noting(target, states) if alone else nullcontext():
            result = run_case(replace(course, setting=setting), target)
        if result.breaches:
            raise NotSound(f"{result.case.name}: {'; '.join(result.breaches)}")
        calls += result.calls
    prefix = target.names.of("")
    found = {
        replace(call, function=call.function.removeprefix(prefix))
        for call in calls
        if call.function
    }
    deployed = frozenset(state for state, is_deployed in states.items() if is_deployed)
    return Found(tuple(sorted(found, key=str)), tuple(states), deployed)


def _noting(target: FaultTarget, states: dict[str, bool]) -> AbstractContextManager[None]:
    def note(arn: str, state: str) -> None:
        if arn.startswith(target.executions):
            is_deployed = bool(target.offline.bedrock.snapshot()["deployments"])
            states[state] = is_deployed or states.get(state, False)

    return target.offline.executions.watching(note)


def all_cases(found: Mapping[str, Found]) -> list[Case]:
    """Return the cases by the hour, and of those on demand what only such a run has."""
    by_the_hour, on_demand = (found[each.environment] for each in (BY_THE_HOUR, ON_DEMAND))
    own = _only_there(on_demand, by_the_hour)
    cases = [
        *_cases(by_the_hour, BY_THE_HOUR, _functions(by_the_hour.calls)),
        *together_cases(by_the_hour.calls, BY_THE_HOUR),
        *_cases(own, ON_DEMAND, _functions(own.calls) | _while_deployed(on_demand)),
        *_together_on_demand(on_demand.calls),
        *kept_cases(ON_DEMAND),
    ]
    if len(cases) < LEAST_CASES or len({case.name for case in cases}) < len(cases):
        raise NotSound(f"{len(cases)} cases, of at least {LEAST_CASES} different ones")
    return cases


def _only_there(there: Found, here: Found) -> Found:
    """Return what `here` has not, and what depends on a deployment."""

    def depends(call: Call) -> bool:
        about = any(each in call.operation for each in _ABOUT_DEPLOYMENTS)
        return about and call.function != _BEFORE_IT

    calls = (call for call in there.calls if call not in here.calls or depends(call))
    states = (
        state for state in there.states if state in there.deployed or state not in here.states
    )
    return Found(tuple(calls), tuple(states))


def _functions(calls: tuple[Call, ...]) -> set[str]:
    return {str(call.function) for call in calls}


def _while_deployed(found: Found) -> set[str]:
    """Return the functions whose failure must end a deployment, also one that was to be kept."""
    return _functions(found.calls) & set(map(function_of, found.deployed))


def _cases(found: Found, setting: Setting, functions: set[str]) -> Iterator[Case]:
    yield Case("alone", "nothing goes wrong", setting=setting)
    yield from call_cases(found.calls, setting)
    yield from stop_cases(found.states, setting)
    yield from change_cases(sorted(functions - {"reap-leftovers"}), found.states, setting)


def _together_on_demand(calls: tuple[Call, ...]) -> Iterator[Case]:
    creates = [call for call in calls if call.operation == "CreateCustomModelDeployment"]
    buys = [call for call in calls if call.operation == "CreateProvisionedModelThroughput"]
    yield from together_cases(creates, ON_DEMAND)
    yield from together_cases([*creates, *buys], ON_DEMAND, "both kinds")
