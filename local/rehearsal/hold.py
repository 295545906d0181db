"""Real time in which to ask the tuned model: while it is on hold, and while it is kept."""

from __future__ import annotations

import json
import math
import select
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from local.clock import Hold as ClockHold
from local.clock import SimulatedClock
from local.rehearsal.progress import HOLD, Event, ExecutionProgress
from local.rehearsal.second_terminal import SecondTerminal

_POLL_SECONDS = 0.2
_REAPER_PASSES = 2  # until what is overdue is gone for certain
_QUESTION = [{"role": "user", "content": [{"text": "Your question"}]}]


class Hold:
    """Lets the simulated clock keep real time until Enter, the end of the hold, or some minutes."""

    def __init__(
        self,
        progress: ExecutionProgress,
        *,
        clock: SimulatedClock,
        terminal: SecondTerminal,
        wait_minutes: float,
    ) -> None:
        self._progress, self._clock, self._terminal = progress, clock, terminal
        self._wait_seconds = 60 * wait_minutes
        self._attended = sys.stdin.isatty() and wait_minutes > 0
        self._hosting_arn = ""
        self._computing: ClockHold | None = None
        self._until = 0.0  # in real time, while the clock is held
        self._told = False

    def enter(self, _: str, state: str) -> None:
        """Hold the clock if the run enters its hold; called before that state does anything."""
        if state == HOLD and self._attended:
            self._until = time.monotonic() + self._wait_seconds
            self._computing = ClockHold(self._clock)

    def look(self, events: Sequence[Event]) -> None:
        """Tell when the hold begins, and let go of the clock when it has ended."""
        for event in events:
            exited = event.get("stateExitedEventDetails", {})
            output = json.loads(exited.get("output") or "null")
            if isinstance(output, dict):
                self._hosting_arn = output.get("hosting_arn") or self._hosting_arn
            if event.get("stateEnteredEventDetails", {}).get("name") == HOLD:
                self._tell()
            if exited.get("name") == HOLD:
                self.let_go()

    def wait(self) -> None:
        """Let go of the clock once nobody has anything more to ask; call it repeatedly."""
        if self._computing is None or not self._told:  # the history comes after the state
            return
        left = self._until - time.monotonic()
        if left <= 0 or enter_pressed():
            self.let_go()
            return
        self._progress.wait(f"press Enter to go on; else in {math.ceil(left / 60)} min")

    def _tell(self) -> None:
        self._told = True
        call = self._terminal.calls(
            "bedrock-runtime", "converse", modelId=self._hosting_arn, messages=_QUESTION
        )
        end = "" if self._attended else "\n  Nobody can press Enter here: the hold passes at once."
        self._progress.say(
            "\n  The tuned model is on hold and can be asked, in a second terminal, in this "
            f"folder:\n{call}{end}\n"
        )

    def let_go(self) -> None:
        """Let go of the clock, if it is held; also where the run was stopped in its hold."""
        if self._computing:
            self._computing.end()
            self._computing = None


@dataclass(frozen=True)
class KeptDeployment:
    """A deployment that a run keeps: time to ask it, and its release when that is due."""

    arn: str
    until: datetime

    @classmethod
    def of(cls, hosting: dict[str, Any]) -> Self | None:
        """Return that of a run's manifest, or None if the run kept none."""
        until = hosting.get("kept_until")
        return cls(hosting["arn"], datetime.fromisoformat(until)) if until else None

    def attend(
        self,
        alive: Callable[[], list[str]],
        *,
        clock: SimulatedClock,
        terminal: SecondTerminal,
        wait_minutes: float,
        reap_every_minutes: int,
    ) -> bool:
        """Give time to ask it, then let its release-by pass; return whether it is gone.

        Where nobody can press Enter, or no time is given, it ends with the offline AWS instead.
        """
        if not (sys.stdin.isatty() and wait_minutes > 0):
            print(
                f"Kept:    {self.arn}\n         It ends with this rehearsal: the call above is for "
                "AWS. Rehearse in a terminal to ask it."
            )
            return True
        call = terminal.calls("bedrock-runtime", "converse", modelId=self.arn, messages=_QUESTION)
        print(
            f"\nKept:    {self.arn}\nIt can be asked now, in a second terminal, in this folder:\n"
            f"{call}\nPress Enter when you have; else it goes on in {wait_minutes:g} min."
        )
        with clock.computing():  # no time is skipped meanwhile
            deadline = time.monotonic() + 60 * wait_minutes
            while not enter_pressed() and time.monotonic() < deadline:
                time.sleep(_POLL_SECONDS)
        print(f"Letting the time pass until {self.until:%Y-%m-%d %H:%M} UTC …", flush=True)
        left = self.until.timestamp() - clock.time()
        clock.advance(max(0.0, left) + 60 * _REAPER_PASSES * reap_every_minutes)
        gone = self.arn not in alive()
        print("The reaper has deleted it." if gone else f"STILL RUNNING: {self.arn}")
        return gone


def enter_pressed() -> bool:
    """Whether somebody has pressed Enter since the last call."""
    ready, _, _ = select.select([sys.stdin], [], [], 0)
    if ready:
        sys.stdin.readline()
    return bool(ready)
