"""Lambda: errors reported by class name, as AWS does, and layers unpacked once."""

from __future__ import annotations

import hashlib
import signal
import tempfile
import threading
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from ministack.core import lambda_runtime
from ministack.services import lambda_svc

from local.ministack.upstream import PatchOutdated, original

_unpacking = threading.Lock()
_WORKER_ERROR = (
    '{"status": "error", "error": str(e), "trace": traceback.format_exc()}) + "\\n")\n        _real'
)
_RAISED = "raised by the handler"
_NAMED_ERROR = (
    '{"status": "ok", "result": {"' + _RAISED + '": {"error": str(e), '
    '"type": type(e).__name__, "trace": traceback.format_exc()}}}) + "\\n")\n        _real'
)


def name_the_error_class() -> None:
    """Report a handler's exception by its class name, as AWS does, so that Catch can match it.

    And keep the process that raised it, as AWS keeps the environment: stock kills it.
    """
    replace_in_worker(_WORKER_ERROR, _NAMED_ERROR)
    last = threading.local()
    invoke = original(lambda_runtime.Worker, "invoke")
    execute = original(lambda_svc, "_execute_function_warm")

    def invoke_and_keep(self: Any, *args: Any, **kwargs: Any) -> Any:
        last.result = _unwrapped(invoke(self, *args, **kwargs))
        return last.result

    def execute_named(func: dict[str, Any], event: Any, request_id: str) -> dict[str, Any]:
        last.result = {}
        outcome: dict[str, Any] = execute(func, event, request_id)
        if outcome.get("error") and isinstance(outcome.get("body"), dict):
            outcome["body"].update(_as_aws_reports(outcome["body"], last.result, request_id))
        return outcome

    lambda_runtime.Worker.invoke = invoke_and_keep
    lambda_svc._execute_function_warm = execute_named


def replace_in_worker(old: str, new: str) -> None:
    """Change the script that runs in each function's process."""
    script = original(lambda_runtime, "_PYTHON_WORKER_SCRIPT")
    if script.count(old) != 1:
        raise PatchOutdated(f"the Python worker script no longer holds {old!r} once")
    lambda_runtime._PYTHON_WORKER_SCRIPT = script.replace(old, new)


def _unwrapped(response: dict[str, Any]) -> dict[str, Any]:
    result = response.get("result")
    if not isinstance(result, dict) or _RAISED not in result:
        return response
    rest = {key: value for key, value in response.items() if key not in {"status", "result"}}
    return {**rest, "status": "error", **result[_RAISED]}


def _as_aws_reports(
    body: dict[str, Any], result: dict[str, Any], request_id: str
) -> dict[str, Any]:
    message = str(body.get("errorMessage", ""))
    if result.get("type"):
        trace = str(result.get("trace") or "").splitlines()
        return {"errorType": result["type"], "stackTrace": trace}
    if message == "Worker process died":
        why = f"RequestId: {request_id} Error: {_exit(result.get('exit', 0))}"
        return {"errorType": "Runtime.ExitError", "errorMessage": why}
    if message.startswith("Task timed out"):
        return {"errorMessage": f"RequestId: {request_id} Error: {message}"}
    if message.startswith("Worker init failed: No module"):
        return {"errorType": "Runtime.ImportModuleError"}
    return {}


def _exit(status: int) -> str:
    """Return what Lambda says of a process that ended; a signal's number is negative."""
    if status < 0:
        names = {signal.SIGKILL: "killed", signal.SIGTERM: "terminated"}
        return f"Runtime exited with error: signal: {names.get(signal.Signals(-status), -status)}"
    if status:
        return f"Runtime exited with error: exit status {status}"
    return "Runtime exited without providing a reason"


def unpack_a_layer_once() -> None:
    """Share a layer's files between all functions of this process; stock unpacks it for each.

    A cold start then takes as long as its imports. Code stays a function's own.
    """
    stock = original(lambda_runtime, "zipfile")
    unpacked = Path(tempfile.mkdtemp(prefix="layers-"))

    class SharedLayer(zipfile.ZipFile):
        """Stands in for ZipFile where a worker unpacks; other names behave as usual."""

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
