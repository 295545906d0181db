"""MiniStack in a thread of this process, patched, with our own Bedrock in front."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import boto3

from local.bedrock import Bedrock, Scenario
from local.call_faults import HANG_UP, CallFaults
from local.clock import SimulatedClock
from local.controls import controls
from local.environment import offline_variables, scrubbed
from local.services import comprehend, service_quotas

if TYPE_CHECKING:
    from local.ministack.invocations import Invocations

_START_SECONDS = 30
_THREADS = 128  # a function's thread that sleeps takes one of them
_ServiceName = Literal["bedrock", "bedrock-runtime"]
_SERVICES: tuple[_ServiceName, ...] = ("bedrock", "bedrock-runtime")
Answer = tuple[int, dict[str, str], bytes]


class OfflineAws:
    """The offline AWS of this process; MiniStack is a module, so there is one at a time.

    Parameters
    ----------
    region
        Where clients and functions find themselves.
    port
        Port on 127.0.0.1; None takes a free one.
    """

    def __init__(self, *, region: str, port: int | None = None) -> None:
        self.region = region
        self.port = port or _free_port()
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self.variables = offline_variables(self.endpoint, region)
        self.clock = SimulatedClock()
        self.bedrock: Bedrock
        self.faults: CallFaults
        self.invocations: Invocations
        self.redeploy: Callable[[], None] = lambda: None  # what follows a reset of `local up`
        self._scratch = Path(tempfile.mkdtemp(prefix="offline-aws-"))
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
            "LAMBDA_WARM_TTL_SECONDS": "3600",  # simulated hours may pass between two calls
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
        from ministack.core import lambda_runtime  # noqa: PLC0415  # only after start()
        from ministack.services import stepfunctions  # noqa: PLC0415  # same

        for execution in list(stepfunctions._executions._data.values()):  # noqa: SLF001  # no public way
            if execution["status"] == "RUNNING":
                execution["status"] = "ABORTED"  # its threads end at their next step
        self.clock.stop()
        lambda_runtime.reset()
        if self._loop and self._done:
            self._loop.call_soon_threadsafe(self._done.set)
        if self._thread:
            self._thread.join(timeout=10)
        lambda_runtime.reset()  # a function that was being started meanwhile
        tempfile.tempdir = None
        shutil.rmtree(self._scratch, ignore_errors=True)

    def reset(self) -> None:
        """Forget everything: stacks, buckets, executions, Bedrock's jobs and meter."""
        from ministack import app as gateway  # noqa: PLC0415  # only after start()

        gateway._reset_all_state()  # noqa: SLF001  # the reset that its own endpoint calls

    def enforce_iam(self, *, on: bool) -> None:
        """From now on, check signatures and the roles of functions and machines, or do not."""
        from ministack import app as gateway  # noqa: PLC0415  # only after start()
        from ministack.core import lambda_runtime  # noqa: PLC0415  # same

        gateway.AUTH = on
        lambda_runtime.reset()  # running functions hold the credentials of before

    def _forgetting(self, reset: Callable[[], None]) -> Callable[[], None]:
        def reset_all() -> None:
            reset()
            self.clock.forget()
            self.bedrock.reset()
            self.faults.set()

        return reset_all

    def _assemble(self) -> Any:  # noqa: ANN401  # MiniStack publishes no types
        from ministack import app as gateway  # noqa: PLC0415  # reads the environment on import
        from ministack.core import router  # noqa: PLC0415  # same

        from local.ministack import access, bedrock_adapter, patches  # noqa: PLC0415  # same

        self.bedrock = Bedrock(
            clock=self.clock,
            objects=bedrock_adapter.S3Objects(),
            events=bedrock_adapter.publish,
            role_assumable=bedrock_adapter.role_assumable,
            scenario=Scenario(),
            caller=bedrock_adapter.caller,
        )
        self.invocations = patches.apply(self.clock, self.bedrock.resource_tags)
        for service in _SERVICES:
            gateway.SERVICE_HANDLERS[service] = self._handler(service)
        router.SERVICE_PATTERNS["service-quotas"] = {"target_prefixes": [service_quotas.TARGET]}
        gateway.SERVICE_HANDLERS["service-quotas"] = self._quotas
        router.SERVICE_PATTERNS["comprehend"] = {"target_prefixes": [comprehend.TARGET]}
        gateway.SERVICE_HANDLERS["comprehend"] = self._comprehend
        gateway._reset_all_state = self._forgetting(gateway._reset_all_state)  # noqa: SLF001  # its endpoint calls it by this name
        self.faults = CallFaults(self.invocations.caller)
        return controls(self.faults.around(access.present_requests_as_tls(gateway.app)), self)

    def _handler(self, service: _ServiceName) -> Any:  # noqa: ANN401  # an async callable
        async def handle(
            method: str, path: str, headers: Mapping[str, str], body: bytes, query: dict[str, Any]
        ) -> Answer:
            return await asyncio.to_thread(
                self._answer, service, method, path, headers, body or b"", query
            )

        return handle

    async def _quotas(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes, query: dict[str, Any]
    ) -> Answer:
        del method, path, query
        action, denied = _targeted(headers, "servicequotas")
        return denied or service_quotas.answer(action, body, self.bedrock.scenario)

    async def _comprehend(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes, query: dict[str, Any]
    ) -> Answer:
        del method, path, query
        action, denied = _targeted(headers, "comprehend")
        return denied or comprehend.answer(action, body)

    def _answer(  # noqa: PLR0913, PLR0917  # MiniStack's handler takes these
        self,
        service: _ServiceName,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes,
        query: dict[str, Any],
    ) -> Answer:
        from ministack import app as gateway  # noqa: PLC0415  # as above
        from ministack.core.responses import get_account_id, get_region  # noqa: PLC0415  # same

        from local.ministack.access import denial  # noqa: PLC0415  # same

        account, region = get_account_id(), get_region()
        if gateway.AUTH:
            checks = self.bedrock.authorization(service, method, path, body, account, region)
            denied = denial(headers, checks, service)
            if denied:
                return denied
        answer: Answer = self.bedrock.handle(
            service, account, region, method, path, headers, _lists(query), body
        )
        return answer

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
    """Let an application end a connection without a word, for which ASGI has no message."""
    from hypercorn.protocol import http_stream  # noqa: PLC0415  # with MiniStack

    send = http_stream.HTTPStream.app_send

    async def send_or_hang_up(stream: http_stream.HTTPStream, message: Any) -> None:  # noqa: ANN401  # ASGI's own
        if message and message["type"] == HANG_UP:
            stream.state = http_stream.ASGIHTTPState.CLOSED
        else:
            await send(stream, message)

    setattr(http_stream.HTTPStream, "app_send", send_or_hang_up)  # noqa: B010  # mypy takes it so


def _lists(query: dict[str, Any]) -> dict[str, list[str]]:
    return {k: v if isinstance(v, list) else [str(v)] for k, v in query.items()}


def _targeted(headers: Mapping[str, str], service: str) -> tuple[str, Answer | None]:
    """Return the action that a JSON request names, and the denial if the caller may not do it."""
    from ministack import app as gateway  # noqa: PLC0415  # only after start()

    from local.ministack.access import denial  # noqa: PLC0415  # same

    action = headers.get("x-amz-target", "").rpartition(".")[2]
    needed = [(f"{service}:{action}", "*", dict[str, Any]())]
    return action, denial(headers, needed, service) if gateway.AUTH else None


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
