"""Functions in processes of their own: what they return, how they fail, and when they end."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest

from local.clock import SimulatedClock
from local.functions.processes import Functions, Invocation, Program, is_at_rest
from tests.repository import ROOT

SOURCE = """
import os, sys, time
STARTED = os.environ["GREETING"]
seen = []
class Refused(Exception): pass
def handler(event, context):
    seen.append(event)
    if event == "raise": raise Refused("no, because")
    if event == "exit": os._exit(3)
    if event == "kill": os.kill(os.getpid(), 9)
    if event == "leave": sys.exit()
    if event == "eat": return len(bytearray(600 << 20))
    if event == "nan": return float("nan")
    if event == "hang":
        while True: pass
    if event == "print": print("said"); print("warned", file=sys.stderr)
    return [STARTED, len(seen), os.getpid(), context.function_name]
"""
Play = Callable[..., Any]


@pytest.fixture
def functions() -> Iterator[Functions]:
    clock = SimulatedClock(start=1_000_000.0)
    found = Functions(clock)
    yield found
    clock.stop()
    found.stop()


@pytest.fixture
def play(functions: Functions, tmp_path: Path) -> Play:
    def run(event: Any, source: str = SOURCE, **changes: Any) -> Any:
        folder = tmp_path / str(abs(hash(source)))
        folder.mkdir(exist_ok=True)
        (folder / "index.py").write_text(source)
        (folder / "other.py").write_text("import index, no_such_library, json\n")
        variables = {
            "GREETING": "hello",
            "AWS_LAMBDA_FUNCTION_NAME": "f",
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/f",
        } | changes.pop("variables", {})
        given = {
            "arn": "arn:f",
            "name": "f",
            "code": str(folder),
            "layers": (),
            "handler": "index.handler",
            "variables": variables,
            "seconds": 20,
            "memory": 128,
        } | changes
        return SimpleNamespace(**functions.run(Program(**given), event, "request"))

    return run


def test_a_version_keeps_its_process_until_it_changes(play: Play) -> None:
    first, second = play(1), play(2)
    assert (first.body[0], first.body[1], second.body[1]) == ("hello", 1, 2)
    assert first.body[2:] == [second.body[2], "f"]
    changed = play(3, variables={"GREETING": "good day"})
    assert changed.body[:2] == ["good day", 1], "it has begun anew, with its own variables"
    assert play(4, arn="arn:f 2").body[1] == 1, "another version has a process of its own"


def test_an_exception_is_reported_by_its_class_and_the_process_kept(play: Play) -> None:
    before = play(1).body[2]
    failed = play("raise")
    report = failed.body
    assert failed.error
    assert (report["errorType"], report["errorMessage"]) == ("Refused", "no, because")
    assert report["requestId"] == "request"
    [frame] = report["stackTrace"]
    assert frame.startswith('  File "/var/task/index.py", line 8, in handler\n    if event ==')
    assert "[ERROR] Refused: no, because" in failed.log
    assert play(2).body[1:3] == [3, before]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("event", "error", "said"),
    [
        ("exit", "Runtime.ExitError", "Runtime exited with error: exit status 3"),
        ("kill", "Runtime.ExitError", "Runtime exited with error: signal: killed"),
        ("leave", "Runtime.ExitError", "Runtime exited without providing a reason"),
        ("eat", "Runtime.OutOfMemory", ""),
    ],
)
def test_a_process_that_ends_is_reported_and_replaced(
    play: Play, event: str, error: str, said: str
) -> None:
    before = play(1).body[2]
    report = play(event).body
    assert report["errorType"] == error
    assert said in report["errorMessage"]
    again = play(2).body
    assert again[1] == 1
    assert again[2] != before


def test_what_is_no_json_cannot_be_returned(play: Play) -> None:
    assert play("nan").body["errorType"] == "Runtime.MarshalError"


@pytest.mark.slow
def test_a_function_that_computes_past_its_limit_times_out(play: Play) -> None:
    report = play("hang", seconds=1).body
    assert report["errorType"] == "Sandbox.Timedout"
    assert report["errorMessage"] == "RequestId: request Error: Task timed out after 1.00 seconds"
    assert play(1).body[1] == 1


@pytest.mark.slow
def test_a_module_that_computes_past_the_limit_times_out(play: Play) -> None:
    """Else nothing would end the wait for it."""
    report = play("hello", "while True: pass\n", seconds=1).body
    assert report["errorType"] == "Sandbox.Timedout"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("import no_such_module\n", "Runtime.ImportModuleError"),
        ("raise ValueError('at once')\n", "ValueError"),
        ("import os\nos._exit(4)\n", "Runtime.ExitError"),
    ],
)
def test_a_function_that_cannot_be_loaded_fails_each_time(
    play: Play, source: str, error: str
) -> None:
    assert [play(1, source).body["errorType"] for _ in range(2)] == [error] * 2


@pytest.mark.slow
def test_a_function_has_what_its_layers_hold_and_nothing_else_of_this_machine(
    play: Play, tmp_path: Path
) -> None:
    source = "import boto3, {}\ndef handler(event, context): return boto3.__name__\n"
    lacking = play(1, source.format("numpy")).body
    assert lacking["errorType"] == "Runtime.ImportModuleError"
    layers = tuple(str(tmp_path / name) for name in ("one", "two"))
    for layer in layers:
        Path(layer).mkdir()
        Path(layer, f"library_{Path(layer).name}.py").touch()
    both = source.format("library_one, library_two")
    for having, expected in ((layers[:1], "library_two"), (layers, None)):
        answer = play(1, both, layers=having).body
        assert answer == "boto3" if expected is None else expected in answer["errorMessage"]


def test_what_it_prints_goes_into_its_log(play: Play) -> None:
    assert play("print").log == "said\nwarned\n"
    assert play("nothing").log == ""


def test_a_module_that_reads_a_functions_variables_is_imported_for_each(play: Play) -> None:
    """Otherwise the fork would have what its parent read: `other` imports it there."""
    greetings = [play(1, arn=name, variables={"GREETING": name}).body[0] for name in "ab"]
    assert greetings == ["a", "b"]


def test_several_calls_that_end_a_function_wake_it_once() -> None:
    """A wake after its end would cut the time-out short that the clock still has to pass."""
    process: Any = SimpleNamespace(wake=Mock())
    worker: Any = SimpleNamespace(kill=Mock())
    invocation = Invocation("answer-with-tuned-model", process, worker, deadline=900)
    for _ in range(8):
        invocation.time_out()
    assert invocation.timed_out
    process.wake.assert_called_once_with()
    worker.kill.assert_called_once_with()


STARTS = """
import sys
from local.functions.processes import _Zygote
print(_Zygote(sys.argv[1], (), None)._process.pid, flush=True)
"""


def test_no_process_outlives_who_started_it(tmp_path: Path) -> None:
    command = [sys.executable, "-c", STARTS, str(tmp_path)]
    pid = int(subprocess.check_output(command, cwd=ROOT, text=True))
    deadline = time.monotonic() + 30
    while Path(f"/proc/{pid}/cmdline").exists() and Path(f"/proc/{pid}/cmdline").read_bytes():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_what_is_left_of_a_limit_is_told_while_other_threads_are_in_calls() -> None:
    clock = SimulatedClock(start=1_000_000.0, idle_runs=False)
    functions, told = Functions(clock), list[float]()
    with clock.computing() as hold, hold.calling():
        worker: Any = SimpleNamespace()
        running = Invocation("f", hold, worker, deadline=1_000_060.0)
        functions._running[1] = running  # noqa: SLF001  # as if its process were there
        asking = Thread(target=lambda: told.append(functions.sleep(1, 0)), daemon=True)
        asking.start()
        asking.join(timeout=10)
        assert told == [60]
    clock.stop()


class LookedUp(dict[int, Invocation]):
    """Gives an invocation the time to end between its being found and what is done with it."""

    def get(self, key: int, default: Any = None) -> Any:
        found = super().get(key, default)
        time.sleep(0.3)
        return found


def test_a_sleep_that_begins_as_its_invocation_ends_is_not_slept_by_who_waited_for_it(
    tmp_path: Path,
) -> None:
    """Else time would pass while that thread goes on to compute."""
    clock = SimulatedClock(start=1_000_000.0, idle_runs=False)
    functions = Functions(clock)
    functions._running = LookedUp()  # noqa: SLF001  # the moment cannot be met otherwise
    sleeping = Thread(target=lambda: functions.sleep(1, 3600), daemon=True)

    def ask(_: Any) -> Any:
        sleeping.start()
        time.sleep(0.1)
        return {"result": 1, "log": ""}

    worker: Any = SimpleNamespace(pid=1, ask=ask, is_ready=True, runs="f")
    functions._take = lambda _: worker  # type: ignore[method-assign]  # noqa: SLF001
    with clock.computing():
        program = Program("arn", "f", str(tmp_path), (), "", {}, seconds=900, memory=128)
        assert functions.run(program, None, "request")["body"] == 1
        sleeping.join(timeout=0.5)
        assert clock.time() == 1_000_000
    clock.stop()


@pytest.mark.skipif(sys.platform != "linux", reason="unknown elsewhere")
def test_a_process_is_at_rest_while_all_its_threads_wait() -> None:
    source = """
import threading, time
threading.Thread(target=time.sleep, args=[60]).start()
input()
while True: pass
"""
    with subprocess.Popen([sys.executable, "-c", source], stdin=subprocess.PIPE) as process:
        try:
            deadline = time.monotonic() + 30
            while not is_at_rest(process.pid):
                assert time.monotonic() < deadline
                time.sleep(0.01)
            with pytest.raises(subprocess.TimeoutExpired):
                process.communicate(b"\n", timeout=0.2)
            assert not is_at_rest(process.pid)
            assert is_at_rest(process.pid, most=1)
        finally:
            process.kill()
    assert not is_at_rest(process.pid), "it is unknown"
