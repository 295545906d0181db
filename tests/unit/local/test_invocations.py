from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

from local.ministack.invocations import Invocation


def test_several_calls_that_end_a_function_wake_it_once() -> None:
    """A wake after its end would cut the time-out short that the clock still has to pass."""
    process: Any = SimpleNamespace(wake=Mock())
    handle: Any = SimpleNamespace(kill=Mock())
    invocation = Invocation("answer-with-tuned-model", process, handle, deadline=900)
    for _ in range(8):
        invocation.time_out()
    assert invocation.timed_out
    process.wake.assert_called_once_with()
    handle.kill.assert_called_once_with()
