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
import math
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Protocol

_POLL_SECONDS = 0.02  # alarms do not say when they change
_QUIET_SECONDS = 0.02  # what a function computes while one of its threads sleeps shows within it
_FAILED = "the simulation has ended with an error"


class Alarm(Protocol):
    """Says itself when it is due, in epoch seconds, and then does what is due."""

    def due(self) -> float | None: ...

    def ring(self) -> None: ...


@dataclass(order=True)
class Event:
    when: float
    tie: bytes
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
        passed = (time.monotonic() - self.since) * self.rate if self.rate else 0.0
        return min(self.now + passed, self.until)


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
        self.lock = threading.Condition()  # held while anything changes
        self._events: list[Event] = []
        self._names = Counter[str]()
        self._alarms: list[Alarm] = []
        self._live = self._computing = self._hurried = 0
        self._quiet_until = 0.0
        self._stopped = False
        self._failure: Exception | None = None
        self._this_thread = threading.local()  # `.hold`, of a thread that computes
        threading.Thread(target=self._run, name="simulated-clock", daemon=True).start()

    def time(self) -> float:
        """Return the simulated now in epoch seconds."""
        return self._flow.time()

    @property
    def is_computing(self) -> bool:
        """Whether somebody computes, or waits for an event."""
        with self.lock:
            return bool(self._computing or self._live)

    # --- events

    def at(self, when: float, act: Callable[[], None], *, name: str, live: bool = True) -> Event:
        """Let `act` happen once; `live` if somebody waits for it.

        Raises `RuntimeError` after an event that failed: nothing happens any more.
        """
        with self.changing():
            self.check()
            event = Event(max(when, self.time()), self._tie(name), act, live)
            heapq.heappush(self._events, event)
            self._live += live
            return event

    def soon(self, act: Callable[[], None], *, name: str) -> Event:
        """Let `act` happen now, when its turn has come."""
        return self.at(self.time(), act, name=name)

    def call_at(self, when: float, act: Callable[[], None]) -> None:
        """Run `act` when the simulated time reaches `when`; nobody waits for it."""
        self.at(when, act, name=getattr(act, "__qualname__", "call"), live=False)

    def drop(self, event: Event) -> None:
        """Let an event not happen, unless it has."""
        with self.changing():
            self._live -= event.live
            event.act, event.live = None, False

    def forget(self) -> None:
        """Drop every event that nobody waits for; used when the offline AWS is reset."""
        with self.changing():
            self._events = [event for event in self._events if event.live]
            heapq.heapify(self._events)

    def add_alarm(self, alarm: Alarm) -> None:
        self._alarms.append(alarm)

    def aside(self, act: Callable[[], None], name: str) -> None:
        """Run `act`, an event's, in a thread of its own that computes, for it may call back."""

        def run() -> None:
            try:
                with self.computing():
                    self.end_computing()  # what was begun below
                    act()
            except Exception as error:  # noqa: BLE001  # raised where it ends the simulation
                self.soon(partial(_raise, error), name=name)

        self.begin_computing()
        threading.Thread(target=run, daemon=True).start()

    # --- who waits

    def advance(self, seconds: float) -> None:
        """Let `seconds` of simulated time pass at once, with all that falls due in them."""
        self._hurried += 1
        with self.computing() as hold:
            hold.sleep(seconds)
        self._hurried -= 1

    def settle(self, real_seconds: float = 300) -> None:
        """Wait until nobody computes or waits, and nothing is due; or raise `TimeoutError`."""

        def is_settled() -> bool:
            return not self.is_computing and self._next()[0] > self.time()

        with self.lock:
            if not self.wait_until(is_settled, real_seconds):
                raise TimeoutError(f"something still goes on after {real_seconds:g} s")

    def wait_until(self, reached: Callable[[], bool], real_seconds: float | None = None) -> bool:
        """Wait within `changing`, until the end of the clock at most."""
        found = self.lock.wait_for(lambda: self._stopped or reached(), real_seconds)
        self.check()
        return found

    def stop(self) -> None:
        """End the thread that runs the events, and wake everybody who waits."""
        with self.changing():
            self._stopped = True

    # --- who computes

    @contextmanager
    def computing(self) -> Iterator[Hold]:
        """Let nothing happen and no time pass inside. Inside of itself it changes nothing."""
        if found := getattr(self._this_thread, "hold", None):
            yield found
            return
        self._this_thread.hold = hold = Hold(self)
        try:
            yield hold
        finally:
            self._this_thread.hold = None
            hold.end()

    def begin_computing(self) -> None:
        with self.changing():
            self._computing += 1
            self._flow = _Flow(time.monotonic(), self.time())

    def end_computing(self) -> None:
        with self.changing():
            self._computing -= 1

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Let nothing happen and nobody else change what is waited for meanwhile."""
        with self.lock:
            yield
            self.lock.notify_all()

    def listen(self) -> None:
        """Give what a function computes beside its sleep a moment to show in a call."""
        self._quiet_until = time.monotonic() + _QUIET_SECONDS

    # --- the thread that runs the events

    def _run(self) -> None:
        try:
            with self.lock:
                while not self._stopped:
                    self._go_on()
        except Exception as error:  # noqa: BLE001  # told to whoever waits, or adds an event
            self._failure = error
            self.stop()
            traceback.print_exc()

    def check(self) -> None:
        """Raise `RuntimeError` once an event has failed."""
        if self._failure:
            raise RuntimeError(_FAILED) from self._failure

    def _go_on(self) -> None:
        quiet = self._quiet_until - time.monotonic()
        if self._computing or quiet > 0:
            self.lock.wait(None if self._computing else quiet)
            return
        when, act = self._next()
        if when <= self.time():
            self._flow = _Flow(time.monotonic(), self.time())
            act()
            self.lock.notify_all()  # whoever waits may have waited for this
        elif self._live and (self._hurried or self._pace == math.inf):
            self._flow = _Flow(time.monotonic(), when)
        else:
            rate = self._pace if self._live else self._idle_rate
            if (self._flow.rate, self._flow.until) != (rate, when):
                self._flow = _Flow(time.monotonic(), self.time(), rate, when)
            left = (when - self.time()) / rate if rate else math.inf
            self.lock.wait(min(left, _POLL_SECONDS))

    def _next(self) -> tuple[float, Callable[[], None]]:
        """Return when the next thing is due, and what it is."""
        while self._events and self._events[0].act is None:
            heapq.heappop(self._events)
        first, act = (self._events[0].when, self._take) if self._events else (math.inf, self._take)
        for alarm in self._alarms:
            due = alarm.due()
            if due is not None and due < first:
                first, act = due, alarm.ring
        return first, act

    def _take(self) -> None:
        event = heapq.heappop(self._events)
        act = event.act
        self.drop(event)
        if act:
            act()

    def _tie(self, name: str) -> bytes:
        self._names[name] += 1
        text = f"{self._seed}/{name}/{self._names[name]}"
        return hashlib.blake2b(text.encode(), digest_size=8).digest()


def _raise(error: Exception) -> None:
    raise error


def iso(seconds: float) -> str:
    """Return an epoch time as AWS writes it: UTC with milliseconds and a Z."""
    then = datetime.fromtimestamp(seconds, UTC)
    return then.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def take(seconds: float) -> None:
    """Let a call take real time, which counts for the function that makes it."""
    began = time.monotonic()
    time.sleep(seconds)
    if hold := _SERVED.get():
        hold.spend(began, began + seconds)


class Hold:
    """Somebody who computes: a thread, or a function's process that it waits for, with threads.

    It holds the clock, except while a thread of it sleeps and none is in a call: what else a
    process does then shows in its next call, for which the clock gives it a moment. `spent`: the
    seconds that its calls were made to take.
    """

    def __init__(self, clock: SimulatedClock) -> None:
        self._clock = clock
        self.spent = self._spent_until = 0.0
        self._sleeping = self._calling = self._wakes = 0
        self._sleeps: list[Event] = []
        self._ended = self._holds = self.has_threads = False
        self._change()

    def sleep(self, seconds: float) -> None:
        """Sleep for one of its threads; at most until it is woken."""
        passed, wakes = list[bool](), self._wakes

        def over() -> None:
            passed.append(True)
            self._change(sleeping=-1)

        with self._clock.changing():
            self._sleeps.append(self._clock.at(self._clock.time() + seconds, over, name="sleep"))
            self._change(sleeping=1)
            self._clock.wait_until(lambda: bool(passed) or self._wakes > wakes)

    @contextmanager
    def calling(self) -> Iterator[None]:
        """Let one of its threads be in a call of something here."""
        self._change(calling=1)
        served = _SERVED.set(self)
        try:
            yield
        finally:
            _SERVED.reset(served)
            self._change(calling=-1)

    def spend(self, began: float, ended: float) -> None:
        """Count real time that a call of it took; of calls at once it is counted once."""
        with self._clock.changing():
            self.spent += max(0.0, ended - max(began, self._spent_until))
            self._spent_until = max(ended, self._spent_until)

    def wake(self) -> None:
        """End its sleeps: it was killed, and whoever waits for it has something to do."""
        with self._clock.changing():
            self._wakes += 1
            for sleep in self._sleeps:
                self._clock.drop(sleep)
            self._sleeps.clear()
            self._change(sleeping=-self._sleeping)

    def end(self) -> None:
        """Let go of the clock for good; its sleeps end too."""
        self._ended = True
        self.wake()

    def _change(self, *, sleeping: int = 0, calling: int = 0) -> None:
        with self._clock.lock:
            self._sleeping += sleeping
            self._calling += calling
            holds = not self._ended and (self._calling > 0 or self._sleeping == 0)
            if holds and not self._holds:
                self._clock.begin_computing()
            elif self._holds and not holds:
                self._clock.end_computing()
            if self.has_threads and self._sleeping and not self._ended:
                self._clock.listen()
            self._holds = holds


_SERVED: ContextVar[Hold | None] = ContextVar("served", default=None)  # whose call it is
