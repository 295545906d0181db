"""Lambda: functions run in our own processes, on the clock, as MiniStack has them deployed."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tempfile
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ministack.core import lambda_runtime
from ministack.core.responses import get_account_id, get_region, request_scope
from ministack.services import eventbridge, lambda_svc

from local.clock import SimulatedClock
from local.functions.processes import Functions, Program
from local.ministack.upstream import original

Record = dict[str, Any]  # of a function, or of a version of it
_PREPARE_SECONDS = 0.3
_NAME_IN_CALLS = 50  # of characters: SDKs and Tools Reference Guide, feature-appid.html, 2026-11-23


class OwnProcesses:
    """Runs MiniStack's functions in processes of ours."""

    def __init__(self, functions: Functions) -> None:
        self._functions, self._unpacked = functions, _Unpacked()

    def replace_workers(self) -> None:
        """Replace stock workers, which know no error by its class and no simulated time."""
        original(lambda_svc, "_execute_function_warm")
        lambda_svc._execute_function_warm = self._execute

    def prepare(self, stopped: threading.Event) -> None:
        """Import the libraries of each function soon after it is deployed, until `stopped`."""
        while not stopped.wait(_PREPARE_SECONDS):
            for record in list(lambda_svc._functions._data.values()):
                with request_scope(*record["config"]["FunctionArn"].split(":")[4:2:-1]):
                    self._functions.prepare(*self._libraries(record))

    def _execute(self, record: Record, event: Any, request_id: str) -> dict[str, Any]:
        program = _program(record["config"], *self._libraries(record))
        answer = self._functions.run(program, event, request_id)
        return {"body": answer.value, "error": answer.failed, "log": answer.log}

    def _libraries(self, record: Record) -> tuple[str, tuple[str, ...]]:
        """Return the folder of its code, and those of its layers for Python."""
        contents = map(lambda_svc._resolve_layer_zip, record["config"].get("Layers", []))
        layers = (str(self._unpacked.folder(content) / "python") for content in contents)
        return str(self._unpacked.folder(record["code_zip"])), tuple(layers)


def invoke_targets_on_the_clock(clock: SimulatedClock) -> None:
    """Invoke the functions that EventBridge has as targets between events; stock runs a thread."""
    original(eventbridge, "_dispatch_to_lambda")

    def dispatch(arn: str, payload: str) -> None:
        account, region = get_account_id(), get_region()

        def invoke() -> None:
            with request_scope(account, region):
                call(arn, json.loads(payload))

        clock.soon(lambda: in_thread(clock, invoke), name=arn)

    eventbridge._dispatch_to_lambda = dispatch


def in_thread(clock: SimulatedClock, act: Callable[[], None]) -> None:
    """Run `act` in a thread that holds the clock from now on."""

    def run() -> None:
        try:
            with clock.handed_over():
                act()
        finally:
            clock.end_computing()

    clock.begin_computing()
    threading.Thread(target=run, daemon=True).start()


def arn_of(reference: str) -> str | None:
    """Return a function's ARN, with the version if the reference has one; None if there is none."""
    _, config, _ = lambda_svc._get_func_record_for_ref(reference)
    return config["FunctionArn"] if config else None


def call(reference: str, event: Any) -> tuple[Record | None, dict[str, Any]]:
    """Invoke a function by its name or ARN; return its configuration, None if there is none."""
    record, config, _ = lambda_svc._get_func_record_for_ref(reference)
    if not record or not config:
        return None, {}
    execution = lambda_svc._execution_record_for_config(record, config)
    return config, lambda_svc._execute_function_with_config_scope(execution, event)


def _program(config: dict[str, Any], code: str, layers: tuple[str, ...]) -> Program:
    name = config["FunctionName"]
    given = config.get("Environment", {}).get("Variables", {})
    reserved = original(lambda_runtime, "_RESERVED_RUNTIME_ENV_VARS")
    variables = {
        **os.environ,
        **{key: value for key, value in given.items() if key not in reserved},
        **lambda_runtime.execution_credentials(config),
        "AWS_REGION": get_region(),
        "AWS_DEFAULT_REGION": get_region(),
        "AWS_LAMBDA_FUNCTION_NAME": name,
        "AWS_LAMBDA_FUNCTION_VERSION": config.get("Version", "$LATEST"),
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(config.get("MemorySize", 128)),
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{name}",
        "AWS_SDK_UA_APP_ID": name[-_NAME_IN_CALLS:],
    }
    return Program(
        arn=f"{config['FunctionArn']} {variables['AWS_LAMBDA_FUNCTION_VERSION']}",
        name=name,
        code=code,
        layers=layers,
        handler=config["Handler"],
        variables={**variables, "LAMBDA_TASK_ROOT": code},
        seconds=config.get("Timeout", 3),
        memory=config.get("MemorySize", 128),
    )


class _Unpacked:
    """Code and layers on disk, each content once."""

    def __init__(self) -> None:
        self._root = Path(tempfile.mkdtemp(prefix="functions-"))
        self._lock = threading.Lock()

    def folder(self, content: bytes) -> Path:
        folder = self._root / hashlib.sha256(content).hexdigest()
        with self._lock:
            if not folder.exists():
                part = folder.with_suffix(".part")
                with zipfile.ZipFile(io.BytesIO(content)) as archive:
                    archive.extractall(part)
                part.rename(folder)
        return folder
