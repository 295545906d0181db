"""The processes of Lambda functions: who runs in which, until when, and who makes a call.

A function version keeps its process from one invocation to the next, as an execution environment;
it ends with an error of the process, a time-out, or a changed function. A process computes, so it
holds the clock; its sleeps and its limit are simulated.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from local.clock import Process, SimulatedClock

Json = Any  # an event or an answer
_ZYGOTE = Path(__file__).with_name("zygote.py")
_ORDER_BYTES = 1 << 20
# botocore puts it into the User-Agent of each call; see zygote.py.
_PROCESS = re.compile(r"exec-env/AWS_Lambda_python[\d.]+-p(\d+)")


@dataclass(frozen=True)
class Program:
    """What a version of a function runs as; `code` and `layers` are folders."""

    arn: str  # with the version
    name: str
    code: str
    layers: tuple[str, ...]
    handler: str
    variables: Mapping[str, str]
    seconds: int  # its limit
    memory: int  # in MiB


@dataclass(frozen=True)
class Answer:
    """What an invocation returned or, where it failed, AWS's report of the error."""

    value: Json
    failed: bool
    log: str


@dataclass
class Invocation:
    """A running function, in its own process."""

    function: str
    process: Process
    worker: _Worker
    deadline: float  # in simulated time
    began: float = field(default_factory=time.monotonic)
    timed_out: bool = False
    killed: bool = False

    def calling(self) -> AbstractContextManager[None]:
        """Hold the clock for it while a call of it is served."""
        return self.process.calling()

    def seconds_left(self, now: float) -> float:
        """Return what is left of its limit; what it computes counts at its real duration."""
        return max(0.0, self.deadline - now - (time.monotonic() - self.began))

    def kill(self) -> None:
        """End its process, as a lack of memory would."""
        if self.killed:  # of several calls on their way: a second wake would cut its time-out short
            return
        self.killed = True
        self.worker.kill()  # first: woken, it could still answer
        self.process.wake()

    def time_out(self) -> None:
        """End its process, as its own limit would."""
        self.timed_out = True
        self.kill()


class Functions:
    """All processes of functions, and what runs in them."""

    def __init__(self, clock: SimulatedClock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._zygotes: dict[tuple[str, ...], _Zygote] = {}
        self._idle: dict[str, list[_Worker]] = {}
        self._running: dict[int, Invocation] = {}

    def prepare(self, code: str, layers: tuple[str, ...]) -> None:
        """Import the libraries of a function, without waiting for it."""
        self._zygote(code, layers)

    def run(self, program: Program, event: Json, request_id: str) -> Answer:
        """Run an invocation to its end, in simulated time."""
        with self._clock.process() as process:
            worker = self._take(program)
            deadline = self._clock.time() + program.seconds
            with self._running_until(deadline, worker, process) as invocation:
                try:
                    answer = worker.ask({"event": event, "request_id": request_id})
                except TimeoutError:  # it computes all the time
                    invocation.time_out()
                    answer = None
            if answer is None and invocation.timed_out:
                process.sleep(max(0.0, deadline - self._clock.time()))
            return self._answer(invocation, answer, request_id)

    def sleep(self, process_id: int, seconds: float) -> float:
        """Sleep for a thread of a function; at most until its invocation ends.

        Return how many seconds of its limit are left then.
        """
        invocation = self._running.get(process_id)
        if invocation is None:
            return 0.0
        invocation.process.sleep(seconds)
        return invocation.seconds_left(self._clock.time())

    def caller(self, user_agent: str) -> Invocation | None:
        """Return the invocation that makes a call, or None where no function makes it."""
        found = _PROCESS.search(user_agent)
        return self._running.get(int(found[1])) if found else None

    def reset(self) -> None:
        """End every process that runs nothing; the others end with what they run."""
        with self._lock:
            workers = [worker for each in self._idle.values() for worker in each]
            self._idle.clear()
        for worker in workers:
            worker.end()

    def stop(self) -> None:
        """End all processes."""
        for invocation in list(self._running.values()):
            invocation.kill()
        self.reset()
        for zygote in self._zygotes.values():
            zygote.stop()

    def _answer(self, invocation: Invocation, answer: Json, request_id: str) -> Answer:
        worker = invocation.worker
        log = worker.log()
        if answer is None:
            error, why = _ended(invocation, worker)
            told = f"RequestId: {request_id} Error: {why}"
            return Answer({"errorType": error, "errorMessage": told}, failed=True, log=log)
        if "error" in answer:
            failure = {**answer["error"], "requestId": request_id}
            trace = "".join(failure["stackTrace"])
            log += f"[ERROR] {failure['errorType']}: {failure['errorMessage']}\n{trace}"
        self._keep(worker, answer)
        if "error" in answer:
            return Answer(failure, failed=True, log=log)
        return Answer(answer["result"], failed=False, log=log)

    @contextmanager
    def _running_until(
        self, deadline: float, worker: _Worker, process: Process
    ) -> Iterator[Invocation]:
        invocation = Invocation(worker.program.name, process, worker, deadline)
        self._running[worker.pid] = invocation
        try:
            with self._clock.deadline(deadline, invocation.time_out):
                yield invocation
        finally:
            del self._running[worker.pid]

    def _take(self, program: Program) -> _Worker:
        with self._lock:
            idle = self._idle.setdefault(program.arn, [])
            outdated = [worker for worker in idle if worker.program != program]
            idle[:] = [worker for worker in idle if worker.program == program]
            worker = idle.pop() if idle else None
        for each in outdated:
            each.end()
        return worker or _Worker(program, self._zygote(program.code, program.layers))

    def _keep(self, worker: _Worker, answer: Json) -> None:
        """Keep a process for the next invocation, unless it could not begin or has no memory."""
        kind = answer.get("error", {}).get("errorType", "")
        if worker.is_ready and kind != "Runtime.OutOfMemory":
            with self._lock:
                self._idle.setdefault(worker.program.arn, []).append(worker)
        else:
            worker.end()

    def _zygote(self, code: str, layers: tuple[str, ...]) -> _Zygote:
        with self._lock:
            if (code, *layers) not in self._zygotes:
                self._zygotes[code, *layers] = _Zygote(code, layers)
            return self._zygotes[code, *layers]


def _ended(invocation: Invocation, worker: _Worker) -> tuple[str, str]:
    """Return how Lambda reports the end of a process: type and message; a signal is negative."""
    status = worker.end()
    if invocation.timed_out:
        return "Sandbox.Timedout", f"Task timed out after {worker.program.seconds}.00 seconds"
    how = f" exit status {status}"
    if status < 0:
        names = {signal.SIGKILL: "killed", signal.SIGTERM: "terminated"}
        how = f" signal: {names.get(signal.Signals(-status), -status)}"
    why = (
        f"Runtime exited with error:{how}"
        if status
        else "Runtime exited without providing a reason"
    )
    return "Runtime.ExitError", why


class _Zygote:
    """A process that forks functions with one set of libraries; see zygote.py."""

    def __init__(self, code: str, layers: tuple[str, ...]) -> None:
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._lock = threading.Lock()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, str(_ZYGOTE), str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
            )
        order = {"order": "prepare", "code": code, "layers": layers}
        self._control.send(json.dumps(order).encode())
        self._is_prepared = False

    def order(self, order: str, *descriptors: int, **what: Json) -> Json:
        """Give an order, once it is prepared; return the answer."""
        with self._lock:
            if not self._is_prepared:
                self._control.recv(_ORDER_BYTES)
                self._is_prepared = True
            message = json.dumps({"order": order, **what}).encode()
            socket.send_fds(self._control, [message], descriptors)
            return json.loads(self._control.recv(_ORDER_BYTES))

    def stop(self) -> None:
        self._control.close()
        self._process.kill()
        self._process.wait()


class _Worker:
    """The process of one function version."""

    def __init__(self, program: Program, zygote: _Zygote) -> None:
        self.program, self._zygote = program, zygote
        self._channel, theirs = socket.socketpair()
        self._output = tempfile.TemporaryFile("a+b")  # noqa: SIM115  # closed in end()
        self._read = 0
        with theirs:
            self.pid: int = zygote.order(
                "fork",
                theirs.fileno(),
                self._output.fileno(),
                arn=program.arn,
                code=program.code,
                layers=program.layers,
                handler=program.handler,
                variables=dict(program.variables),
                memory=program.memory,
            )["pid"]
        self._lines: IO[str] = self._channel.makefile("rw", encoding="utf-8")
        self._status: int | None = None
        self._begun = self._line()
        self.is_ready = bool(self._begun and self._begun.get("ready"))

    def ask(self, request: Json) -> Json:
        """Return the answer; None if it ended without one.

        Raises
        ------
        TimeoutError
            Its limit passed in real time.
        """
        if not self.is_ready:
            return self._begun
        self._channel.settimeout(self.program.seconds)
        with suppress(ConnectionError):
            self._lines.write(json.dumps(request) + "\n")
            self._lines.flush()
            return self._line()
        return None

    def log(self) -> str:
        """Return what it has printed since the last call."""
        self._output.seek(self._read)
        printed = self._output.read()
        self._read += len(printed)
        return printed.decode(errors="replace")

    def kill(self) -> None:
        if self._status is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)

    def end(self) -> int:
        """End it, if it has not; return its exit status."""
        if self._status is None:
            self._status = 0
            with suppress(OSError, ValueError):  # what could not be written is of no use now
                self._lines.close()
            self._channel.close()
            self._output.close()
            with suppress(OSError):  # at the end of all
                self._status = int(self._zygote.order("wait", pid=self.pid)["status"])
        return self._status

    def _line(self) -> Json:
        line = self._lines.readline()
        return json.loads(line) if line else None
