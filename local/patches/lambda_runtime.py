"""Lambda: errors carry their class name, and a running function holds the clock."""

from __future__ import annotations

import hashlib
import tempfile
import threading
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from ministack.core import lambda_runtime
from ministack.services import lambda_svc

from local.clock import SimulatedClock
from local.patches import PatchOutdated, original

_unpacking = threading.Lock()
_WORKER_ERROR = '"error": str(e), "trace"'
_NAMED_ERROR = '"error": str(e), "type": type(e).__name__, "trace"'


def name_the_error_class() -> None:
    """Report a handler's exception by its class name, as AWS does, so that Catch can match it."""
    script = original(lambda_runtime, "_PYTHON_WORKER_SCRIPT")
    if _WORKER_ERROR not in script:
        raise PatchOutdated("the Python worker script no longer reports errors as it did")
    lambda_runtime._PYTHON_WORKER_SCRIPT = script.replace(_WORKER_ERROR, _NAMED_ERROR)
    last = threading.local()
    invoke = original(lambda_runtime.Worker, "invoke")
    execute = original(lambda_svc, "_execute_function_warm")

    def invoke_and_keep(self: Any, *args: Any, **kwargs: Any) -> Any:
        last.result = invoke(self, *args, **kwargs)
        return last.result

    def execute_named(func: dict[str, Any], event: Any, request_id: str) -> dict[str, Any]:
        last.result = {}
        outcome: dict[str, Any] = execute(func, event, request_id)
        if outcome.get("error") and isinstance(outcome.get("body"), dict):
            outcome["body"].update(_as_aws_reports(outcome["body"], last.result))
        return outcome

    lambda_runtime.Worker.invoke = invoke_and_keep
    lambda_svc._execute_function_warm = execute_named


def _as_aws_reports(body: dict[str, Any], result: dict[str, Any]) -> dict[str, Any]:
    message = str(body.get("errorMessage", ""))
    if result.get("type"):
        trace = str(result.get("trace") or "").splitlines()
        return {"errorType": result["type"], "stackTrace": trace}
    if message == "Worker process died":
        return {"errorType": "Runtime.ExitError"}
    if message.startswith("Worker init failed: No module"):
        return {"errorType": "Runtime.ImportModuleError"}
    return {}


def unpack_a_layer_once() -> None:
    """Share a layer's files between all functions of this process; stock unpacks it for each.

    A cold start then takes as long as its imports. Code stays a function's own.
    """
    stock = original(lambda_runtime, "zipfile")
    unpacked = Path(tempfile.mkdtemp(prefix="layers-"))

    class SharedLayer(zipfile.ZipFile):
        """Stands in for ZipFile where a worker unpacks; other names behave as ever."""

        def namelist(self) -> list[str]:
            # Each name is checked against escaping its folder: nothing to check in a link.
            return [] if self._is_layer() else list(super().namelist())

        def extractall(self, path: Any = None, members: Any = None, pwd: Any = None) -> None:
            if not self._is_layer():
                super().extractall(path, members, pwd)
                return
            identity = hashlib.sha256(Path(str(self.filename)).read_bytes()).hexdigest()
            folder = unpacked / identity
            with _unpacking:
                if not folder.exists():
                    part = unpacked / f"{identity}.part"
                    super().extractall(part, super().namelist())
                    part.rename(folder)
            Path(path).rmdir()
            Path(path).symlink_to(folder)

        def _is_layer(self) -> bool:
            return Path(str(self.filename)).name.startswith("layer_")

    lambda_runtime.zipfile = SimpleNamespace(**{**vars(stock), "ZipFile": SharedLayer})


def hold_the_clock_while_a_function_runs(clock: SimulatedClock) -> None:
    """Count a function's real duration as simulated time, whoever invoked it."""
    execute = original(lambda_svc, "_execute_function_warm")

    def execute_computing(func: dict[str, Any], event: Any, request_id: str) -> Any:
        with clock.computing():
            return execute(func, event, request_id)

    lambda_svc._execute_function_warm = execute_computing
