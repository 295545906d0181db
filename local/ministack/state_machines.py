"""Step Functions: the simulated clock, scopes of branches, time-outs, aborts, JSONata output."""

from __future__ import annotations

import contextvars
import json
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from functools import partial
from typing import Any

from ministack.services import stepfunctions as sfn

from local.clock import SimulatedClock
from local.ministack.upstream import original

Json = Any  # a state's input, output or definition
_current: contextvars.ContextVar[dict[str, Any] | None] = contextvars.ContextVar(
    "execution", default=None
)
_ENDED_FROM_OUTSIDE = ("ABORTED", "TIMED_OUT")
_DELETING = "DELETING"
_JSONATA_PATIENCE = 30
_MOST_AT_ONCE = 40  # of a Map without MaxConcurrency
_watchers: list[Callable[[str, str], None]] = []


@contextmanager
def watching(watch: Callable[[str, str], None]) -> Iterator[None]:
    """Call `watch` with execution and state as each state is entered, before it does anything."""
    _watchers.append(watch)
    yield
    _watchers.remove(watch)


def _tell_watchers(execution: dict[str, Any], details: dict[str, Any]) -> None:
    if entering := details.get("stateEnteredEventDetails"):
        for watch in _watchers:
            watch(execution["executionArn"], entering["name"])


def current_execution() -> dict[str, Any]:
    """Return MiniStack's record of the execution that the calling thread works for."""
    return _current.get() or {}


def execution_of(arn: str) -> dict[str, Any] | None:
    """Return MiniStack's record of an execution, or None if it is gone."""
    executions = list(sfn._executions._data.values())
    return next((found for found in executions if found["executionArn"] == arn), None)


def entered(arn: str) -> list[str]:
    """Return the states that an execution has entered so far."""
    execution = execution_of(arn) or {"events": []}
    found = (event.get("stateEnteredEventDetails") for event in list(execution["events"]))
    return [details["name"] for details in found if details]


def abort_all() -> None:
    """Let the threads of every running execution end at their next step."""
    for execution in list(sfn._executions._data.values()):
        if execution["status"] == "RUNNING":
            execution["status"] = "ABORTED"


def any_running() -> bool:
    """Tell whether any execution, of any machine, has not ended."""
    return any(one["status"] == "RUNNING" for one in list(sfn._executions._data.values()))


def keep_simulated_time(clock: SimulatedClock) -> None:
    """Take times from the clock, sleep on it, and hold it while an execution is between waits."""
    _sleep_on(clock)
    start, run = original(sfn, "_start_execution"), original(sfn, "_run_execution")
    add_event = original(sfn, "_add_event")

    def start_holding(data: dict[str, Any]) -> Any:
        clock.begin_computing()  # until the execution's thread ends, see run_holding
        response = start(data)
        if response[0] >= 400:  # noqa: PLR2004  # an HTTP status
            clock.end_computing()
        return response

    def run_holding(execution_arn: str) -> None:
        _current.set(sfn._executions.get(execution_arn))
        try:
            with clock.handed_over():
                run(execution_arn)
        finally:
            clock.end_computing()

    def add_event_touching(execution: dict[str, Any], kind: str, details: Json = None) -> Any:
        clock.touch()
        event = add_event(execution, kind, details)
        _tell_watchers(execution, details or {})
        return event

    sfn.now_iso = clock.iso
    sfn._start_execution = start_holding
    sfn._run_execution = run_holding
    sfn._add_event = add_event_touching


def _sleep_on(clock: SimulatedClock) -> None:
    original(sfn, "_scaled_sleep")
    original(sfn, "_sleep_until")

    def sleep(seconds: float) -> None:
        execution = current_execution()
        wake = clock.time() + seconds
        clock.sleep_until(wake, unless=lambda: execution.get("status") in _ENDED_FROM_OUTSIDE)
        stop_if_ended(execution)  # neither a Wait nor a retry goes on after Stop execution

    def sleep_until(timestamp: str) -> None:
        sleep(datetime.fromisoformat(timestamp).timestamp() - clock.time())

    sfn._scaled_sleep = sleep
    sfn._sleep_until = sleep_until


def run_branches_in_their_own_scope(clock: SimulatedClock) -> None:
    """Give each Parallel branch its own variables and State, its events, and JSONata's Output.

    Stock branches share one context, so that two of them overwrite each other's entered time;
    their states leave no events; and the Parallel's JSONata Output and Assign are dropped.
    """
    original(sfn, "_run_parallel_branches")
    original(sfn, "_run_sub_machine")

    def run_parallel(
        state: dict[str, Any], raw_input: Json, execution: dict[str, Any], ctx: dict[str, Any]
    ) -> tuple[Json, str | None]:
        effective = sfn._apply_jsonata_arguments(state, raw_input, ctx)
        results = _run_branches(clock, state["Branches"], effective, execution, ctx)
        output = sfn._apply_jsonata_output(state, raw_input, ctx, result=results, default=results)
        sfn._apply_state_assign(state, raw_input, ctx, result=results)
        return output, sfn._next_or_end(state)

    sfn._run_parallel_branches = run_parallel
    sfn._run_sub_machine = _run_branch


def _run_branches(
    clock: SimulatedClock,
    branches: list[dict[str, Any]],
    effective: Json,
    execution: dict[str, Any],
    ctx: dict[str, Any],
) -> list[Json]:
    results: list[Json] = [None] * len(branches)
    errors: list[Exception] = []

    def run(index: int, branch: dict[str, Any]) -> None:
        states, start = branch["States"], branch["StartAt"]
        try:
            results[index] = _run_branch(states, start, effective, execution, ctx)
        except Exception as error:  # noqa: BLE001  # raised again by the parent
            errors.append(error)

    jobs = [partial(run, *numbered) for numbered in enumerate(branches)]
    together(clock, jobs, len(jobs), lambda: False)
    if errors:
        raise errors[0]
    return results


def together(
    clock: SimulatedClock,
    jobs: Sequence[Callable[[], None]],
    at_once: int,
    until: Callable[[], bool],
) -> None:
    """Run the jobs in `at_once` threads that hold the clock; start none once `until` is true."""
    left: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
    for job in jobs:
        left.put(job)

    def work() -> None:
        try:
            with clock.handed_over(), suppress(queue.Empty):
                while not until():
                    left.get_nowait()()
        finally:
            clock.end_computing()

    threads = []
    for _ in range(min(at_once or _MOST_AT_ONCE, len(jobs))):
        clock.begin_computing()  # before the thread runs, so that no time is skipped meanwhile
        run = contextvars.copy_context().run
        threads.append(threading.Thread(target=run, args=(work,), daemon=True))
    for thread in threads:
        thread.start()
    with clock.paused():
        for thread in threads:
            thread.join()


def _run_branch(
    states: dict[str, Any],
    start_at: str,
    branch_input: Json,
    execution: dict[str, Any],
    parent: dict[str, Any],
) -> Json:
    ctx = {**parent, "variables": dict(parent["variables"])}
    name: str | None = start_at
    current = branch_input
    while name:
        stop_if_ended(execution)
        stop_if_ended(current_execution())  # of which a Distributed Map's is a child
        state = states[name]
        kind = state["Type"]
        ctx["State"] = {"Name": name, "EnteredTime": sfn.now_iso(), "RetryCount": 0}
        _record(execution, f"{kind}StateEntered", "stateEnteredEventDetails", name, input=current)
        entered, current, name = name, *_run_state(state, current, execution, ctx)
        _record(execution, f"{kind}StateExited", "stateExitedEventDetails", entered, output=current)
    return current


def _run_state(
    state: dict[str, Any], current: Json, execution: dict[str, Any], ctx: dict[str, Any]
) -> tuple[Json, str | None]:
    kind = state["Type"]
    if kind == "Fail":
        raise sfn._ExecutionError(*sfn._fail_state_error(state, current, ctx))
    if kind == "Succeed":
        return sfn._apply_output_path(state, current, ctx), None
    short: dict[str, Callable[..., tuple[Json, str | None]]] = {
        "Pass": sfn._execute_pass,
        "Choice": sfn._execute_choice,
        "Wait": sfn._execute_wait,
    }
    if kind in short:
        return short[kind](state, current, ctx)
    long: dict[str, Callable[..., tuple[Json, str | None]]] = {
        "Task": sfn._execute_task,
        "Parallel": sfn._execute_parallel,
        "Map": sfn._execute_map,
    }
    return long[kind](state, current, execution, ctx)


def _record(execution: dict[str, Any], kind: str, details: str, name: str, **data: Json) -> None:
    encoded = {key: json.dumps(value) for key, value in data.items()}
    sfn._add_event(execution, kind, {details: {"name": name, **encoded}})


def stop_if_ended(execution: dict[str, Any]) -> None:
    """End the calling thread's part of an execution that was stopped or timed out."""
    if execution.get("status") in _ENDED_FROM_OUTSIDE:
        raise sfn._ExecutionError("States.ExecutionAborted", "the execution was stopped")


def give_expressions_time() -> None:
    """Let JSONata take longer than a second, which a loaded machine may need for a simple one."""
    compile_ = original(sfn.jsonata.Jsonata, "jsonata")

    def patient(expression: str, timeout: int | None = None) -> Any:
        return compile_(expression, timeout=timeout and timeout * _JSONATA_PATIENCE)

    sfn.jsonata.Jsonata.jsonata = staticmethod(patient)


def evaluate_the_output_of_succeed() -> None:
    """Evaluate a JSONata Succeed state's Output; stock returns its input."""
    apply = original(sfn, "_apply_output_path")

    def apply_output(state: dict[str, Any], data: Json, ctx: dict[str, Any] | None = None) -> Json:
        if state.get("Type") == "Succeed" and sfn._state_query_language(state, ctx) == "JSONata":
            return sfn._apply_jsonata_output(state, data, ctx, default=data)
        return apply(state, data, ctx)

    sfn._apply_output_path = apply_output


def let_an_ended_execution_rest() -> None:
    """Run no further state of an aborted or timed-out execution, and keep its status."""
    task, fail = original(sfn, "_execute_task"), original(sfn, "_fail_execution")

    def task_unless_ended(
        state: dict[str, Any], raw_input: Json, execution: dict[str, Any], ctx: dict[str, Any]
    ) -> tuple[Json, str | None]:
        stop_if_ended(execution)
        outcome: tuple[Json, str | None] = task(state, raw_input, execution, ctx)
        return outcome

    def fail_unless_ended(execution: dict[str, Any], error: str, cause: str) -> None:
        if execution["status"] == "RUNNING":
            fail(execution, error, cause)
            execution["output"] = None

    sfn._execute_task = task_unless_ended
    sfn._fail_execution = fail_unless_ended


def time_out_the_machine(clock: SimulatedClock) -> None:
    """End an execution as TIMED_OUT once the machine's TimeoutSeconds have passed."""
    run = original(sfn, "_run_execution")

    def run_within_limit(execution_arn: str) -> None:
        execution = sfn._executions.get(execution_arn)
        machine = sfn._state_machines.get(execution["stateMachineArn"]) if execution else None
        limit = json.loads(machine["definition"]).get("TimeoutSeconds") if machine else None
        if limit:
            context = contextvars.copy_context()
            clock.call_at(clock.time() + limit, lambda: context.run(_expire, execution))
        run(execution_arn)

    sfn._run_execution = run_within_limit


def _expire(execution: dict[str, Any]) -> None:
    if execution["status"] != "RUNNING":
        return
    execution.update(status="TIMED_OUT", stopDate=sfn.now_iso())  # no error: that is in the event
    details = {"executionTimedOutEventDetails": {"error": "States.Timeout"}}
    sfn._add_event(execution, "ExecutionTimedOut", details)
    sfn._emit_execution_status_event(execution)


def start_an_execution_once() -> None:
    """Answer a repeated start with the same name and input as the first time; stock refuses it."""
    start = original(sfn, "_start_execution")

    def start_once(data: dict[str, Any]) -> Any:
        machine, name = str(data.get("stateMachineArn")), data.get("name")
        arn = f"{machine.replace(':stateMachine:', ':execution:')}:{name}"
        running = sfn._executions.get(arn) if name else None
        same = running and running["input"] == data.get("input", "{}")
        if running and same and running["status"] == "RUNNING":
            found = {"executionArn": arn, "startDate": running["startDate"]}
            return sfn.json_response(found)
        return start(data)

    sfn._start_execution = start_once


def delete_a_machine_once_nothing_runs() -> None:
    """Keep a deleted machine as DELETING until its executions end: at their next transition.

    They fail with States.Runtime. Sources, read 2026-11-23:
    https://docs.aws.amazon.com/step-functions/latest/apireference/API_DeleteStateMachine.html and
    https://repost.aws/knowledge-center/step-functions-stuck-deleting-status
    """
    delete, run = original(sfn, "_delete_state_machine"), original(sfn, "_run_execution")

    def delete_or_wait(data: dict[str, Any]) -> Any:
        arn = str(data.get("stateMachineArn"))
        if _runs(arn):
            sfn._state_machines[arn]["status"] = _DELETING
            return sfn.json_response({})
        return delete(data) if arn in sfn._state_machines else sfn.json_response({})

    def run_and_delete(execution_arn: str) -> None:
        machine = (sfn._executions.get(execution_arn) or {}).get("stateMachineArn")
        run(execution_arn)
        if _is_deleted(machine) and not _runs(machine):
            delete({"stateMachineArn": machine})

    sfn._delete_state_machine = delete_or_wait
    sfn._run_execution = run_and_delete
    sfn._add_event = _unless_deleted(original(sfn, "_add_event"))
    sfn._list_executions = _if_it_exists(original(sfn, "_list_executions"))
    for name in ("_start_execution", "_update_state_machine"):
        setattr(sfn, name, _unless_deleting(original(sfn, name)))


def _is_deleted(machine: str | None) -> bool:
    found = sfn._state_machines.get(machine)
    return found is None or found.get("status") == _DELETING


def _runs(machine: str | None) -> bool:
    executions = list(sfn._executions.values())
    return any(
        one["stateMachineArn"] == machine and one["status"] == "RUNNING" for one in executions
    )


def _unless_deleted(add_event: Callable[..., Any]) -> Callable[..., Any]:
    def add(execution: dict[str, Any], kind: str, details: Json = None) -> Any:
        machine = execution["stateMachineArn"].partition("/")[0]  # without a Map's label
        if kind.endswith("StateEntered") and _is_deleted(machine):
            name = machine.rpartition(":")[2]
            raise sfn._ExecutionError("States.Runtime", f"State machine {name} has been deleted.")
        return add_event(execution, kind, details)

    return add


def _if_it_exists(list_executions: Callable[..., Any]) -> Callable[..., Any]:
    def list_or_refuse(data: dict[str, Any]) -> Any:
        machine = data.get("stateMachineArn")
        if machine and sfn._resolve_state_machine_arn(machine) is None:
            message = f"State Machine Does Not Exist: '{machine}'"
            return sfn.error_response_json("StateMachineDoesNotExist", message, 400)
        return list_executions(data)

    return list_or_refuse


def _unless_deleting(act: Callable[[dict[str, Any]], Any]) -> Callable[[dict[str, Any]], Any]:
    def act_or_refuse(data: dict[str, Any]) -> Any:
        machine = sfn._state_machines.get(str(data.get("stateMachineArn")))
        if machine and machine.get("status") == _DELETING:
            message = f"State Machine is being deleted: '{machine['stateMachineArn']}'"
            return sfn.error_response_json("StateMachineDeleting", message, 400)
        return act(data)

    return act_or_refuse
