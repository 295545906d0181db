"""Lambda: running invocations, in simulated time, and which of them makes a call.

A function's process computes, so it holds the clock; its sleeps and its limit are simulated.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from ministack.core import lambda_runtime

from local.clock import Process, SimulatedClock
from local.ministack.lambda_runtime import replace_in_worker
from local.ministack.upstream import original

_AFTER_ENVIRONMENT = """    os.environ.update(env)
"""
# botocore puts both variables into the User-Agent of each call. An application id has at most 50
# characters: SDKs and Tools Reference Guide, feature-appid.html, read 2026-11-23.
_BOOTSTRAP = """    os.environ.update(env)
    os.environ["AWS_SDK_UA_APP_ID"] = init.get("function_name", "")[-50:]
    os.environ["AWS_EXECUTION_ENV"] = "AWS_Lambda_python%d.%d-p%d" % (
        *sys.version_info[:2], os.getpid()
    )

    def sleep(seconds):
        # The offline AWS sleeps instead: on its clock, which skips what nobody computes in.
        import http.client, urllib.parse
        if seconds < 0:
            raise ValueError("sleep length must be non-negative")
        gateway = urllib.parse.urlsplit(os.environ["AWS_ENDPOINT_URL"]).netloc
        connection = http.client.HTTPConnection(gateway)
        body = json.dumps({"process": os.getpid(), "seconds": seconds})
        connection.request("POST", "/_offline/sleep", body)
        answer = json.loads(connection.getresponse().read())
        connection.close()
        return answer["seconds_left"]

    time.sleep = sleep
"""
_REAL_TIME_LEFT = "max(0, int((_deadline - time.time()) * 1000))"
_TIME_LEFT = "int(sleep(0) * 1000)"
_PROCESS = re.compile(r"exec-env/AWS_Lambda_python[\d.]+-p(\d+)")


def _wait_for_the_end(handle: subprocess.Popen[str]) -> int:
    """Return a process's exit status, negative for a signal; and leave no pipe of it open."""
    status = handle.wait()
    for pipe in (handle.stdin, handle.stdout, handle.stderr):
        with suppress(OSError, ValueError):  # what could not be written is of no use now
            if pipe:
                pipe.close()
    return status


@dataclass
class Invocation:
    """A running function, in its own process."""

    function: str
    process: Process
    handle: subprocess.Popen[str]
    deadline: float  # in simulated time
    timed_out: bool = False
    killed: bool = False

    def calling(self) -> AbstractContextManager[None]:
        """Hold the clock for it while a call of it is served."""
        return self.process.calling()

    def kill(self) -> None:
        """End its process, as a lack of memory would."""
        if self.killed:  # of several calls on their way: a second wake would cut its time-out short
            return
        self.killed = True
        self.handle.kill()  # first: woken, it could still answer
        self.process.wake()

    def time_out(self) -> None:
        """End its process, as its own limit would."""
        self.timed_out = True
        self.kill()


class Invocations:
    """The running invocations."""

    def __init__(self, clock: SimulatedClock) -> None:
        self._clock = clock
        self._running: dict[int, Invocation] = {}
        replace_in_worker(_AFTER_ENVIRONMENT, _BOOTSTRAP)
        replace_in_worker(_REAL_TIME_LEFT, _TIME_LEFT)
        original(lambda_runtime, "ensure_spawned")
        invoke = original(lambda_runtime.Worker, "invoke")

        def invoke_on_the_clock(worker: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
            with clock.process() as process:
                lambda_runtime.ensure_spawned(worker)  # a function's limit does not count this
                seconds = worker.config.get("Timeout", 3)
                deadline = clock.time() + seconds
                with self._running_until(deadline, worker, process) as invocation:
                    answer: dict[str, Any] = invoke(worker, *args, **kwargs)
                if answer["status"] == "error" and "type" not in answer:
                    answer["exit"] = _wait_for_the_end(invocation.handle)
                if "exit" in answer and invocation.timed_out:
                    process.sleep(max(0.0, deadline - clock.time()))
                    answer["error"] = f"Task timed out after {seconds}.00 seconds"
                return answer

        lambda_runtime.Worker.invoke = invoke_on_the_clock

    @contextmanager
    def _running_until(
        self, deadline: float, worker: Any, process: Process
    ) -> Iterator[Invocation]:
        invocation = Invocation(worker.func_name, process, worker._proc, deadline)
        self._running[invocation.handle.pid] = invocation
        try:
            with self._clock.deadline(deadline, invocation.time_out):
                yield invocation
        finally:
            del self._running[invocation.handle.pid]

    def sleep(self, process_id: int, seconds: float) -> float:
        """Sleep for a thread of a function; at most until its invocation ends.

        Return how many seconds of its limit are left then.
        """
        invocation = self._running.get(process_id)
        if invocation is None:
            return 0.0
        invocation.process.sleep(seconds)
        return max(0.0, invocation.deadline - self._clock.time())

    def caller(self, user_agent: str) -> Invocation | None:
        """Return the invocation that makes a call, or None where no function makes it."""
        found = _PROCESS.search(user_agent)
        return self._running.get(int(found[1])) if found else None
