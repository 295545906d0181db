"""The processes of Lambda functions: who runs in which, until when, and who makes a call.

A function version keeps its process from one invocation to the next, as an execution environment;
it ends with an error of the process or a time-out. A process computes, so it holds the clock; its
sleeps and its limit are simulated.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections import defaultdict
from collections.abc import Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import asdict, dataclass, field
from itertools import chain
from multiprocessing import Pipe, reduction
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from local.clock import Hold, SimulatedClock

Json = Any  # an event or an answer
_ZYGOTE = Path(__file__).with_name("zygote.py")
_PATIENCE = 5  # times its limit: a busy machine computes slowly
# botocore puts it into the User-Agent of each call; see zygote.py.
_PROCESS = re.compile(r"exec-env/AWS_Lambda_python[\d.]+-p(\d+)")


@dataclass(frozen=True)
class Program:
    """What a version of a function runs as."""

    arn: str  # with the version
    name: str
    code: str  # a folder
    layers: tuple[str, ...]  # same
    handler: str
    variables: Mapping[str, str] = field(hash=False)
    seconds: int  # its limit
    memory: int  # in MiB


@dataclass
class Invocation:
    """A running function, in its own process."""

    function: str
    hold: Hold
    worker: _Worker
    deadline: float  # in simulated time
    timed_out: bool = False
    killed: bool = False

    def calling(self) -> AbstractContextManager[None]:
        """Hold the clock for it while a call of it is served."""
        return self.hold.calling()

    def kill(self) -> None:
        """End its process, as a lack of memory would."""
        if not self.killed:  # of several calls on their way: a second wake would cut its time-out
            self.killed = True
            self.worker.kill()  # first: woken, it could still answer
            self.hold.wake()

    def time_out(self) -> None:
        """End its process, as its own limit would."""
        self.timed_out = True
        self.kill()


class Functions:
    """All processes of functions, and what runs in them."""

    def __init__(self, clock: SimulatedClock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._zygotes: dict[tuple[str, tuple[str, ...]], _Zygote] = {}
        self._idle = defaultdict[Program, list[_Worker]](list)
        self._running: dict[int, Invocation] = {}

    def run(self, program: Program, event: Json, request_id: str) -> dict[str, Any]:
        """Run an invocation to its end, in simulated time.

        Return `body`, the function's answer or Lambda's report of its `error`, and its `log`.
        """
        with self._clock.computing() as hold:
            worker, deadline = self._take(program), self._clock.time() + program.seconds
            invocation = Invocation(program.name, hold, worker, deadline)
            self._running[worker.pid] = invocation
            hold.is_at_rest = lambda: is_at_rest(worker.pid) and is_at_rest(os.getpid(), most=1)
            limit = self._clock.at(deadline, invocation.time_out, name=program.arn, live=False)
            answer = worker.ask({"event": event, "request_id": request_id})
            if answer is None:  # it computes all the time
                invocation.time_out()
                answer = worker.read()
            if "ended" in answer and invocation.timed_out:
                hold.sleep(max(0.0, deadline - self._clock.time()))
            with self._clock.lock:
                self._clock.drop(limit)
                self._running.pop(worker.pid, None)  # none of its threads begins to sleep any more
                hold.wake()
        return self._reported(invocation, answer, request_id)

    def sleep(self, process_id: int, seconds: float) -> float:
        """Sleep for a thread of a function; at most until its invocation ends.

        Return how many seconds of its limit are left then; computing takes none of them.
        """
        with self._clock.lock:  # or it might end meanwhile, and its hold be another's
            if (invocation := self._running.get(process_id)) is None:
                return 0.0
            if seconds:  # or it only asks, and would wait for the calls of its other threads
                invocation.hold.sleep(seconds)
            return max(0.0, invocation.deadline - self._clock.time() - invocation.hold.spent)

    def caller(self, user_agent: str) -> Invocation | None:
        """Return the invocation that makes a call, or None where no function makes it."""
        found = _PROCESS.search(user_agent)
        return self._running.get(int(found[1])) if found else None

    def reset(self) -> None:
        """End every process that runs nothing; the others end with what they run."""
        with self._lock:
            for worker in chain(*self._idle.values()):
                worker.end()
            self._idle.clear()

    def stop(self) -> None:
        """End all processes."""
        for invocation in list(self._running.values()):
            invocation.kill()
        self.reset()
        with self._lock:
            for zygote in self._zygotes.values():
                zygote.stop()

    def prepare(self, code: str, layers: tuple[str, ...]) -> _Zygote:
        """Return the process that has imported a function's libraries, or begins to."""
        base = self.prepare(code, layers[:-1]) if len(layers) > 1 else None
        with self._lock:
            if (code, layers) not in self._zygotes:
                self._zygotes[code, layers] = _Zygote(code, layers, base)
            return self._zygotes[code, layers]

    def _reported(self, invocation: Invocation, answer: Json, request_id: str) -> dict[str, Any]:
        worker, log = invocation.worker, answer["log"]
        kind = answer.get("error", {}).get("errorType", "")
        if not worker.is_ready or "ended" in answer or kind == "Runtime.OutOfMemory":
            worker.end()
        else:
            with self._lock:
                self._idle[worker.runs].append(worker)
        if "result" in answer:
            return {"body": answer["result"], "log": log}
        if "error" in answer:
            body = {**answer["error"], "requestId": request_id}
            log += f"[ERROR] {kind}: {body['errorMessage']}\n{''.join(body['stackTrace'])}"
        else:
            error, why = _ended(invocation, answer["ended"])
            body = {"errorType": error, "errorMessage": f"RequestId: {request_id} Error: {why}"}
        return {"body": body, "error": True, "log": log}

    def _take(self, program: Program) -> _Worker:
        with self._lock:
            while self._idle[program]:
                if not (worker := self._idle[program].pop()).channel.poll():
                    return worker  # another one has been ended, by a fork of this process
        return _Worker(program, self.prepare(program.code, program.layers))


def _ended(invocation: Invocation, status: int) -> tuple[str, str]:
    """Return how Lambda reports the end of a process: type and message; a signal is negative."""
    if invocation.timed_out:
        seconds = invocation.worker.runs.seconds
        return "Sandbox.Timedout", f"Task timed out after {seconds}.00 seconds"
    how = f"with error: exit status {status}" if status else "without providing a reason"
    if status < 0:
        how = f"with error: signal: {str(signal.strsignal(-status)).lower()}"
    return "Runtime.ExitError", f"Runtime exited {how}"


def is_at_rest(process_id: int, most: int = 0) -> bool:
    """Say whether at most so many threads of a process compute; False if unknown."""
    with suppress(OSError):  # a thread has ended, or this is no Linux
        stats = (each / "stat" for each in Path(f"/proc/{process_id}/task").iterdir())
        return sum(b") S " not in stat.read_bytes() for stat in stats) <= most
    return False


class _Zygote:
    """A process that forks functions with one set of libraries; see zygote.py.

    It is a fork itself, of a `base` that lacks its last layer, if it has several: layers agree in
    the versions of what they hold.
    """

    def __init__(self, code: str, layers: tuple[str, ...], base: _Zygote | None) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._orders, theirs = Pipe()
        with theirs:
            if base:
                base.order({"code": code, "layers": layers}, theirs)
                return
            given = str(theirs.fileno()), os.pathsep.join(sys.path), code, *layers
            command = [sys.executable, "-S", str(_ZYGOTE), *given]
            self._process = subprocess.Popen(command, pass_fds=[theirs.fileno()])

    def order(self, order: Json, channel: Connection) -> None:
        """Let a fork of it do something, with a connection of its own."""
        with self._lock:
            self._orders.send(order)
            reduction.send_handle(self._orders, channel.fileno(), None)

    def stop(self) -> None:
        self._orders.close()  # at which it ends
        if self._process:
            self._process.kill()
            self._process.wait()


class _Worker:
    """The process of one function version."""

    def __init__(self, runs: Program, zygote: _Zygote) -> None:
        self.runs = runs
        self.channel, theirs = Pipe()
        with theirs:
            zygote.order(asdict(runs), theirs)
        self.pid, self.is_ready = self.read().get("pid", 0), False

    def ask(self, request: Json) -> Json:
        """Return the answer, or how the process ended; None if it computes far past its limit."""
        if not self.is_ready:
            begun = self._answer()
            if begun is None or "ready" not in begun:
                return begun
            self.is_ready = True
        with suppress(ConnectionError):
            self.channel.send(request)
        return self._answer()

    def _answer(self) -> Json:
        return self.read() if self.channel.poll(_PATIENCE * self.runs.seconds) else None

    def read(self) -> Json:
        try:
            return self.channel.recv()
        except EOFError:
            return {"ended": 0, "log": ""}

    def kill(self) -> None:
        if self.pid:
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)

    def end(self) -> None:
        """Let it end, if it has not."""
        self.channel.close()
