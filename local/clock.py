"""A simulated clock: computing counts at its real duration, waiting is skipped.

Simulated now = real time elapsed + time skipped. Whoever computes (a state being executed, a
Lambda function, Bedrock fitting a model) holds the clock; whoever waits sleeps on it. When
nobody computes and somebody sleeps, the clock jumps to the earliest thing due: a sleeper's
wake-up, a deadline set with `call_at`, or an alarm's (a schedule's next tick). With nobody
asleep it runs at the pace of real time, so an idle offline AWS does not race into the future.

A thread holds the clock in one of two ways: `computing`, or, where its hold was begun for it by
another thread, `handed_over`. What a process computes is held by a `Process`, whose own threads
may sleep, some or all of them.
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


class _ThisThread(threading.local):
    """Whether the calling thread is counted among those that compute."""

    holds = False


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
        self._this_thread = _ThisThread()
        threading.Thread(target=self._watch, name="simulated-clock", daemon=True).start()

    def time(self) -> float:
        """Return the simulated now in epoch seconds."""
        return self._start + time.monotonic() - self._real_start + self._skipped

    def iso(self) -> str:
        """Return the simulated now as AWS writes it: UTC with milliseconds and a Z."""
        now = datetime.fromtimestamp(self.time(), UTC)
        return now.isoformat(timespec="milliseconds").replace("+00:00", "Z")

    @property
    def is_computing(self) -> bool:
        return self._computing > 0

    def begin_computing(self) -> None:
        with self._condition:
            self._computing += 1

    def end_computing(self) -> None:
        with self._condition:
            self._computing -= 1
            self.touch()

    @contextmanager
    def computing(self) -> Iterator[None]:
        """Hold the clock: no time is skipped inside. Inside of itself it changes nothing."""
        if self._this_thread.holds:
            yield
            return
        self.begin_computing()
        try:
            with self.handed_over():
                yield
        finally:
            self.end_computing()

    @contextmanager
    def handed_over(self) -> Iterator[None]:
        """Be the thread that a `begin_computing` was for, up to its `end_computing`."""
        self._this_thread.holds = True
        try:
            yield
        finally:
            self._this_thread.holds = False

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Let go of the clock, if this thread holds it, to wait for others that compute."""
        if not self._this_thread.holds:
            yield
            return
        self._this_thread.holds = False
        self.end_computing()
        try:
            yield
        finally:
            self.begin_computing()
            self._this_thread.holds = True

    @contextmanager
    def process(self) -> Iterator[Process]:
        """Hold the clock for a process that computes for this thread, which waits for it."""
        process = Process(self)
        try:
            with self.paused():
                yield process
        finally:
            process.end()

    def touch(self) -> None:
        """Something moved: give what it set off a moment to start computing."""
        self._touched = time.monotonic()

    def sleep_until(self, wake: float, *, unless: Callable[[], bool] = lambda: False) -> None:
        """Sleep until the simulated time `wake`, or until `unless` says to wait no more.

        The caller is computing before and after.
        """
        with self._condition:
            self._computing -= 1
            self.wait_until(wake, unless)
            self._computing += 1

    def wait_until(self, wake: float, unless: Callable[[], bool]) -> None:
        """Sleep as a caller that does not hold the clock."""
        me = next(self._order)
        with self._condition:
            self._sleepers[me] = _Sleeper(wake, unless)
            while self.time() < wake and not (self._stopped.is_set() or unless()):
                self._condition.wait(max(0.001, min(wake - self.time(), 0.05)))
            del self._sleepers[me]
            self.touch()

    def sleep(self, seconds: float) -> None:
        self.sleep_until(self.time() + seconds)

    def call_at(self, when: float, act: Callable[[], None]) -> None:
        """Run `act` when the simulated time reaches `when`; it counts as computing."""
        self._push(_Deadline(when, next(self._order), act))

    @contextmanager
    def deadline(self, when: float, act: Callable[[], None]) -> Iterator[None]:
        """Run `act` if the simulated time reaches `when` inside."""
        deadline = _Deadline(when, next(self._order), act)
        self._push(deadline)
        try:
            yield
        finally:
            with self._condition:
                if deadline in self._deadlines:
                    self._deadlines.remove(deadline)
                    heapq.heapify(self._deadlines)

    def _push(self, deadline: _Deadline) -> None:
        with self._condition:
            heapq.heappush(self._deadlines, deadline)

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

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Let nobody else look or change meanwhile; afterwards all sleepers look again."""
        with self._condition:
            yield
            self.touch()
            self._condition.notify_all()


class Process:
    """Computes elsewhere; its threads sleep and call here. See `SimulatedClock.process`.

    It holds the clock, except while a thread of it sleeps and none is in a call: what else it does
    then shows in its next call, for which the clock gives it a moment.
    """

    def __init__(self, clock: SimulatedClock) -> None:
        self._clock = clock
        self._sleeping = self._calling = 0
        self._ended = self._holds = False
        self._lives = 1
        self._change()

    def sleep(self, seconds: float) -> None:
        """Sleep for one of its threads; at most until its end."""
        life = self._lives
        with self._clock.changing():  # not while it waits
            self._change(sleeping=1)
            self._clock.wait_until(self._clock.time() + seconds, lambda: self._lives > life)
            self._change(sleeping=-1 if self._lives == life else 0)

    @contextmanager
    def calling(self) -> Iterator[None]:
        """Let one of its threads be in a call of something here."""
        self._change(calling=1)
        try:
            yield
        finally:
            self._change(calling=-1)

    def wake(self) -> None:
        """End its sleeps: it was killed, and whoever waits for it has something to do."""
        with self._clock.changing():
            self._lives += 1
            self._change(sleeping=-self._sleeping)

    def end(self) -> None:
        """Let go of the clock for good; its sleeps end too."""
        self._ended = True
        self.wake()

    def _change(self, *, sleeping: int = 0, calling: int = 0) -> None:
        with self._clock.changing():
            self._sleeping += sleeping
            self._calling += calling
            holds = not self._ended and (self._calling > 0 or self._sleeping == 0)
            if holds and not self._holds:
                self._clock.begin_computing()
            elif self._holds and not holds:
                self._clock.end_computing()
            self._holds = holds
