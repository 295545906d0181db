"""What a function's process is to Lambda: its errors, its layers, its sleep and its limit."""

from __future__ import annotations

import json
import time
from typing import Any

import boto3
import pytest

from tests.workflow.ministack.definitions import (
    Run,
    call,
    make_function,
    one_state,
    payload_of,
    seconds_of,
    zipped,
)


def test_an_exception_is_reported_by_its_class_name(function: str, run: Run) -> None:
    ended = run(one_state(call(function, {"raise": True})))
    assert ended["error"] == "Refused"
    assert json.loads(ended["cause"])["errorMessage"] == "no, because"


def test_a_dead_process_is_reported_as_runtime_exit_error(function: str, run: Run) -> None:
    ended = run(one_state(call(function, {"exit": True})))
    assert ended["error"] == "Runtime.ExitError"
    assert "Error: Runtime exited with error: exit status 3" in ended["cause"]


def test_a_missing_module_is_reported_as_import_module_error(
    role: str, queue: str, run: Run
) -> None:
    broken = make_function("broken", "import no_such_module\n", role, queue)
    assert run(one_state(call(broken, {})))["error"] == "Runtime.ImportModuleError"


def test_functions_share_an_unpacked_layer(role: str, queue: str, run: Run) -> None:
    lambda_: Any = boto3.client("lambda")
    content = zipped("python/shared.py", "WHERE = __file__\n")
    layer = lambda_.publish_layer_version(LayerName="shared", Content={"ZipFile": content})[
        "LayerVersionArn"
    ]
    source = (
        "import os, shared\ndef handler(event, context): return os.path.realpath(shared.WHERE)\n"
    )
    seen = set()
    for name in ("first", "second"):
        function = make_function(name, source, role, queue)
        lambda_.update_function_configuration(FunctionName=name, Layers=[layer])
        seen.add(json.loads(run(one_state(call(function, {})))["output"])["Payload"])
    assert len(seen) == 1


def test_a_published_version_keeps_its_code_variables_and_layers(role: str, run: Run) -> None:
    """What a stack deploys later does not reach who calls the version."""
    source = "import os, part\ndef handler(*_): return ['{}', os.environ['QUEUE'], part.VALUE]\n"
    lambda_: Any = boto3.client("lambda")

    def layer(value: str) -> str:
        content = zipped("python/part.py", f"VALUE = '{value}'\n")
        made = lambda_.publish_layer_version(LayerName="part", Content={"ZipFile": content})
        return str(made["LayerVersionArn"])

    older, newer = layer("older"), layer("newer")
    latest = make_function("published", source.format("older"), role, "older")
    lambda_.update_function_configuration(FunctionName=latest, Layers=[older])
    version = lambda_.publish_version(FunctionName=latest)["FunctionArn"]
    variables = {"Variables": {"QUEUE": "newer"}}
    code = zipped("index.py", source.format("newer"))
    lambda_.update_function_code(FunctionName=latest, ZipFile=code)
    lambda_.update_function_configuration(
        FunctionName=latest, Layers=[newer], Environment=variables
    )
    lambda_.delete_layer_version(LayerName="part", VersionNumber=int(older.rpartition(":")[2]))
    for called, found in ((version, ["older"] * 3), (latest, ["newer"] * 3)):
        ended = run(one_state(call(called, {})))
        assert json.loads(ended["output"])["Payload"] == found


def test_threads_of_a_function_sleep_in_simulated_time(patient: str, run: Run) -> None:
    began = time.monotonic()
    ended = run(one_state(call(patient, {"sleeps": [600, 60, 600, 300]})))
    assert ended["status"] == "SUCCEEDED", ended["cause"]
    assert seconds_of(ended) == pytest.approx(600, abs=10)
    assert time.monotonic() - began < 20


def test_a_function_sees_how_much_of_its_limit_is_left(patient: str, run: Run) -> None:
    ended = run(one_state(call(patient, {"sleeps": [600, 60], "left": True})))
    assert payload_of(ended) == pytest.approx(300_000, abs=10_000)


def test_a_function_that_sleeps_past_its_limit_times_out_there(function: str, run: Run) -> None:
    ended = run(one_state(call(function, {"sleeps": [60]})))
    assert ended["error"] == "Sandbox.Timedout"
    assert "Error: Task timed out after 20.00 seconds" in ended["cause"]
    assert seconds_of(ended) == pytest.approx(20, abs=5)
    assert payload_of(run(one_state(call(function, {"well": "again"})))) == {"well": "again"}
