"""The cases: one fault each."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from local.call_faults import KINDS, Call, CallFault, Kind

AFTER_EFFECT: tuple[Kind, ...] = ("lost_answer", "function_killed", "function_timed_out")
# For these an answer that is lost every time matters too: each try might buy, or start, once more.
SPENDING = (
    "CreateModelCustomizationJob",
    "CreateProvisionedModelThroughput",
    "CreateCustomModelDeployment",
)
PROVISIONING_MINUTES = 2.0  # in every case
TRAINING_MINUTES = 40.0  # same: two passes of the reaper find the job of a stopped run
Group = Literal[
    "alone", "run", "guard", "reaper", "decision", "stop", "change", "deleted", "two runs", "kept"
]
GUARDS: Mapping[str, Group] = {
    "stop-run": "guard",
    "meter-stopped-run": "guard",
    "reap-leftovers": "reaper",
}
# What the execution does, left alone: runs; runs once it is approved; reviews its data and runs;
# asks other models, too; keeps its throughput for some minutes; fails in training. Of an execution
# on demand: keeps no deployment; keeps it for as short as can be; runs with the next one served by
# throughput.
Course = Literal[
    "run",
    "approved",
    "reviewed",
    "compared",
    "held",
    "untrainable",
    "unkept",
    "kept briefly",
    "both kinds",
]


@dataclass(frozen=True)
class Setting:
    """An environment that is played, and what differs by its kind of hosting."""

    environment: str
    title: str
    create: str  # a state, as the others
    wait: str
    # What the reaper never gets to see: then the name decides, or time.
    blind: Mapping[str, str] = field(hash=False)


BY_THE_HOUR = Setting(
    "local",
    "by the hour",
    create="Buy throughput",
    wait="Wait for throughput",
    blind={
        "no tag can be read": "ListTagsForResource",
        "no execution can be listed": "ListExecutions",
    },
)
ON_DEMAND = Setting(
    "dev",
    "on demand",
    create="Create deployment",
    wait="Wait for deployment",
    # Without its tags a deployment, which bills nothing, waits for them: played for one pass.
    blind={
        "no execution can be listed": "ListExecutions",
        "no execution can be described": "DescribeExecution",
    },
)
SETTINGS: Mapping[str, Setting] = {each.environment: each for each in (BY_THE_HOUR, ON_DEMAND)}
_TIME_DECIDES = ("ListExecutions", "DescribeExecution")


@dataclass(frozen=True)
class Case:
    """One thing that goes wrong in one execution, or in one of two."""

    group: Group
    what: str  # as the report names it
    setting: Setting = field(kw_only=True, default=BY_THE_HOUR)
    faults: tuple[CallFault, ...] = ()
    course: Course = "run"
    stop_at: str | None = None  # Stop execution as this state is entered
    delete_at: str | None = None  # delete the state machine as this state is entered
    broken_function: str | None = None  # cannot be loaded
    broken_definition_at: str | None = None  # the machine gets another definition meanwhile
    guard_lost: bool = False  # the event of the abnormal end never comes
    time_decides: bool = False  # what is left is ended at its release-by only
    executions: int = 1
    expected: tuple[str, ...] = ()  # the cause of a failure has one of these

    @property
    def name(self) -> str:
        return f"{self.setting.environment} {self.group}: {self.what}"

    @property
    def starts_apart(self) -> bool:
        """Whether its start differs: of two runs, or with a function of before that is broken."""
        return self.executions > 1 or self.broken_function is not None

    def differs_at(self, state: str) -> bool:
        """Whether its run may differ from one without a fault once it has entered a state.

        Who decides does so in each case by itself; a guard's fault begins at a stop, or the end.
        """
        acts = {self.stop_at, self.delete_at, self.broken_definition_at, "Approve spend"}
        entered = _WITHIN.get(state, function_of(state))
        return state in acts or any(entered.startswith(each.function or "") for each in self.faults)

    @property
    def throughputs(self) -> int:
        """How many may be bought: on demand never one in its place."""
        if self.course == "both kinds":
            return 1
        return self.executions if self.setting == BY_THE_HOUR else 0

    @property
    def deployments(self) -> int:
        """How many may be created."""
        return self.executions - self.throughputs


def call_cases(calls: Iterable[Call], setting: Setting) -> Iterator[Case]:
    """Return each call of each function with each kind of fault."""
    for call in dict.fromkeys(calls):
        for kind in KINDS:
            yield _call_case(call, kind, setting, always=kind not in AFTER_EFFECT)
        if call.operation in SPENDING:
            for kind in AFTER_EFFECT:
                yield _call_case(call, kind, setting, always=True)


def _call_case(call: Call, kind: Kind, setting: Setting, *, always: bool) -> Case:
    function = str(call.function)
    group: Group = GUARDS.get(function, "run")
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
        setting=setting,
        course=_course_of(call),
        stop_at=_stop_for(call, setting) if function in GUARDS else None,
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
_OF_JOBS = ("StopModelCustomizationJob", "ListModelCustomizationJobs")


def _course_of(call: Call) -> Course:
    """Return the course that makes the call; the mail of a failure makes a bill, too."""
    if call.function == "notify" and call.operation != "Publish":
        return "untrainable"
    return _course_to(str(call.function))


def _stop_for(call: Call, setting: Setting) -> str:
    """Return where to stop so that the guards have to make this call."""
    return "Wait for training" if call.operation in _OF_JOBS else setting.wait


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


# The course that makes the calls of a function, or enters a state, that not every run comes to.
_COURSES: dict[str, Course] = {
    "announce-hold": "held",
    "hold-throughput": "held",
    "answer-with-other-models": "compared",
    "other-models-answered?": "compared",
    "approve-spend": "approved",
    "confirm-decision": "approved",
    "decide-spend": "approved",
    "plan-review": "reviewed",
    "review-data": "reviewed",
    "review-records": "reviewed",
    "summarise-review": "reviewed",
    "release-hosting": "unkept",
    "stop-training": "untrainable",
    "notify-failure": "untrainable",
    "run-failed": "untrainable",
}


_WITHIN = {"Review data": "review-records"}  # the function of a state that it contains


def function_of(state: str) -> str:
    """Return what the function of a state is called, if it has one."""
    return state.lower().replace(" ", "-")


def _course_to(name: str) -> Course:
    """Return the course that comes to a state or a function."""
    return _COURSES.get(function_of(name), "run")


UNANSWERED = (CallFault("access_denied", "Converse", "answer-with-tuned-model"),)

_EVENT_LOST_AT = (
    "Wait for training",
    "Buy throughput",
    "Create deployment",
    "Answer with tuned model",
    "Keep deployment",
)


def stop_cases(states: Collection[str], setting: Setting) -> Iterator[Case]:
    """Return *Stop execution* in every state, and in some of them with the guard's event lost."""
    for state in states:
        yield Case(
            "stop",
            f"Stop execution at {state}",
            setting=setting,
            faults=UNANSWERED if state == "Release hosting after failure" else (),
            course=_course_to(state),
            stop_at=state,
        )
    for state in (state for state in _EVENT_LOST_AT if state in states):
        what = f"Stop execution at {state}, event lost"
        yield Case("stop", what, setting=setting, stop_at=state, guard_lost=True)
    for blind, operation in setting.blind.items():
        yield Case(
            "stop",
            f"Stop execution at {setting.wait}, event lost, {blind}",
            setting=setting,
            faults=(CallFault("access_denied", operation, "reap-leftovers"),),
            course="kept briefly",  # for the sake of its release-by
            stop_at=setting.wait,
            guard_lost=True,
            time_decides=operation in _TIME_DECIDES,
        )


_CHANGED_AT = (
    "Wait for training",
    "Wait for throughput",
    "Wait for deployment",
    "Answer with tuned model",
)
_DELETED_AT = (*_CHANGED_AT, "Keep deployment", "Release hosting")


def change_cases(
    functions: Iterable[str], states: Collection[str], setting: Setting
) -> Iterator[Case]:
    """Return what a deployment of the stacks during a run may do to it."""
    for function in functions:
        yield Case(
            "change",
            f"{function} cannot be loaded",
            setting=setting,
            broken_function=function,
            course=_course_to(function),
            stop_at=setting.wait if function in GUARDS else None,
            # Of two that begin at once, MiniStack kills the one that has not said why yet.
            expected=("no_such_module", "No module", "exited immediately", *_SILENCE),
        )
    for state in (state for state in _CHANGED_AT if state in states):
        what = f"another definition at {state}"
        yield Case("change", what, setting=setting, broken_definition_at=state)
    for state in (state for state in _DELETED_AT if state in states):
        what = f"machine deleted at {state}"
        yield Case("deleted", what, setting=setting, delete_at=state, course=_course_to(state))


def together_cases(
    calls: Iterable[Call], setting: Setting, course: Course = "run"
) -> Iterator[Case]:
    """Return two runs at once: alone, with one stopped, and with a fault of what spends in both."""
    both = "two runs of both kinds" if course == "both kinds" else "two runs"
    pair = Case("two runs", f"{both} at once", setting=setting, course=course, executions=2)
    yield pair
    stops = {setting.create, BY_THE_HOUR.create if course == "both kinds" else setting.create}
    for state in sorted(stops):
        yield replace(pair, what=f"{pair.what}, one stopped at {state}", stop_at=state)
    kinds: tuple[Kind, ...] = ("throttle", "lost_answer", "function_killed")
    for kind in kinds:
        for call in (call for call in dict.fromkeys(calls) if call.operation in SPENDING):
            times = None if kind == "throttle" else 1
            yield replace(
                pair,
                what=f"{pair.what}, {call.operation} {kind.replace('_', ' ')}",
                faults=(CallFault(kind, call.operation, call.function, times=times),),
                expected=_EXPECTED[kind],
            )


_ITS_RELEASE_BY = "the deployment stays until its release-by"


def kept_cases(setting: Setting) -> Iterator[Case]:
    """Return what a run on demand keeps after its success, whatever the reaper gets to see."""
    kept = Case("kept", _ITS_RELEASE_BY, setting=setting, course="kept briefly", time_decides=True)
    yield kept
    for blind, operation in setting.blind.items():
        fault = CallFault("access_denied", operation, "reap-leftovers")
        yield replace(kept, what=f"{_ITS_RELEASE_BY}, {blind}", faults=(fault,))
    fault = CallFault("throttle", "DeleteCustomModelDeployment", "reap-leftovers", times=4)
    yield replace(kept, what=f"{_ITS_RELEASE_BY}, its deletion throttled", faults=(fault,))
