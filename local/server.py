"""MiniStack in a thread of this process, patched, with our own Bedrock in front.

Beside AWS's it has routes of its own, to look into it and to act on it:

- `GET /_offline/bedrock`: jobs, models, throughputs, deployments and the billing meter, as JSON
- `PUT /_offline/scenario`: quotas, lifecycle and faults from now on (`local.bedrock.Scenario`)
- `POST /_offline/redeploy`: delete everything, then deploy the `local` environment again
- `POST /_offline/advance` with `{"seconds": 3600}`: let simulated time pass
- `POST /_offline/sleep` with `{"process": 4711, "seconds": 2}`: returns when that time has passed,
  and says how many seconds the function that asked has left of its limit; `GET`, for 0 seconds,
  says so at once
"""

from __future__ import annotations

import asyncio
import json
import math
import multiprocessing
import os
import shutil
import socket
import tempfile
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import boto3
import uvicorn
import uvloop

from local.bedrock import Bedrock, Scenario, World
from local.call_faults import HANG_UP, Asgi, CallFaults, Scope
from local.clock import SimulatedClock, iso
from local.environment import offline_variables, scrubbed
from local.functions.processes import Functions
from local.states.expressions import Expressions
from local.states.service import StepFunctions

_ROUTES = "/_offline/"
_SWEEP_SECONDS = 10
_KEPT_SECONDS = 86_400  # connections: a function sleeps by the same again and again
_THREADS = "128"  # a function's thread that sleeps takes one of them


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
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
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
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Replace this process's AWS environment, and start serving."""
        environ = scrubbed(os.environ) | self.variables
        environ |= {
            "GATEWAY_PORT": str(self.port),
            "MINISTACK_REGION": self.region,
            "LAMBDA_EXECUTOR": "local",
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            "MINISTACK_WORKER_THREADS": _THREADS,
            "LOG_LEVEL": "ERROR",
            "TMPDIR": str(self._scratch),  # code of functions; deleted in stop()
            "PYTHONWARNINGS": "ignore",
        }
        os.environ.clear()
        os.environ.update(environ)
        boto3.DEFAULT_SESSION = None  # it holds the credentials of before
        tempfile.tempdir = str(self._scratch)
        self._config = uvicorn.Config(
            self._assemble(),
            log_level="error",
            access_log=False,
            proxy_headers=False,
            server_header=False,
            date_header=False,  # answers have their own; Bedrock's is simulated
            timeout_keep_alive=_KEPT_SECONDS,
        )
        self._serve()

    def stop(self) -> None:
        """End the server and its functions' processes, and delete what they left on disk."""
        self._stopped.set()
        self.clock.stop()
        self.functions.stop()
        self._expressions.stop()
        self._pause()
        self._socket.close()
        self.functions.stop()  # what was being started meanwhile
        tempfile.tempdir = None
        give_up_at = time.monotonic() + _SWEEP_SECONDS
        while self._scratch.exists() and time.monotonic() < give_up_at:
            # A function that was being unpacked meanwhile may still write.
            shutil.rmtree(self._scratch, ignore_errors=True)

    def branch(self, *acts: Callable[[], object]) -> None:
        """Do one act after the other, each in a fork of this process, where all goes on from here.

        Nobody may make a call meanwhile. Raises `ChildProcessError` if one fails, and prints why.
        """
        if any(hold.is_at_rest for hold in self.clock.holds):
            raise RuntimeError("a function runs, which no fork would have")
        self._stopped.set()
        self._preparing.join()
        self._pause()
        process = multiprocessing.get_context("fork").Process
        forks = [process(target=self._go_on, args=(act,)) for act in acts]
        with self.clock.lock:  # here nothing happens meanwhile
            for fork in forks:
                fork.start()
                fork.join()
        self._serve()
        if any(fork.exitcode for fork in forks):
            raise ChildProcessError("what a fork did has failed: its error is above")

    def _go_on(self, act: Callable[[], object]) -> None:
        self.clock.lock.release()  # of the thread that forks
        self.clock.go_on()
        self._serve()
        act()
        os._exit(0)  # whatever the server's threads wait for

    def _serve(self) -> None:
        self._server = uvicorn.Server(self._config)
        serving = self._server.serve([self._socket.dup()])
        self._thread = threading.Thread(target=uvloop.run, args=(serving,), daemon=True)
        self._thread.start()

    def _pause(self) -> None:
        if self._server and self._thread:
            self._server.should_exit = self._server.force_exit = True
            self._thread.join(timeout=10)

    def reset(self) -> None:
        """Delete everything: stacks, buckets, executions, Bedrock's jobs and meter."""
        from ministack import app as gateway  # noqa: PLC0415  # only after start()

        gateway._reset_all_state()  # noqa: SLF001  # the reset that its own endpoint calls
        self.executions.forget()
        self.functions.reset()
        self.clock.forget()
        self.bedrock.reset()
        self.faults.set()

    def enforce_iam(self, *, on: bool) -> None:
        """Check signatures and the roles of functions and machines from now on, or do not."""
        from ministack import app as gateway  # noqa: PLC0415  # only after start()

        gateway.AUTH = on

    def _assemble(self) -> Any:  # noqa: ANN401  # MiniStack publishes no types
        from ministack import app  # noqa: PLC0415  # reads the environment on import

        from local.ministack import (  # noqa: PLC0415  # same
            functions,
            gateway,
            grants,
            patches,
            state_machines,
        )

        world = World(
            clock=self.clock,
            objects=gateway.S3Objects(),
            events=partial(gateway.publish, "aws.bedrock"),
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
        self._preparing = threading.Thread(
            target=processes.prepare, args=(self._stopped,), daemon=True
        )
        self._preparing.start()
        gateway.register(self.bedrock)
        self.faults = CallFaults(self.functions.caller)
        return self._front(self.faults.around(app.app))

    def _front(self, app: Asgi) -> Asgi:
        """Answer the routes of this module, and pass every other request to `app`, as if by TLS."""

        async def front(scope: Scope, receive: Any, send: Any) -> None:  # noqa: ANN401  # ASGI's own
            async def send_or_hang_up(message: Any) -> None:  # noqa: ANN401  # ASGI's own
                if message["type"] != HANG_UP:
                    await send(message)
                    return
                send.__self__.transport.abort()  # uvicorn's; ASGI has no message for it
                await asyncio.sleep(0)  # so that uvicorn learns of it

            if scope["type"] != "http":
                await app(scope, receive, send)
                return
            if not scope["path"].startswith(_ROUTES):
                secure = {**scope, "scheme": "https"}  # of aws:SecureTransport
                await app(secure, receive, send_or_hang_up)
                return
            body = (await receive()).get("body", b"")
            route = scope["path"].removeprefix(_ROUTES)
            act = partial(self._act, scope["method"], route, body)
            answer = act() if scope["method"] == "GET" else await asyncio.to_thread(act)
            status = 404 if answer is None else 200
            headers = [(b"content-type", b"application/json")]
            await send({"type": "http.response.start", "status": status, "headers": headers})
            await send({"type": "http.response.body", "body": json.dumps(answer).encode()})

        return front

    def _act(self, method: str, route: str, body: bytes) -> dict[str, Any] | None:
        match method, route:
            case "GET", "bedrock":
                return self.bedrock.snapshot()
            case "PUT", "scenario":
                self.bedrock.scenario = Scenario.from_json(body.decode())
            case "POST", "redeploy":
                self.reset()
                self.redeploy()
            case "POST", "advance":
                self.clock.advance(float(json.loads(body)["seconds"]))
                return {"now": iso(self.clock.time())}
            case "POST" | "GET", "sleep":
                asked = json.loads(body)
                left = self.functions.sleep(asked["process"], float(asked["seconds"]))
                return {"seconds_left": left}
            case _:
                return None
        return {}
