"""MiniStack in a thread of this process, patched, with our own Bedrock in front."""

from __future__ import annotations

import asyncio
import math
import os
import shutil
import socket
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3

from local.bedrock import Bedrock, World
from local.call_faults import HANG_UP, CallFaults
from local.clock import SimulatedClock
from local.controls import controls
from local.environment import offline_variables, scrubbed
from local.functions.processes import Functions
from local.states.expressions import Expressions
from local.states.service import StepFunctions

_START_SECONDS = 30
_SWEEP_SECONDS = 10
_THREADS = 128  # a function's thread that sleeps takes one of them


class OfflineAws:
    """The offline AWS of this process; MiniStack is a module, so there is one at a time.

    It serves on a free port of 127.0.0.1; clients and functions are in `region`. What is left to
    chance follows from `seed`, and at most `pace` simulated seconds pass in a real one. With a
    `start`, in epoch seconds, no time passes while nobody waits: all is the same each time.
    """

    def __init__(
        self, *, region: str, seed: int = 0, pace: float = math.inf, start: float | None = None
    ) -> None:
        self.region = region
        self.port = _free_port()
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self.variables = offline_variables(self.endpoint, region)
        self.clock = SimulatedClock(start, seed=seed, pace=pace, idle_runs=start is None)
        self.functions = Functions(self.clock)
        self.bedrock: Bedrock
        self.faults: CallFaults
        self.executions: StepFunctions
        self.redeploy: Callable[[], None] = lambda: None  # what follows a reset of `local up`
        self._expressions = Expressions()
        self._scratch = Path(tempfile.mkdtemp(prefix="offline-aws-"))
        self._stopped = threading.Event()
        self._done: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Replace this process's AWS environment, start serving, and return when it answers."""
        environ = scrubbed(os.environ) | self.variables
        environ |= {
            "GATEWAY_PORT": str(self.port),
            "MINISTACK_REGION": self.region,
            "LAMBDA_EXECUTOR": "local",
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            "LOG_LEVEL": "ERROR",
            "TMPDIR": str(self._scratch),  # code of functions; deleted in stop()
            "PYTHONWARNINGS": "ignore",
        }
        os.environ.clear()
        os.environ.update(environ)
        boto3.DEFAULT_SESSION = None  # it holds the credentials of before
        tempfile.tempdir = str(self._scratch)
        app = self._assemble()
        self._thread = threading.Thread(target=self._serve, args=(app,), daemon=True)
        self._thread.start()
        _wait_until_listening(self.port)

    def stop(self) -> None:
        """End the server and its functions' processes, and delete what they left on disk."""
        self._stopped.set()
        self.clock.stop()
        self.functions.stop()
        self._expressions.stop()
        if self._loop and self._done:
            self._loop.call_soon_threadsafe(self._done.set)
        if self._thread:
            self._thread.join(timeout=10)
        self.functions.stop()  # what was being started meanwhile
        tempfile.tempdir = None
        give_up_at = time.monotonic() + _SWEEP_SECONDS
        while self._scratch.exists() and time.monotonic() < give_up_at:
            # A function that was being unpacked meanwhile may still write.
            shutil.rmtree(self._scratch, ignore_errors=True)

    def reset(self) -> None:
        """Delete everything: stacks, buckets, executions, Bedrock's jobs and meter."""
        from ministack import app as gateway  # noqa: PLC0415  # only after start()

        gateway._reset_all_state()  # noqa: SLF001  # the reset that its own endpoint calls
        self._forget()

    def enforce_iam(self, *, on: bool) -> None:
        """Check signatures and the roles of functions and machines from now on, or do not."""
        from local.ministack import gateway  # noqa: PLC0415  # only after start()

        gateway.enforce_iam(on=on)

    def _forget(self) -> None:
        self.executions.forget()
        self.functions.reset()
        self.clock.forget()
        self.bedrock.reset()
        self.faults.set()

    def _assemble(self) -> Any:  # noqa: ANN401  # MiniStack publishes no types
        from ministack import app  # noqa: PLC0415  # reads the environment on import

        from local.ministack import (  # noqa: PLC0415  # same
            access,
            functions,
            gateway,
            grants,
            patches,
            state_machines,
        )

        world = World(
            clock=self.clock,
            objects=gateway.S3Objects(),
            events=gateway.publish,
            grants=grants.Grants(),
            caller=gateway.caller,
        )
        self.bedrock = Bedrock(world)
        processes = functions.OwnProcesses(self.functions)
        self.executions = StepFunctions(
            self.clock, self._expressions, state_machines.AwsWorld(world)
        )
        tags = self.bedrock.resource_tags
        patches.apply(
            patches.Parts(self.clock, processes, self._expressions, self.executions, tags)
        )
        prepare = threading.Thread(target=processes.prepare, args=(self._stopped,), daemon=True)
        prepare.start()
        gateway.register(self.bedrock)
        self.faults = CallFaults(self.functions.caller)
        return controls(self.faults.around(access.present_requests_as_tls(app.app)), self)

    def _serve(self, app: Any) -> None:  # noqa: ANN401  # an ASGI application
        from hypercorn.asyncio import serve  # noqa: PLC0415  # with MiniStack
        from hypercorn.config import Config  # noqa: PLC0415  # same

        _hang_up_on_demand()
        config = Config()
        config.bind = [f"127.0.0.1:{self.port}"]
        config.loglevel = "ERROR"
        config.graceful_timeout = 0.2
        config.include_date_header = False  # answers have their own; Bedrock's is simulated

        async def until_done() -> None:
            self._loop, self._done = asyncio.get_running_loop(), asyncio.Event()
            self._loop.set_default_executor(ThreadPoolExecutor(_THREADS))
            await serve(app, config, shutdown_trigger=self._done.wait)

        asyncio.run(until_done())


def _hang_up_on_demand() -> None:
    """Let an application drop a connection without an answer; ASGI has no message for it."""
    from hypercorn.protocol import http_stream  # noqa: PLC0415  # with MiniStack

    send = http_stream.HTTPStream.app_send

    async def send_or_hang_up(stream: http_stream.HTTPStream, message: Any) -> None:  # noqa: ANN401  # ASGI's own
        if message and message["type"] == HANG_UP:
            stream.state = http_stream.ASGIHTTPState.CLOSED
        else:
            await send(stream, message)

    setattr(http_stream.HTTPStream, "app_send", send_or_hang_up)  # noqa: B010  # mypy takes it so


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_until_listening(port: int) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise TimeoutError(f"the offline AWS did not answer on 127.0.0.1:{port}")
