"""Discovers what can go wrong: every call of every function, every state."""

from __future__ import annotations

from collections.abc import Iterator

from local.call_faults import Call
from local.fault_matrix.cases import (
    UNANSWERED,
    Case,
    call_cases,
    change_cases,
    function_of,
    stop_cases,
    together_cases,
)
from local.fault_matrix.runner import FaultTarget, run_case
from local.ministack import state_machines

# Between them these make every call that the run, the rule and the reaper make.
_COURSES = (
    Case("run", "approved", course="approved"),
    Case("run", "reviewed", course="reviewed"),
    Case("run", "held", course="held"),
    Case("run", "untrainable", course="untrainable"),
    Case("run", "unanswered", faults=UNANSWERED, expected=("staged access denied",)),
    Case("stop", "stopped in training", stop_at="Wait for training"),
    Case("stop", "stopped while it serves", stop_at="Wait for throughput"),
    Case("stop", "job left", stop_at="Wait for training", guard_lost=True),
    Case("stop", "throughput left", stop_at="Wait for throughput", guard_lost=True),
    Case("stop", "deployment left", stop_at="Buy throughput", guard_lost=True, course="deployed"),
)


LEAST_CASES = 150


class NotSound(RuntimeError):
    """A course without a fault already breaks a rule, so the matrix would prove nothing."""


def all_cases(target: FaultTarget) -> list[Case]:
    """Run what works, note the calls it makes and states it enters, and make cases of them."""
    calls: list[Call] = []
    states: list[str] = []
    for course in _COURSES:
        with state_machines.watching(lambda arn, state: _note(target, arn, state, states)):
            result = run_case(course, target)
        if result.breaches:
            raise NotSound(f"{course.name}: {'; '.join(result.breaches)}")
        calls += result.calls
    found = sorted({call for call in calls if call.function}, key=str)
    functions = sorted({function_of(call) for call in found})
    cases = [*_made(found, functions, dict.fromkeys(states))]
    if len(cases) < LEAST_CASES or len({case.name for case in cases}) < len(cases):
        raise NotSound(f"{len(cases)} cases, of at least {LEAST_CASES} different ones")
    return cases


def _made(calls: list[Call], functions: list[str], states: dict[str, None]) -> Iterator[Case]:
    yield from call_cases(calls)
    yield from stop_cases(states)
    yield from change_cases(name for name in functions if name != "reap-leftovers")
    yield from together_cases(calls)


def _note(target: FaultTarget, arn: str, state: str, states: list[str]) -> None:
    if arn.startswith(target.machine_arn.replace(":stateMachine:", ":execution:") + ":"):
        states.append(state)
