"""Step Functions: task time-outs in simulated time, and task tokens."""

from __future__ import annotations

import contextvars
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from ministack.core import iam_actions
from ministack.services import stepfunctions as sfn

from local.clock import SimulatedClock
from local.ministack.state_machines import current_execution, stop_if_ended
from local.ministack.upstream import original

Json = Any  # a state's input, output or definition
Answer = tuple[int, dict[str, str], bytes]
_LOOK_SECONDS = 0.02


def limit_tasks_in_simulated_time(clock: SimulatedClock) -> None:
    """Count TimeoutSeconds and HeartbeatSeconds on the clock, and let an expression give them.

    What a task calls goes on after its time-out, as on AWS.
    """
    original(sfn, "_invoke_resource_with_timeout")
    task = original(sfn, "_execute_task")

    def invoke_within(resource: str, given: Json, seconds: float) -> Json:
        returned, over = list[Callable[[], Json]](), threading.Event()

        def call() -> None:
            with clock.handed_over():
                returned.append(_outcome(lambda: sfn._invoke_resource(resource, given)))
            over.set()
            clock.end_computing()

        clock.begin_computing()  # for the thread, before it runs
        run = contextvars.copy_context().run
        threading.Thread(target=run, args=(call,), daemon=True).start()
        with clock.paused(), clock.deadline(clock.time() + seconds, over.set):
            over.wait()
        if returned:
            return returned[0]()
        raise sfn._ExecutionError("States.Timeout", f"Task timed out after {seconds} seconds")

    def task_with_limits(
        state: dict[str, Any], raw_input: Json, execution: dict[str, Any], ctx: dict[str, Any]
    ) -> tuple[Json, str | None]:
        limits = {
            name: sfn._apply_jsonata_template(state[name], raw_input, ctx)
            for name in ("TimeoutSeconds", "HeartbeatSeconds")
            if isinstance(state.get(name), str)
        }
        outcome: tuple[Json, str | None] = task({**state, **limits}, raw_input, execution, ctx)
        return outcome

    sfn._invoke_resource_with_timeout = invoke_within
    sfn._execute_task = task_with_limits


def _outcome(act: Callable[[], Json]) -> Callable[[], Json]:
    """Return what gives `act`'s result, or raises its error, in another thread."""
    try:
        result = act()
    except Exception as error:  # noqa: BLE001  # raised again there
        return partial(_raise, error)
    return lambda: result


def _raise(error: Exception) -> None:
    raise error


@dataclass
class _Wait:
    """A task that waits for its token."""

    execution: dict[str, Any]
    beat_at: float
    over: threading.Event = field(default_factory=threading.Event)
    conclude: Callable[[], Json] = lambda: None
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def is_over(self) -> bool:
        return self.over.is_set() or self.execution.get("status", "RUNNING") != "RUNNING"

    def end(self, conclude: Callable[[], Json]) -> None:
        """Let the task end with what `conclude` returns, or raises; the first end counts."""
        with self.lock:
            if not self.over.is_set():
                self.conclude = conclude
                self.over.set()

    def fail(self, error: str, cause: str) -> None:
        self.end(partial(_raise, sfn._ExecutionError(error, cause)))


def wait_for_decisions(clock: SimulatedClock) -> None:
    """Let a task wait for its token without holding the clock.

    Stock swallows an error of the function that it calls, and waits in real time. Nobody sleeps on
    the clock here: while a person decides, time passes only for whoever else waits, and a limit is
    reached when that much has passed.
    """
    original(sfn, "_invoke_with_callback")
    tokens = _Tokens(clock)

    def wait_for_token(resource: str, given: Json, token: str, state: dict[str, Any]) -> Json:
        wait = _Wait(current_execution(), clock.time())
        with tokens.awaited(token, wait), _limits(clock, wait, state):
            sfn._invoke_resource(resource.replace(".waitForTaskToken", ""), given)
            with clock.paused():
                while not wait.over.wait(_LOOK_SECONDS) and not wait.is_over:
                    pass
        stop_if_ended(wait.execution)
        return wait.conclude()

    sfn._invoke_with_callback = wait_for_token
    acts = {"success": tokens.succeed, "failure": tokens.fail, "heartbeat": tokens.beat}
    for name, act in acts.items():
        name = f"_send_task_{name}"  # noqa: PLW2901  # as MiniStack calls it
        setattr(sfn, name, tokens.answering(act, original(sfn, name)))
    _authorize_by_the_machine(tokens)


def _authorize_by_the_machine(tokens: _Tokens) -> None:
    """Authorize SendTask* on the machine of the token; stock does on `*`."""
    stock = original(iam_actions, "extract_resource_arn")

    def extract(
        service: str, method: str, path: str, headers: Json, body: bytes, *more: Any
    ) -> Any:
        machine = tokens.machine_of(body) if service == "states" else None
        return machine or stock(service, method, path, headers, body, *more)

    iam_actions.extract_resource_arn = extract


@contextmanager
def _limits(clock: SimulatedClock, wait: _Wait, state: dict[str, Any]) -> Iterator[None]:
    limit, between = state.get("TimeoutSeconds", 0), state.get("HeartbeatSeconds", 0)

    def time_out() -> None:
        wait.fail("States.Timeout", f"no answer within {limit} seconds")

    def listen() -> None:
        due = wait.beat_at + between
        if clock.time() >= due:
            wait.fail("States.HeartbeatTimeout", f"no heartbeat within {between} seconds")
        elif not wait.is_over:
            clock.call_at(due, listen)

    if between:
        listen()
    with clock.deadline(clock.time() + limit, time_out) if limit else nullcontext():
        yield


class _Tokens:
    """Answers SendTaskSuccess, SendTaskFailure and SendTaskHeartbeat as AWS does.

    A token that AWS did not make is InvalidToken; TaskTimedOut is "either expired or the task
    associated with the token has already been closed", so a second answer too. TaskDoesNotExist
    means an activity. Source, read 2026-11-23:
    https://docs.aws.amazon.com/step-functions/latest/apireference/API_SendTaskSuccess.html
    """

    def __init__(self, clock: SimulatedClock) -> None:
        self._clock = clock
        self._waits: dict[str, _Wait] = {}
        self._machines: dict[str, str] = {}  # of each token, its task ended or not

    @contextmanager
    def awaited(self, token: str, wait: _Wait) -> Iterator[None]:
        self._waits[token] = wait
        self._machines[token] = wait.execution["stateMachineArn"]
        try:
            yield
        finally:
            del self._waits[token]

    def machine_of(self, body: bytes) -> str | None:
        """Return the machine of a request's token: what its caller needs permission for."""
        try:
            token = json.loads(body or b"{}").get("taskToken")
        except ValueError:
            return None
        return self._machines.get(token)

    def succeed(self, wait: _Wait, data: dict[str, Any]) -> Answer:
        try:
            output = json.loads(data.get("output", ""))
        except ValueError:
            return _refusal("InvalidOutput", "Invalid Output: the output is not JSON")
        wait.end(lambda: output)
        return _ACCEPTED

    def fail(self, wait: _Wait, data: dict[str, Any]) -> Answer:
        wait.fail(data.get("error", ""), data.get("cause", ""))
        return _ACCEPTED

    def beat(self, wait: _Wait, _: dict[str, Any]) -> Answer:
        wait.beat_at = self._clock.time()
        return _ACCEPTED

    def answering(
        self, act: Callable[[_Wait, dict[str, Any]], Answer], stock: Callable[..., Any]
    ) -> Callable[..., Any]:
        """Return the handler of one operation; tokens of activities stay with `stock`."""

        def answer(data: dict[str, Any]) -> Any:
            token = data.get("taskToken", "")
            if token in sfn._task_tokens:
                return stock(data)
            wait = self._waits.get(token)
            if wait and not wait.is_over:
                self._clock.touch()
                return act(wait, data)
            if wait or token in self._machines:
                message = "Task Timed Out: 'Provided task does not exist anymore'"
                return _refusal("TaskTimedOut", message)
            return _refusal("InvalidToken", "Invalid Token: 'Invalid token'")

        return answer


_ACCEPTED: Answer = sfn.json_response({})


def _refusal(error: str, message: str) -> Answer:
    answer: Answer = sfn.error_response_json(error, message, 400)
    return answer


def give_each_attempt_a_token() -> None:
    """Make a new task token for each attempt; stock gives a retry that of the first."""
    arguments = original(sfn, "_apply_jsonata_arguments")

    def arguments_with_token(state: dict[str, Any], raw_input: Json, ctx: Json = None) -> Json:
        if ".waitForTaskToken" in state.get("Resource", ""):
            ctx["Task"] = {"Token": sfn.new_uuid()}
        return arguments(state, raw_input, ctx)

    sfn._apply_jsonata_arguments = arguments_with_token


def wait_between_tries_as_long_as_it_says() -> None:
    """Let a retry wait for its whole delay, at most MaxDelaySeconds; stock cuts at a minute.

    With full jitter AWS waits for a random part of that: here it is the longest that may be.
    """
    find, sleep = original(sfn, "_find_matching_retrier"), original(sfn, "_scaled_sleep")
    delay: contextvars.ContextVar[float | None] = contextvars.ContextVar("delay", default=None)

    def find_and_note(
        retriers: list[dict[str, Any]], error: str, tries: dict[int, int]
    ) -> tuple[dict[str, Any] | None, int]:
        retrier, index = find(retriers, error, tries)
        if retrier:
            growth = retrier.get("BackoffRate", 2.0) ** tries.get(index, 0)
            longest = retrier.get("MaxDelaySeconds", float("inf"))
            delay.set(min(retrier.get("IntervalSeconds", 1) * growth, longest))
        return retrier, index

    def sleep_as_noted(seconds: float) -> None:
        noted = delay.get()
        delay.set(None)
        sleep(seconds if noted is None else noted)

    sfn._find_matching_retrier = find_and_note
    sfn._scaled_sleep = sleep_as_noted
