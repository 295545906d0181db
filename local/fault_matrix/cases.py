"""The cases: one fault each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from local.call_faults import KINDS, Call, CallFault, Kind
from stacks.names import Names

AFTER_EFFECT: tuple[Kind, ...] = ("lost_answer", "function_killed", "function_timed_out")
# For these an answer that is lost every time matters too: each try might buy, or start, once more.
SPENDING = (
    "CreateModelCustomizationJob",
    "CreateProvisionedModelThroughput",
    "CreateCustomModelDeployment",
)
GUARDS = {"stop-run": "guard", "meter-stopped-run": "guard", "reap-leftovers": "reaper"}
PROVISIONING_MINUTES = 2.0  # in every case
NAMES = Names("local")
Group = Literal["run", "guard", "reaper", "decision", "stop", "change", "deleted", "two runs"]
# What the execution does, left alone: runs; runs once it is approved; reviews its data and runs;
# keeps its throughput for some minutes; fails in training; runs, with an on-demand deployment of
# its model beside it.
Course = Literal["run", "approved", "reviewed", "held", "untrainable", "deployed"]


@dataclass(frozen=True)
class Case:
    """One thing that goes wrong in one execution, or in one of two."""

    group: Group
    what: str  # as the report names it
    faults: tuple[CallFault, ...] = ()
    course: Course = "run"
    stop_at: str | None = None  # Stop execution as this state is entered
    delete_at: str | None = None  # delete the state machine as this state is entered
    broken_function: str | None = None  # cannot be loaded
    broken_definition_at: str | None = None  # the machine gets another definition meanwhile
    guard_lost: bool = False  # the event of the abnormal end never comes
    executions: int = 1
    expected: tuple[str, ...] = ()  # the cause of a failure has one of these

    @property
    def name(self) -> str:
        return f"{self.group}: {self.what}"


def function_of(call: Call) -> str:
    return (call.function or "").removeprefix(NAMES.of(""))


def call_cases(calls: Iterable[Call]) -> Iterator[Case]:
    """Return each call of each function with each kind of fault."""
    for call in dict.fromkeys(calls):
        for kind in KINDS:
            yield _call_case(call, kind, always=kind not in AFTER_EFFECT)
        if call.operation in SPENDING:
            for kind in AFTER_EFFECT:
                yield _call_case(call, kind, always=True)


def _call_case(call: Call, kind: Kind, *, always: bool) -> Case:
    function = function_of(call)
    group: Group = "run"
    if function in GUARDS:
        group = "guard" if GUARDS[function] == "guard" else "reaper"
    if function in {"approve-spend", "confirm-decision", "decide-spend"}:
        group = "decision"
    # A pass of the reaper that fails is followed by another: its faults last one pass.
    times = None if always and group != "reaper" else (_ONE_PASS.get(kind, 1) if always else 1)
    fault = CallFault(kind, call.operation, function, call.service, times)
    often = "every time" if times is None else "once" if times == 1 else "for one pass"
    return Case(
        group=group,
        what=f"{function} {call.operation}, {kind.replace('_', ' ')} {often}",
        faults=(fault,),
        course=_course_of(call),
        stop_at=_stop_for(call) if group in {"guard", "reaper"} else None,
        guard_lost=group == "reaper",
        expected=_EXPECTED[kind] + _INSTEAD.get(function, ()),
    )


# Other causes a run may end with: a decision that is not delivered counts as none, and so does one
# whose execution failed after that; a job is stopped, and a bill made, only after another failure.
_SILENCE = ("nobody decided",)
_INSTEAD = {
    "decide-spend": (*_SILENCE, "it ended as FAILED"),
    "notify": ("TrainingFailed",),
    "stop-training": ("TrainingFailed",),
}
_OF_DEPLOYMENTS = ("DeleteCustomModelDeployment", "ListCustomModelDeployments")
_OF_JOBS = ("StopModelCustomizationJob", "ListModelCustomizationJobs")


def _course_of(call: Call) -> Course:
    """Return the course that makes the call; the mail of a failure makes a bill, too."""
    function = function_of(call)
    if call.operation in _OF_DEPLOYMENTS and function in GUARDS:
        return "deployed"
    if function == "notify" and call.operation != "Publish":
        return "untrainable"
    return _COURSE_OF.get(function, "run")


def _stop_for(call: Call) -> str:
    """Return where to stop so that the guards have to make this call."""
    return "Wait for training" if call.operation in _OF_JOBS else "Wait for throughput"


_ONE_PASS: dict[Kind, int] = {"throttle": 4, "server_error": 4}  # the tries of the SDK
_EXPECTED: dict[Kind, tuple[str, ...]] = {
    # An answer to HEAD has no body to say it in, only its status.
    "throttle": ("staged throttle", "503"),
    "server_error": ("staged server error", "500"),
    "access_denied": ("staged access denied", "403"),
    "lost_answer": ("Connection", "connection", "broken"),
    "function_killed": ("Worker process died", "exited"),
    "function_timed_out": ("Task timed out after",),
}


_COURSE_OF: dict[str, Course] = {
    "announce-hold": "held",
    "approve-spend": "approved",
    "confirm-decision": "approved",
    "decide-spend": "approved",
    "plan-review": "reviewed",
    "review-records": "reviewed",
    "summarise-review": "reviewed",
    "stop-training": "untrainable",
}


# The course that enters a state which not every run enters.
_COURSE_TO: dict[str, Course] = {
    "Approve spend": "approved",
    "Confirm decision": "approved",
    "Plan review": "reviewed",
    "Review data": "reviewed",
    "Summarise review": "reviewed",
    "Announce hold": "held",
    "Hold throughput": "held",
    "Stop training": "untrainable",
    "Notify failure": "untrainable",
    "Run failed": "untrainable",
}
UNANSWERED = (CallFault("access_denied", "Converse", "answer-with-tuned-model"),)


# What the reaper never gets to see: then the name decides, or the time.
_BLIND = {
    "no tag can be read": "ListTagsForResource",
    "no execution can be listed": "ListExecutions",
}


def stop_cases(states: Iterable[str]) -> Iterator[Case]:
    """Return *Stop execution* in every state, and in some of them with the guard's event lost."""
    for state in states:
        yield Case(
            "stop",
            f"Stop execution at {state}",
            faults=UNANSWERED if state == "Release hosting after failure" else (),
            course=_COURSE_TO.get(state, "run"),
            stop_at=state,
        )
    for state in ("Wait for training", "Buy throughput", "Answer with tuned model"):
        yield Case("stop", f"Stop execution at {state}, event lost", stop_at=state, guard_lost=True)
    for blind, operation in _BLIND.items():
        yield Case(
            "stop",
            f"Stop execution at Wait for throughput, event lost, {blind}",
            faults=(CallFault("access_denied", operation, "reap-leftovers"),),
            stop_at="Wait for throughput",
            guard_lost=True,
        )


def change_cases(functions: Iterable[str]) -> Iterator[Case]:
    """Return what a deployment during a run may do to it."""
    for function in functions:
        yield Case(
            "change",
            f"{function} cannot be loaded",
            broken_function=function,
            course=_COURSE_OF.get(function, "run"),
            # Of two that begin at once, MiniStack kills the one that has not said why yet.
            expected=("no_such_module", "No module", "exited immediately", *_SILENCE),
        )
    for state in ("Wait for training", "Wait for throughput", "Answer with tuned model"):
        yield Case("change", f"another definition at {state}", broken_definition_at=state)
        yield Case("deleted", f"machine deleted at {state}", delete_at=state)
    yield Case("deleted", "machine deleted at Release hosting", delete_at="Release hosting")


def together_cases(calls: Iterable[Call]) -> Iterator[Case]:
    """Return two runs at once: alone, with one stopped, and with a fault of what spends in both."""
    yield Case("two runs", "two runs at once", executions=2)
    yield Case("two runs", "two runs at once, one stopped", executions=2, stop_at="Buy throughput")
    kinds: tuple[Kind, ...] = ("throttle", "lost_answer", "function_killed")
    for kind in kinds:
        for call in (call for call in dict.fromkeys(calls) if call.operation in SPENDING):
            times = None if kind == "throttle" else 1
            yield Case(
                "two runs",
                f"two runs at once, {call.operation} {kind.replace('_', ' ')}",
                faults=(CallFault(kind, call.operation, function_of(call), times=times),),
                executions=2,
                expected=_EXPECTED[kind],
            )
