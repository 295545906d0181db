"""Shows the states of an execution as it enters them, from its history."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Self, TextIO

from rich.console import Console
from rich.live import Live
from rich.text import Text

Event = dict[str, Any]
_NAME_WIDTH = 36
HOLD = "Hold throughput"
_HOLDS = "keeping the throughput in service for hold_minutes"


@dataclass
class ExecutionProgress:
    """One line per state; a polling loop stays on its line, with what it waits for.

    On a terminal the line of the current state is rewritten as it changes. Elsewhere a line is
    printed when a state is entered for the first time, or when what it waits for has changed.
    """

    out: TextIO = sys.stdout
    _started: datetime | None = None
    _seen: dict[str, str] = field(default_factory=dict)
    _waits_for: str = ""
    _waiting: str = ""

    def __post_init__(self) -> None:
        self._console = Console(file=self.out, highlight=False, soft_wrap=True)
        self._live = Live(console=self._console, auto_refresh=False, transient=True)

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live.is_started:
            self._live.stop()

    def show(self, events: Sequence[Event]) -> None:
        """Show the events since the last call."""
        for event in events:
            self._take(event)

    def say(self, text: str) -> None:
        """Print lines of their own between those of the states."""
        self._end_line()
        self._console.print(text, markup=False)

    def wait(self, text: str) -> None:
        """Say what is waited for, outside the history; on a terminal in place."""
        if self._live.is_started:
            self._live.update(Text(f"  {text}", "dim"), refresh=True)
        elif text != self._waiting:
            self._console.print(f"  {text}", markup=False)
        self._waiting = text

    def _take(self, event: Event) -> None:
        at = event["timestamp"]
        self._started = self._started or at
        details = event.get("stateEnteredEventDetails")
        if details:
            self._enter(details["name"], at - self._started, event["type"])
        exited = event.get("stateExitedEventDetails")
        if exited and event["type"] == "TaskStateExited":
            self._waits_for = next(_found(json.loads(exited.get("output") or "null")), "")

    def _enter(self, name: str, elapsed: timedelta, kind: str) -> None:
        if kind in {"ChoiceStateEntered", "ParallelStateEntered", "SucceedStateEntered"}:
            return
        note = _HOLDS if name == HOLD else self._waits_for
        note = note if kind == "WaitStateEntered" else ""
        known = self._seen.get(name)
        if known is None or (note and known != note):
            self._seen[name] = note
            self._end_line()
            self._console.print(_line(name, elapsed, note))
        elif self._live.is_started:
            self._live.update(_line(name, elapsed, note), refresh=True)

    def _end_line(self) -> None:
        if self._live.is_started:
            self._live.update("", refresh=True)  # the wait is over


def _line(name: str, elapsed: timedelta, note: str) -> Text:
    seconds = int(elapsed.total_seconds())
    clock = f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    return Text.assemble(
        ("  " + clock.rjust(8), "dim"), "  ", name.ljust(_NAME_WIDTH), (note, "dim")
    )


def _found(value: object) -> Iterator[str]:
    """Yield what a *Check …* state found still pending, from its output."""
    if not isinstance(value, dict):
        return
    if value.get("phase") and not value.get("done"):
        yield f"waiting for the customization job: {value['phase']}, {value['phase_status']}"
    elif value.get("hosting_arn") and value.get("done") is False:
        yield f"waiting for the hosting, {value['kind']}"
    for inner in value.values():
        yield from _found(inner)
