"""Lambda: functions run in our own processes, on the clock, as MiniStack has them deployed."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import tempfile
import threading
import zipfile
from contextlib import suppress
from functools import cache, partial
from pathlib import Path
from typing import Any

from ministack.core import lambda_runtime
from ministack.core.responses import get_region, request_scope
from ministack.services import eventbridge, lambda_svc

from local.clock import SimulatedClock
from local.functions.processes import Functions, Program

Record = dict[str, Any]  # of a function, or of a version of it
_PREPARE_SECONDS = 0.3
_LAYERS = Path(__file__).parents[2] / "build" / "unpacked"  # kept: to compile them takes seconds
# Of this process's variables, what its functions get; any other would hide that they lack it.
_OF_ALL = re.compile("AWS_|PYTHON|OPENBLAS_|(PATH|HOME|LANG|TMPDIR|LD_LIBRARY_PATH)$")
_NAME_IN_CALLS = 50  # of characters: SDKs and Tools Reference Guide, feature-appid.html, 2026-11-23


class OwnProcesses:
    """Runs MiniStack's functions in processes of ours."""

    def __init__(self, functions: Functions) -> None:
        self._functions = functions
        self._code = Path(tempfile.mkdtemp(prefix="functions-"))

    def replace_workers(self) -> None:
        """Replace stock workers, which know no error by its class and no simulated time."""
        lambda_svc._execute_function_warm = self._execute

    def prepare(self, stopped: threading.Event) -> None:
        """Import the libraries of each function soon after it is deployed, until `stopped`."""
        while not stopped.wait(_PREPARE_SECONDS):
            for record in list(lambda_svc._functions._data.values()):
                if record["config"]["Runtime"].startswith("python"):
                    with request_scope(*record["config"]["FunctionArn"].split(":")[4:2:-1]):
                        self._functions.prepare(*self._libraries(record))

    def _execute(self, record: Record, event: Any, request_id: str) -> dict[str, Any]:
        program = _program(record["config"], *self._libraries(record))
        return self._functions.run(program, event, request_id)

    def _libraries(self, record: Record) -> tuple[str, tuple[str, ...]]:
        """Return the folder of its code, and those of its layers for Python."""
        contents = map(lambda_svc._resolve_layer_zip, record["config"].get("Layers", []))
        layers = tuple(f"{_unpacked(content, _LAYERS)}/python" for content in contents if content)
        return str(_unpacked(record["code_zip"], self._code)), layers


@cache
def _unpacked(content: bytes, parent: Path) -> Path:
    """Return where code or a layer is on disk, each content once."""
    folder = parent / hashlib.sha256(content).hexdigest()
    if not folder.exists():
        parent.mkdir(parents=True, exist_ok=True)
        with (
            tempfile.TemporaryDirectory(dir=parent) as draft,
            zipfile.ZipFile(io.BytesIO(content)) as archive,
        ):
            archive.extractall(f"{draft}/whole")
            with suppress(OSError):  # another thread or process was first
                Path(draft, "whole").rename(folder)
    return folder


def invoke_targets_on_the_clock(clock: SimulatedClock) -> None:
    """Invoke the functions that EventBridge has as targets between events; stock runs a thread."""

    def dispatch(arn: str, payload: str) -> None:
        if record := find(arn):
            act = partial(invoke, record, json.loads(payload))
            clock.at(clock.time(), partial(clock.aside, act, arn), name=arn)

    eventbridge._dispatch_to_lambda = dispatch


def find(reference: str) -> Record | None:
    """Return the record of a function, or of its version, by its name or ARN."""
    record, config, _ = lambda_svc._get_func_record_for_ref(reference)
    return {**record, "config": config} if record and config else None


def invoke(record: Record, event: Any) -> Any:
    return lambda_svc._execute_function_with_config_scope(record, event)


def _program(config: dict[str, Any], code: str, layers: tuple[str, ...]) -> Program:
    name, version = config["FunctionName"], config.get("Version", "$LATEST")
    variables = {
        **{name: os.environ[name] for name in os.environ if _OF_ALL.match(name)},
        **lambda_svc._runtime_env_vars(config),
        **lambda_runtime.execution_credentials(config),
        "AWS_REGION": get_region(),
        "AWS_DEFAULT_REGION": get_region(),
        "AWS_LAMBDA_FUNCTION_NAME": name,
        "AWS_LAMBDA_FUNCTION_VERSION": version,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(config.get("MemorySize", 128)),
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{name}",
        "AWS_SDK_UA_APP_ID": name[-_NAME_IN_CALLS:],
        "LAMBDA_TASK_ROOT": code,
    }
    arn, handler = f"{config['FunctionArn']} {version}", config["Handler"]
    limits = config.get("Timeout", 3), config.get("MemorySize", 128)
    return Program(arn, name, code, layers, handler, variables, *limits)
