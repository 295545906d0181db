"""A simulated clock: computing counts at its real duration, waiting is skipped.

Simulated now = real time elapsed + time skipped. Whoever computes (a state being executed, a
Lambda function, Bedrock fitting a model) holds the clock; whoever waits sleeps on it. When
nobody computes and somebody sleeps, the clock jumps to the earliest thing due: a sleeper's
wake-up, a deadline set with `call_at`, or an alarm's (a schedule's next tick). With nobody
asleep it runs at the pace of real time, so an idle offline AWS does not race into the future.
"""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

_POLL_SECONDS = 0.004
_QUIET_SECONDS = 0.025  # an event on its way to its target is nobody's computation yet


class Alarm(Protocol):
    """Something that has to run when its time comes, and says itself when that is."""

    def due(self) -> float | None:
        """Return the epoch second of the next run, or None where there is none."""

    def ring(self) -> None:
        """Run whatever is due now."""


@dataclass(order=True)
class _Deadline:
    when: float
    order: int
    act: Callable[[], None] = field(compare=False)


@dataclass(frozen=True)
class _Sleeper:
    wake: float
    unless: Callable[[], bool]


class SimulatedClock:
    """See the module's docstring. Thread-safe; one watcher thread a clock."""

    def __init__(self, start: float | None = None) -> None:
        self._start = time.time() if start is None else start
        self._real_start = time.monotonic()
        self._skipped = 0.0
        self._condition = threading.Condition()
        self._sleepers: dict[int, _Sleeper] = {}
        self._deadlines: list[_Deadline] = []
        self._alarms: list[Alarm] = []
        self._computing = 0
        self._touched = time.monotonic()
        self._order = itertools.count()
        self._stopped = threading.Event()
        threading.Thread(target=self._watch, name="simulated-clock", daemon=True).start()

    def time(self) -> float:
        """Return the simulated now in epoch seconds."""
        return self._start + time.monotonic() - self._real_start + self._skipped

    def iso(self) -> str:
        """Return the simulated now as AWS writes it: UTC with milliseconds and a Z."""
        now = datetime.fromtimestamp(self.time(), UTC)
        return now.isoformat(timespec="milliseconds").replace("+00:00", "Z")

    @property
    def skipped_seconds(self) -> float:
        return self._skipped

    def begin_computing(self) -> None:
        with self._condition:
            self._computing += 1

    def end_computing(self) -> None:
        with self._condition:
            self._computing -= 1
            self.touch()

    @contextmanager
    def computing(self) -> Iterator[None]:
        """Hold the clock: no time is skipped inside."""
        self.begin_computing()
        try:
            yield
        finally:
            self.end_computing()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Let go of the clock inside `computing`, to wait for others that compute."""
        self.end_computing()
        try:
            yield
        finally:
            self.begin_computing()

    def touch(self) -> None:
        """Something moved: give what it set off a moment to start computing."""
        self._touched = time.monotonic()

    def sleep_until(self, wake: float, *, unless: Callable[[], bool] = lambda: False) -> None:
        """Sleep until the simulated time `wake`, or until `unless` says to wait no more.

        The caller is computing before and after.
        """
        me = next(self._order)
        with self._condition:
            self._sleepers[me] = _Sleeper(wake, unless)
            self._computing -= 1
            while self.time() < wake and not (self._stopped.is_set() or unless()):
                self._condition.wait(max(0.001, min(wake - self.time(), 0.05)))
            self._computing += 1
            del self._sleepers[me]
            self.touch()

    def sleep(self, seconds: float) -> None:
        self.sleep_until(self.time() + seconds)

    def call_at(self, when: float, act: Callable[[], None]) -> None:
        """Run `act` when the simulated time reaches `when`; it counts as computing."""
        with self._condition:
            heapq.heappush(self._deadlines, _Deadline(when, next(self._order), act))

    def add_alarm(self, alarm: Alarm) -> None:
        self._alarms.append(alarm)

    def advance(self, seconds: float) -> None:
        """Let `seconds` of simulated time pass, with all that falls due in them."""
        with self.computing():
            self.sleep(seconds)

    def forget(self) -> None:
        """Drop every deadline; used when the offline AWS is reset."""
        with self._condition:
            self._deadlines.clear()

    def stop(self) -> None:
        """End the watcher and wake every sleeper."""
        self._stopped.set()
        with self._condition:
            self._condition.notify_all()

    def _watch(self) -> None:
        while not self._stopped.wait(_POLL_SECONDS):
            self._run_due()
            self._jump()

    def _run_due(self) -> None:
        for act in self._take_due():
            with self.computing():
                act()
        for alarm in self._alarms:
            due = alarm.due()
            if due is not None and due <= self.time():
                with self.computing():
                    alarm.ring()

    def _take_due(self) -> list[Callable[[], None]]:
        taken: list[Callable[[], None]] = []
        with self._condition:
            while self._deadlines and self._deadlines[0].when <= self.time():
                taken.append(heapq.heappop(self._deadlines).act)
        return taken

    def _jump(self) -> None:
        with self._condition:
            quiet = time.monotonic() - self._touched > _QUIET_SECONDS
            wakes = [sleeper.wake for sleeper in self._sleepers.values() if not sleeper.unless()]
            if self._computing or not wakes or not quiet:
                return
            wakes += [self._deadlines[0].when] if self._deadlines else []
            wakes += [due for alarm in self._alarms if (due := alarm.due()) is not None]
            gap = min(wakes) - self.time()
            if gap > 0:
                self._skipped += gap
            self._condition.notify_all()
