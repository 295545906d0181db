"""Runs functions: a process that has imported their libraries, and a fork of it for each.

Started by `local.functions.processes` with a connection, from which it reads orders, each with a
connection for the process that does it: to run a function, or to prepare for others with one more
layer. It imports nothing of this project.
"""

from __future__ import annotations

import contextlib
import gc
import http.client
import importlib
import json
import os
import re
import resource
import signal
import sys
import tempfile
import threading
import time
import traceback
import types
import urllib.parse
from collections.abc import Mapping
from importlib.machinery import ModuleSpec, PathFinder
from multiprocessing import get_context, reduction
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NoReturn

_MIB = 1 << 20
# What Lambda's Python has of this machine's packages: the SDK, and what it needs.
_OF_LAMBDA = ("boto3", "botocore", "dateutil", "jmespath", "s3transfer", "six", "urllib3")
_OF_THREAD = threading.local()
_IMPORTED = re.compile(r"^ *(?:from|import) +([\w.]+)", re.MULTILINE)


def main() -> NoReturn:
    """Do orders until who started this ends, and with it the other end of the connection."""
    del sys.path[0]  # the folder of this file
    descriptor, packages, code, *layers = sys.argv[1:]
    sys.meta_path.append(_OfLambda(packages))
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those who wait
    _prepare(code, layers)
    orders = Connection(int(descriptor))
    with contextlib.suppress(EOFError):
        while order := orders.recv():
            channel = Connection(reduction.recv_handle(orders))
            if os.fork():
                channel.close()
                continue
            orders.close()
            if "handler" in order:
                _watch(order, channel)
            _prepare(**order)
            orders = channel
    os._exit(0)


class _OfLambda:
    """Finds those packages in some folders that Lambda's Python has, after all else."""

    def __init__(self, folders: str) -> None:
        self._path = folders.split(os.pathsep)

    def find_spec(self, name: str, *_: object) -> ModuleSpec | None:
        return PathFinder.find_spec(name, self._path) if name in _OF_LAMBDA else None


def _prepare(code: str, layers: list[str]) -> None:
    """Import what a function's code names: libraries, and modules of its own."""
    sys.path[:0] = [layer for layer in layers if layer not in sys.path]
    text = "\n".join(path.read_text(errors="replace") for path in Path(code).rglob("*.py"))
    named = set(_IMPORTED.findall(text))
    own = {name for name in named if Path(code, name.partition(".")[0]).exists()}
    _import(named - own)
    sys.path.insert(0, code)
    environment = os.environ
    os.environ = _Guarded(environment)  # type: ignore[assignment]  # noqa: B003  # for a while
    _import(own)
    os.environ = environment  # noqa: B003
    gc.freeze()


def _import(names: set[str]) -> None:
    for name in sorted(names):
        with contextlib.suppress(Exception, _EnvironmentRead):  # who needs it will say so
            importlib.import_module(name)


class _EnvironmentRead(BaseException):
    """A module reads the environment as it is imported: each function has to do that itself."""


class _Guarded(Mapping[str, str]):
    """The environment of this process, without what a function may be given by its own."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    def __getitem__(self, name: str) -> str:
        of_python = name.lstrip("_").startswith("PY")  # as pydantic's, too
        if name.startswith("AWS") or not (of_python or name in self._environment):
            raise _EnvironmentRead
        return self._environment[name]

    def __iter__(self) -> NoReturn:
        raise _EnvironmentRead

    __len__ = __iter__


def _watch(order: dict[str, Any], channel: Connection) -> NoReturn:
    """Run a function in a fork, and tell how that ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    with tempfile.TemporaryFile() as output:
        given = order, channel, output.fileno()
        function = get_context("fork").Process(target=_serve, args=given)
        function.start()
        function.join()
        with contextlib.suppress(OSError):  # nobody wants to know
            _tell(channel, {"ended": function.exitcode}, output.fileno())
    os._exit(0)


# --- in the fork


def _serve(order: dict[str, Any], channel: Connection, output: int) -> None:
    for standard in (1, 2):
        os.dup2(output, standard)
    os.environ.clear()
    os.environ.update(order["variables"])
    python = f"{sys.version_info[0]}.{sys.version_info[1]}"
    os.environ["AWS_EXECUTION_ENV"] = f"AWS_Lambda_python{python}-p{os.getpid()}"
    os.chdir(order["code"])
    _limit_memory(order["memory"])
    setattr(time, "sleep", _sleep)  # noqa: B010  # mypy takes it so
    _tell(channel, {"pid": os.getpid()})
    try:
        module, _, function = order["handler"].replace("/", ".").rpartition(".")
        handler = getattr(importlib.import_module(module), function)
    except Exception as error:  # noqa: BLE001  # told as Lambda tells it
        missing = isinstance(error, ImportError) and "Runtime.ImportModuleError"
        _tell(channel, _failure(error, order, missing or type(error).__name__))
        sys.exit(1)
    _tell(channel, {"ready": True})
    with contextlib.suppress(EOFError):
        while True:
            _tell(channel, _invoke(handler, order, channel.recv()))
    os._exit(0)  # nobody calls it any more, whatever its threads do


def _invoke(handler: Any, order: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:  # noqa: ANN401  # whatever the function calls so
    context = types.SimpleNamespace(
        function_name=order["name"],
        function_version=order["variables"]["AWS_LAMBDA_FUNCTION_VERSION"],
        invoked_function_arn=order["arn"],
        memory_limit_in_mb=order["memory"],
        aws_request_id=given["request_id"],
        log_group_name=order["variables"]["AWS_LAMBDA_LOG_GROUP_NAME"],
        log_stream_name="",
        get_remaining_time_in_millis=lambda: int(_sleep(0) * 1000),
    )
    has_returned = False
    try:
        result = handler(given["event"], context)
        has_returned = True
        return {"result": json.loads(json.dumps(result, allow_nan=False))}
    except Exception as error:  # noqa: BLE001  # Lambda tells it to the caller
        memory = isinstance(error, MemoryError) and "Runtime.OutOfMemory"
        kind = "Runtime.MarshalError" if has_returned else memory or type(error).__name__
        return _failure(error, order, kind)


def _failure(error: BaseException, order: dict[str, Any], kind: str) -> dict[str, Any]:
    """Return an error as Lambda reports it, with the paths that it would have there."""
    trace = traceback.format_list(traceback.extract_tb(error.__traceback__))[1:]
    shown = dict.fromkeys(order["layers"], "/opt/python") | {order["code"]: "/var/task"}
    for folder, there in shown.items():
        trace = [frame.replace(folder, there) for frame in trace]
    return {"error": {"errorMessage": str(error), "errorType": kind, "stackTrace": trace}}


def _tell(channel: Connection, answer: dict[str, Any], output: int = 1) -> None:
    """Send an answer, with what was printed before it."""
    sys.stdout.flush()
    sys.stderr.flush()
    printed = os.pread(output, os.fstat(output).st_size, 0)
    os.ftruncate(output, 0)
    os.lseek(output, 0, os.SEEK_SET)
    channel.send({**answer, "log": printed.decode(errors="replace")})


def _limit_memory(mebibytes: int) -> None:
    """Let it have so much beside what its libraries share with others, where that is known."""
    with contextlib.suppress(FileNotFoundError):
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[5])
        most = pages * resource.getpagesize() + mebibytes * _MIB
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))


def _sleep(seconds: float) -> float:
    """Let the offline AWS sleep, on its clock; return how many seconds the function has left."""
    if seconds < 0:
        raise ValueError("sleep length must be non-negative")
    if not hasattr(_OF_THREAD, "gateway"):
        gateway = urllib.parse.urlsplit(os.environ["AWS_ENDPOINT_URL"]).netloc
        _OF_THREAD.gateway = http.client.HTTPConnection(gateway)
    body = json.dumps({"process": os.getpid(), "seconds": seconds})
    try:
        _OF_THREAD.gateway.request("POST" if seconds else "GET", "/_offline/sleep", body)
        left: float = json.loads(_OF_THREAD.gateway.getresponse().read())["seconds_left"]
    except (BrokenPipeError, ConnectionResetError):  # who served it has a fork that does now
        _OF_THREAD.gateway.close()
        return _sleep(seconds)
    return left


if __name__ == "__main__":
    main()
