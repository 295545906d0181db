"""Whoever sits at a terminal has real time to ask the model on hold; nobody else is waited for."""

from __future__ import annotations

import io
import json
import time
from unittest.mock import MagicMock

import pytest

from local.clock import SimulatedClock
from local.rehearsal import hold as module
from local.rehearsal.hold import Hold
from local.rehearsal.progress import HOLD, Event, ExecutionProgress
from local.rehearsal.second_terminal import SecondTerminal
from tests.repository import ROOT

ARN = "arn:aws:bedrock:us-west-2:000000000000:provisioned-model/abc"
OUTPUT = json.dumps({"hosting_arn": ARN})
BOUGHT: Event = {"stateExitedEventDetails": {"name": "Buy throughput", "output": OUTPUT}}
ENTERED: Event = {"stateEnteredEventDetails": {"name": HOLD}}
EXITED: Event = {"stateExitedEventDetails": {"name": HOLD, "output": "{}"}}


class Held:
    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, clock: SimulatedClock, *, terminal: bool
    ) -> None:
        self.enter = False
        stdin = MagicMock(isatty=lambda: terminal)
        monkeypatch.setattr(module.sys, "stdin", stdin)
        ready = MagicMock(select=lambda *_: ([stdin] if self.enter else [], [], []))
        monkeypatch.setattr(module, "select", ready)
        self.out, self.clock = io.StringIO(), clock
        self.hold = Hold(
            ExecutionProgress(self.out),
            clock=clock,
            terminal=SecondTerminal("http://127.0.0.1:4999", "us-west-2"),
            wait_minutes=5,
        )
        self.hold.enter("arn", HOLD)
        self.hold.wait()
        assert self.out.getvalue() == "", "what is on hold comes first"
        self.hold.look([BOUGHT, ENTERED])
        self.hold.wait()


@pytest.fixture
def clock() -> SimulatedClock:
    return SimulatedClock()


def test_at_a_terminal_the_clock_is_held_until_enter(
    monkeypatch: pytest.MonkeyPatch, clock: SimulatedClock
) -> None:
    held = Held(monkeypatch, clock, terminal=True)
    assert clock.is_computing
    for said in ("aws bedrock-runtime converse", ARN, "press Enter to go on; else in 5 min"):
        assert said in held.out.getvalue()
    held.enter = True
    held.hold.wait()
    assert not clock.is_computing


def test_it_is_held_no_longer_than_the_hold_or_the_minutes(
    monkeypatch: pytest.MonkeyPatch, clock: SimulatedClock
) -> None:
    held = Held(monkeypatch, clock, terminal=True)
    held.hold.look([EXITED])
    held.hold.look([EXITED])
    assert not clock.is_computing
    held = Held(monkeypatch, clock, terminal=True)
    now = time.monotonic()
    monkeypatch.setattr(module, "time", MagicMock(monotonic=lambda: now + 301))
    held.hold.wait()
    assert not clock.is_computing
    held = Held(monkeypatch, clock, terminal=True)
    held.hold.let_go()  # as where the run was stopped
    held.hold.wait()
    assert not clock.is_computing


def test_without_a_terminal_it_passes_at_once_and_says_so(
    monkeypatch: pytest.MonkeyPatch, clock: SimulatedClock
) -> None:
    held = Held(monkeypatch, clock, terminal=False)
    assert not clock.is_computing
    assert "Nobody can press Enter here: the hold passes at once." in held.out.getvalue()
    assert ARN in held.out.getvalue()


def test_the_machine_has_the_state_that_is_held() -> None:
    pictured = (ROOT / "tests/stacks/snapshots/workflow.yaml").read_text(encoding="utf-8")
    assert f"          {HOLD}:\n            Type: Wait\n" in pictured
