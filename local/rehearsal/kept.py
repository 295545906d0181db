"""A deployment that a run keeps: time to ask it, and its release when that is due."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from local.clock import SimulatedClock
from local.rehearsal.hold import QUESTION, enter_pressed
from local.rehearsal.second_terminal import SecondTerminal

_POLL_SECONDS = 0.2
_REAPER_PASSES = 2  # until what is overdue is gone for certain


@dataclass(frozen=True)
class KeptDeployment:
    """From the run's manifest."""

    arn: str
    until: datetime

    @classmethod
    def of(cls, hosting: dict[str, Any]) -> Self | None:
        """Return it, or None if the run kept none."""
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
        call = terminal.calls("bedrock-runtime", "converse", modelId=self.arn, messages=QUESTION)
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
