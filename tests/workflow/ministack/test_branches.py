"""A fork of the offline AWS: all goes on in it, and nothing of it comes back."""

from __future__ import annotations

import time
from collections.abc import Callable
from multiprocessing import Pipe
from typing import Any

import boto3
import pytest

from local.call_faults import CallFault
from local.server import OfflineAws
from tests.workflow.ministack.definitions import (
    Definition,
    Run,
    call,
    eventually,
    make_function,
    one_state,
    payload_of,
    seconds_of,
)


def told(offline: OfflineAws, *acts: Callable[[], object]) -> list[object]:
    """Return what each act returns in its fork."""
    receiver, sender = Pipe(duplex=False)
    with receiver, sender:
        offline.branch(*(lambda act=act: sender.send(act()) for act in acts))
        return [receiver.recv() for _ in acts]


def test_a_fork_begins_with_what_is_there_and_leaves_nothing(
    offline: OfflineAws, bucket: str
) -> None:
    s3: Any = boto3.client("s3")
    s3.put_object(Bucket=bucket, Key="before", Body=b"")

    def keys() -> list[str]:
        return [each["Key"] for each in s3.list_objects_v2(Bucket=bucket)["Contents"]]

    def write() -> tuple[list[str], float]:
        s3.put_object(Bucket=bucket, Key="within", Body=b"")
        offline.clock.advance(3_600)
        return keys(), offline.clock.time()

    [(first, then), (second, _)] = told(offline, write, write)
    assert "before" in first
    assert "within" in first
    assert first == second
    assert "within" not in keys()
    assert then - offline.clock.time() > 3_000


def test_a_function_goes_on_in_each_fork(
    offline: OfflineAws, role: str, queue: str, run: Run
) -> None:
    """It keeps its process, and the connection that it sleeps by, whoever serves it now."""
    source = "import time\ndef handler(*_):\n  time.sleep(3)\n  return time.sleep(5)\n"
    function = make_function("sleeper", source, role, queue)

    def play() -> float:
        ended = run(one_state(call(function, {})))
        assert ended["status"] == "SUCCEEDED", ended["cause"]
        return seconds_of(ended)

    assert [play(), *told(offline, play, play), play()] == pytest.approx([9] * 4, abs=0.5)


def test_a_process_that_a_fork_ends_is_replaced(
    offline: OfflineAws, function: str, put: Definition, run: Run
) -> None:
    def play() -> str:
        return str(run(one_state(call(function, put)))["status"])

    def play_killed() -> str:
        offline.faults.set(CallFault("function_killed", "PutObject"))
        return play()

    assert play() == "SUCCEEDED"
    assert told(offline, play_killed, play) == ["FAILED", "SUCCEEDED"]
    assert payload_of(run(one_state(call(function, {"is": "here"})))) == {"is": "here"}


def test_a_fork_that_fails_is_told_and_all_goes_on_here(
    offline: OfflineAws, bucket: str, capfd: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise LookupError("what went wrong")

    with pytest.raises(ChildProcessError):
        offline.branch(fail)
    assert "what went wrong" in capfd.readouterr().err
    boto3.client("s3").head_bucket(Bucket=bucket)


def test_no_fork_is_made_while_a_function_runs(
    offline: OfflineAws, role: str, queue: str, run: Run
) -> None:
    """Its process would answer nobody there."""
    source = "import time\ndef handler(*_):\n  until = time.monotonic() + 3\n"
    source += "  while time.monotonic() < until: pass\n"
    function = make_function("busy", source, role, queue)

    def branch(_: str) -> None:
        eventually(lambda: any(hold.is_at_rest for hold in offline.clock.holds))
        with pytest.raises(RuntimeError, match="a function runs"):
            offline.branch(time.time)

    assert run(one_state(call(function, {})), branch)["status"] == "SUCCEEDED"


def test_nothing_happens_here_while_a_fork_goes_on(offline: OfflineAws) -> None:
    rung: list[float] = []
    offline.clock.call_at(offline.clock.time() + 0.2, lambda: rung.append(time.monotonic()))
    [ended] = told(offline, lambda: [time.sleep(1), time.monotonic()][1])
    eventually(lambda: bool(rung))
    assert rung[0] >= ended
