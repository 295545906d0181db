"""A simulated clock that is also the order of all that happens: one event at a time.

Simulated time moves only from event to event. While somebody computes (a Lambda function, whoever
drives from outside), nothing else happens and time stands still. While somebody waits for an event
(`live`: a state's wait, a function's sleep), time jumps to whatever is due next: that event, a
deadline set with `call_at`, or an alarm (a schedule's next tick). With nobody waiting it runs at
the pace of real time, so an idle offline AWS does not race into the future.

Events due at the same time are ordered by a hash of the seed, the event's name and how often that
name came before: the same seed gives the same order, however the threads around it run.
"""

from __future__ import annotations

import hashlib
import heapq
import itertools
import math
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

_POLL_SECONDS = 0.02  # alarms do not say when they change
_QUIET_SECONDS = 0.02  # what a function computes while one of its threads sleeps shows within it
_FAILED = "the simulation has ended with an error"


class Alarm(Protocol):
    """Something that has to run when its time comes, and says itself when that is."""

    def due(self) -> float | None:
        """Return the epoch second of the next run, or None where there is none."""

    def ring(self) -> None:
        """Run whatever is due now."""


@dataclass(order=True)
class Event:
    """Something that will happen."""

    when: float
    tie: bytes
    order: int
    act: Callable[[], None] | None = field(compare=False)
    live: bool = field(compare=False)


@dataclass(frozen=True)
class _Flow:
    """How simulated time passes from a real instant on, until the next thing is due."""

    since: float
    now: float
    rate: float = 0.0
    until: float = math.inf

    def time(self) -> float:
        if not self.rate:
            return self.now
        return min(self.now + (time.monotonic() - self.since) * self.rate, self.until)


class _ThisThread(threading.local):
    """Whether the calling thread is counted among those that compute."""

    holds = False


class SimulatedClock:
    """See the module's docstring. Thread-safe; one thread of its own runs the events.

    `pace`: the most simulated seconds that pass in a real one while somebody waits. `idle_runs`:
    whether time passes, as real time does, while nobody waits.
    """

    def __init__(
        self,
        start: float | None = None,
        *,
        seed: int = 0,
        pace: float = math.inf,
        idle_runs: bool = True,
    ) -> None:
        self._seed, self._pace, self._idle_rate = seed, pace, float(idle_runs)
        self._flow = _Flow(time.monotonic(), time.time() if start is None else start)
        self._condition = threading.Condition()
        self._events: list[Event] = []
        self._names: Counter[str] = Counter()
        self._order = itertools.count()
        self._alarms: list[Alarm] = []
        self._live = self._computing = self._hurried = 0
        self._quiet_from = 0.0
        self._stopped = False
        self._failure: Exception | None = None
        self._this_thread = _ThisThread()
        threading.Thread(target=self._run, name="simulated-clock", daemon=True).start()

    def time(self) -> float:
        """Return the simulated now in epoch seconds."""
        return self._flow.time()

    def iso(self) -> str:
        """Return the simulated now as AWS writes it: UTC with milliseconds and a Z."""
        return iso(self.time())

    @property
    def is_computing(self) -> bool:
        """Whether somebody computes, or waits for an event."""
        return self._computing > 0 or self._live > 0

    def fraction(self, name: str) -> float:
        """Return a number in [0, 1) that depends on the seed, the name and its count alone."""
        return int.from_bytes(self._tie(name)) / 2**64

    # --- events

    def at(self, when: float, act: Callable[[], None], *, name: str, live: bool = True) -> Event:
        """Let `act` happen once; `live` if somebody waits for it.

        Raises
        ------
        RuntimeError
            An event failed before: nothing happens any more.
        """
        with self._condition:
            if self._failure:
                raise RuntimeError(_FAILED) from self._failure
            event = Event(max(when, self.time()), self._tie(name), next(self._order), act, live)
            heapq.heappush(self._events, event)
            self._live += live
            self._condition.notify_all()
            return event

    def soon(self, act: Callable[[], None], *, name: str) -> Event:
        """Let `act` happen now, when its turn has come."""
        return self.at(self.time(), act, name=name)

    def drop(self, event: Event) -> None:
        """Let an event not happen, unless it has."""
        with self._condition:
            self._live -= event.live
            event.act, event.live = None, False

    def call_at(self, when: float, act: Callable[[], None]) -> None:
        """Run `act` when the simulated time reaches `when`; nobody waits for it."""
        self.at(when, act, name=getattr(act, "__qualname__", "call"), live=False)

    @contextmanager
    def deadline(self, when: float, act: Callable[[], None]) -> Iterator[None]:
        """Run `act` if the simulated time reaches `when` inside."""
        event = self.at(when, act, name="deadline", live=False)
        try:
            yield
        finally:
            self.drop(event)

    def add_alarm(self, alarm: Alarm) -> None:
        self._alarms.append(alarm)

    def advance(self, seconds: float) -> None:
        """Let `seconds` of simulated time pass at once, with all that falls due in them."""
        self._hurried += 1
        if self._this_thread.holds:
            self.wait(seconds, lambda _: self.end_computing(), self.begin_computing)
        else:
            self.wait(seconds)
        self._hurried -= 1

    def forget(self) -> None:
        """Drop every event that nobody waits for; used when the offline AWS is reset."""
        with self._condition:
            self._events = [event for event in self._events if event.live]
            heapq.heapify(self._events)

    def settle(self, real_seconds: float = 300) -> None:
        """Wait until nobody computes, nobody waits, and nothing is due.

        Raises
        ------
        TimeoutError
            That takes longer in real time.
        """
        with self._condition:
            settled = lambda: self._stopped or self._is_settled()  # noqa: E731  # shortest so
            if not self._condition.wait_for(settled, real_seconds):
                raise TimeoutError(f"something still goes on after {real_seconds:g} s")

    def stop(self) -> None:
        """End the thread that runs the events, and wake everybody who waits."""
        with self._condition:
            self._stopped = True
            self._condition.notify_all()

    # --- who computes

    def begin_computing(self) -> None:
        with self._condition:
            self._computing += 1
            self._stand_still()

    def end_computing(self) -> None:
        with self._condition:
            self._computing -= 1
            self._condition.notify_all()

    @contextmanager
    def computing(self) -> Iterator[None]:
        """Let nothing happen and no time pass inside. Inside of itself it changes nothing."""
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

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Let nothing happen and nobody else change what is waited for meanwhile."""
        with self._condition:
            yield
            self._condition.notify_all()

    def listen(self) -> None:
        """Give what a function computes beside its sleep a moment to show in a call."""
        self._quiet_from = time.monotonic() + _QUIET_SECONDS

    def wait(
        self,
        seconds: float,
        begun: Callable[[Event], None] = lambda _: None,
        ended: Callable[[], None] = lambda: None,
        unless: Callable[[], bool] = lambda: False,
    ) -> None:
        """Let the calling thread wait; nothing happens between its waiting and `begun`, or `ended`.

        `begun` gets the event of its end. `ended` is left out where `unless` ends the wait.
        """
        passed: list[bool] = []

        def end() -> None:
            passed.append(True)
            ended()

        with self._condition:
            event = self.at(self.time() + seconds, end, name="sleep")
            begun(event)
            self._condition.wait_for(lambda: passed or self._stopped or unless())
            if not passed:
                self.drop(event)
        if self._failure:
            raise RuntimeError(_FAILED) from self._failure

    # --- the thread that runs the events

    def _run(self) -> None:
        try:
            with self._condition:
                while not self._stopped:
                    self._go_on()
        except Exception as error:  # noqa: BLE001  # told to whoever waits, or adds an event
            self._failure = error
            self.stop()
            traceback.print_exc()

    def _go_on(self) -> None:
        quiet = self._quiet_from - time.monotonic()
        if self._computing:
            self._condition.wait()
        elif quiet > 0:
            self._condition.wait(quiet)
        else:
            when, act = self._next()
            if when <= self.time():
                self._happen(when, act)
            elif self._live and (self._hurried or self._pace == math.inf):
                self._flow = _Flow(time.monotonic(), when)
            else:
                self._let_time_pass(when, self._pace if self._live else self._idle_rate)

    def _happen(self, when: float, act: Callable[[], None]) -> None:
        self._flow = _Flow(time.monotonic(), max(when, self.time()))
        act()
        self._condition.notify_all()  # whoever waits may have waited for this

    def _let_time_pass(self, until: float, rate: float) -> None:
        if (self._flow.rate, self._flow.until) != (rate, until):
            self._flow = _Flow(time.monotonic(), self.time(), rate, until)
        left = (until - self.time()) / rate if rate else math.inf
        self._condition.wait(min(left, _POLL_SECONDS))

    def _is_settled(self) -> bool:
        return not self.is_computing and self._next()[0] > self.time()

    def _stand_still(self) -> None:
        self._flow = _Flow(time.monotonic(), self.time())

    def _next(self) -> tuple[float, Callable[[], None]]:
        """Return when the next thing is due, and what it is."""
        while self._events and self._events[0].act is None:
            heapq.heappop(self._events)
        first, act = (self._events[0].when, self._take) if self._events else (math.inf, _nothing)
        for alarm in self._alarms:
            due = alarm.due()
            if due is not None and due < first:
                first, act = due, alarm.ring
        return first, act

    def _take(self) -> None:
        event = heapq.heappop(self._events)
        self._live -= event.live
        act, event.act, event.live = event.act, None, False
        if act:
            act()

    def _tie(self, name: str) -> bytes:
        self._names[name] += 1
        text = f"{self._seed}/{name}/{self._names[name]}"
        return hashlib.blake2b(text.encode(), digest_size=8).digest()


def _nothing() -> None:
    """Never happens: it is due at the end of all time."""


def iso(seconds: float) -> str:
    """Return an epoch time as AWS writes it: UTC with milliseconds and a Z."""
    then = datetime.fromtimestamp(seconds, UTC)
    return then.isoformat(timespec="milliseconds").replace("+00:00", "Z")


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
        self._sleeps: list[Event] = []
        self._change()

    def sleep(self, seconds: float) -> None:
        """Sleep for one of its threads; at most until its end."""
        life = self._lives

        def begin(event: Event) -> None:
            self._sleeps.append(event)
            self._change(sleeping=1)

        def over() -> bool:
            return self._lives > life

        self._clock.wait(seconds, begin, lambda: self._change(sleeping=-1), over)

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
            for sleep in self._sleeps:
                self._clock.drop(sleep)
            self._sleeps.clear()
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
            if self._sleeping and not self._ended:
                self._clock.listen()
            self._holds = holds
