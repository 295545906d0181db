"""Runs functions: a process that has imported their libraries, and a fork of it for each.

Started by `local.functions.processes` with the number of a socket, on which it gets orders, one a
message. A fork imports the function's own code, so nothing of an earlier one hides a cold start's
fault, and then serves one invocation a line. It imports nothing of this project.
"""

from __future__ import annotations

import ast
import functools
import gc
import http.client
import importlib
import json
import os
import resource
import site
import socket
import sys
import time
import traceback
import types
import urllib.parse
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any, NoReturn

_ORDER_BYTES = 1 << 20
_MIB = 1 << 20


def main() -> None:
    """Serve orders until the socket is closed."""
    del sys.path[0]  # the folder of this file
    control = socket.socket(fileno=int(sys.argv[1]))
    while True:
        message, descriptors, _, _ = socket.recv_fds(control, _ORDER_BYTES, 2)
        if not message:
            return
        order = json.loads(message)
        answer = _ORDERS[order["order"]](control, order, *descriptors)
        control.send(json.dumps(answer).encode())


def _prepare(_: socket.socket, order: dict[str, Any]) -> dict[str, Any]:
    """Import the libraries that a function's code names."""
    code = Path(order["code"])
    for layer in reversed(order["layers"]):
        for folder in (layer, *Path(layer).glob("lib/python3*/site-packages")):
            sys.path.insert(0, str(folder))
            site.addsitedir(str(folder))
    loader = importlib.import_module("botocore.loaders").JSONFileLoader
    loader.load_file = functools.cache(loader.load_file)  # forks share what was read
    modules, texts = _names(code)
    own = {name for name in modules if (code / name.partition(".")[0]).exists()}
    for name in sorted(modules - own):
        _import(name)
    _read_models(texts)
    sys.path.insert(0, order["code"])
    environment = os.environ
    os.environ = _Guarded(environment)  # type: ignore[assignment]  # noqa: B003  # for a while
    for name in sorted(own):
        _import(name)
    os.environ = environment  # noqa: B003
    del sys.path[0]
    gc.freeze()
    return {}


def _import(name: str) -> None:
    try:
        importlib.import_module(name)
    except (Exception, _EnvironmentRead):  # noqa: BLE001  # a function that needs it will say so
        return


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


def _names(code: Path) -> tuple[set[str], set[str]]:
    """Return the modules that the code imports, and its string constants."""
    modules, texts = set[str](), set[str]()
    for path in code.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.Import):
                modules |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                modules.add(node.module)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                texts.add(node.value)
    return modules, texts


def _read_models(texts: set[str]) -> None:
    """Read the models of the AWS services that the code names, for the forks to share."""
    session = importlib.import_module("botocore.session").Session()
    loader = session.get_component("data_loader")
    for service in texts & set(session.get_available_services()):
        for kind in ("service-2", "endpoint-rule-set-1"):
            loader.load_service_model(service, kind)
    session.get_component("endpoint_resolver")


def _fork(
    control: socket.socket, order: dict[str, Any], channel: int, output: int
) -> dict[str, Any]:
    pid = os.fork()
    if not pid:
        control.close()
        for standard in (1, 2):
            os.dup2(output, standard)
        with socket.socket(fileno=channel) as own:
            _serve(order, own.makefile("rw", encoding="utf-8"))
    os.close(channel)
    os.close(output)
    return {"pid": pid}


def _wait(_: socket.socket, order: dict[str, Any]) -> dict[str, Any]:
    return {"status": os.waitstatus_to_exitcode(os.waitpid(order["pid"], 0)[1])}


_ORDERS: dict[str, Callable[..., dict[str, Any]]] = {
    "prepare": _prepare,
    "fork": _fork,
    "wait": _wait,
}


# --- in the fork


def _serve(order: dict[str, Any], channel: IO[str]) -> NoReturn:
    status = 0
    os.environ.clear()
    os.environ.update(order["variables"])
    python = f"{sys.version_info[0]}.{sys.version_info[1]}"
    os.environ["AWS_EXECUTION_ENV"] = f"AWS_Lambda_python{python}-p{os.getpid()}"
    os.chdir(order["code"])
    sys.path.insert(0, order["code"])
    _limit_memory(order["memory"])
    setattr(time, "sleep", _sleep)  # noqa: B010  # mypy takes it so
    try:
        handler = _handler(order["handler"])
        _tell(channel, {"ready": True})
        for line in channel:
            _tell(channel, _invoke(handler, order, json.loads(line)))
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException as error:  # noqa: BLE001  # of the import, told as Lambda tells it
        _tell(channel, _failure(error, order, kind=_of_import(error)))
        status = 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(status)


def _handler(name: str) -> Any:  # noqa: ANN401  # whatever the function calls so
    module, _, function = name.rpartition(".")
    return getattr(importlib.import_module(module.replace("/", ".")), function)


def _of_import(error: BaseException) -> str:
    return "Runtime.ImportModuleError" if isinstance(error, ImportError) else type(error).__name__


def _invoke(handler: Any, order: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:  # noqa: ANN401  # same
    context = types.SimpleNamespace(
        function_name=order["variables"]["AWS_LAMBDA_FUNCTION_NAME"],
        function_version=order["variables"]["AWS_LAMBDA_FUNCTION_VERSION"],
        invoked_function_arn=order["arn"],
        memory_limit_in_mb=order["memory"],
        aws_request_id=given["request_id"],
        log_group_name=order["variables"]["AWS_LAMBDA_LOG_GROUP_NAME"],
        log_stream_name="",
        get_remaining_time_in_millis=lambda: int(_sleep(0) * 1000),
    )
    try:
        result = handler(given["event"], context)
    except MemoryError as error:
        return _failure(error, order, kind="Runtime.OutOfMemory")
    except Exception as error:  # noqa: BLE001  # Lambda tells it to the caller
        return _failure(error, order, kind=type(error).__name__)
    try:
        return {"result": json.loads(json.dumps(result, allow_nan=False))}
    except (TypeError, ValueError) as error:
        return _failure(error, order, kind="Runtime.MarshalError")


def _failure(error: BaseException, order: dict[str, Any], *, kind: str) -> dict[str, Any]:
    """Return an error as Lambda reports it, with the paths that it would have there."""
    frames = traceback.format_list(traceback.extract_tb(error.__traceback__))[1:]
    trace = [_as_deployed(frame, order) for frame in frames]
    return {"error": {"errorMessage": str(error), "errorType": kind, "stackTrace": trace}}


def _as_deployed(frame: str, order: dict[str, Any]) -> str:
    for layer in order["layers"]:
        frame = frame.replace(layer, "/opt/python")
    return frame.replace(order["code"], "/var/task")


def _tell(channel: IO[str], answer: dict[str, Any]) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    channel.write(json.dumps(answer) + "\n")
    channel.flush()


def _limit_memory(mebibytes: int) -> None:
    """Let it have so much beside what its libraries share with others."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[5])
    most = pages * resource.getpagesize() + mebibytes * _MIB
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))


def _sleep(seconds: float) -> float:
    """Let the offline AWS sleep, on its clock; return how many seconds the function has left."""
    if seconds < 0:
        raise ValueError("sleep length must be non-negative")
    gateway = urllib.parse.urlsplit(os.environ["AWS_ENDPOINT_URL"]).netloc
    connection = http.client.HTTPConnection(gateway)
    body = json.dumps({"process": os.getpid(), "seconds": seconds})
    connection.request("POST", "/_offline/sleep", body)
    left: float = json.loads(connection.getresponse().read())["seconds_left"]
    connection.close()
    return left


if __name__ == "__main__":
    main()
