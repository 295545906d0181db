"""A quote that waits is never waited for in silence, nor for ever."""

from __future__ import annotations

import io
from datetime import timedelta
from unittest.mock import MagicMock

import pytest

from lambdas.domain.approval import decisions
from local.rehearsal import decision as module
from local.rehearsal.decision import Decision
from local.rehearsal.mails import Mail
from local.rehearsal.progress import Event, ExecutionProgress
from local.rehearsal.second_terminal import SecondTerminal
from tests.factories import NOW, QUOTED, run

DECIDE = "arn:aws:states:us-west-2:000000000000:stateMachine:bedrock-tuning-dev-decide-spend"
ENTERED: list[Event] = [{"stateEnteredEventDetails": {"name": "Approve spend"}}]
EXITED: list[Event] = [{"stateExitedEventDetails": {"name": "Approve spend"}}]
ASKING = Mail("approve?", decisions.body(run(), QUOTED, NOW + timedelta(hours=24), DECIDE), "")
TERMINAL = SecondTerminal("http://127.0.0.1:4999", "us-west-2")


class Rehearsed:
    """A decision with a clock that only counts, in real time that passes when it is told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, wait_minutes: float) -> None:
        self.real_seconds = 0.0
        time = MagicMock(monotonic=lambda: self.real_seconds, sleep=self._sleep)
        monkeypatch.setattr(module, "time", time)
        self.out = io.StringIO()
        self.clock = MagicMock()
        self.decision = Decision(
            ExecutionProgress(self.out),
            clock=self.clock,
            terminal=TERMINAL,
            machine_arn=DECIDE,
            answer=None,
            wait_minutes=wait_minutes,
            approval_hours=24,
        )

    def _sleep(self, seconds: float) -> None:
        self.real_seconds += seconds

    @property
    def hours(self) -> float:
        """Return how far the simulated clock was moved."""
        return sum(float(call.args[0]) for call in self.clock.advance.call_args_list) / 3600


def test_a_person_has_time_before_the_clock_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    rehearsed = Rehearsed(monkeypatch, wait_minutes=5)
    rehearsed.decision.look(ENTERED)
    rehearsed.decision.read(ASKING)
    rehearsed.decision.wait()
    assert rehearsed.hours == 0
    shown = rehearsed.out.getvalue()
    for said in (f"  | Run {run().name}", "second terminal", DECIDE, "in 5 min the clock moves on"):
        assert said in shown
    rehearsed.real_seconds = 301
    for _ in range(24):
        rehearsed.decision.wait()
    assert rehearsed.hours == pytest.approx(24), "the end of approval_hours"
    assert rehearsed.real_seconds == pytest.approx(301 + 60)
    assert "nobody has decided; 0.0 h are left" in rehearsed.out.getvalue()


def test_the_clock_stays_once_the_run_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    rehearsed = Rehearsed(monkeypatch, wait_minutes=0)
    rehearsed.decision.look(ENTERED)
    rehearsed.decision.read(ASKING)
    rehearsed.decision.wait()
    assert rehearsed.hours == 1
    rehearsed.decision.look(EXITED)
    rehearsed.decision.wait()
    assert rehearsed.hours == 1


def test_a_mail_may_be_ahead_of_the_history(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the clock would never move: what was read had been fetched before the mail was sent."""
    rehearsed = Rehearsed(monkeypatch, wait_minutes=0)
    rehearsed.decision.read(ASKING)
    rehearsed.decision.look([{"stateEnteredEventDetails": {"name": "Quote cost"}}])
    rehearsed.decision.wait()
    assert rehearsed.hours == 0
    rehearsed.decision.look([{"stateEnteredEventDetails": {"name": "Ask approval"}}, *ENTERED])
    rehearsed.decision.wait()
    assert rehearsed.hours == 1


def test_a_mail_may_be_behind_the_history(monkeypatch: pytest.MonkeyPatch) -> None:
    rehearsed = Rehearsed(monkeypatch, wait_minutes=0)
    rehearsed.decision.look([*ENTERED, *EXITED])
    rehearsed.decision.read(ASKING)
    rehearsed.decision.wait()
    assert rehearsed.hours == 0, "somebody has decided"


def test_other_mails_are_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    rehearsed = Rehearsed(monkeypatch, wait_minutes=0)
    rehearsed.decision.read(Mail("tuned model is better", "The run is finished.", ""))
    rehearsed.decision.wait()
    assert (rehearsed.hours, rehearsed.out.getvalue()) == (0, "")
