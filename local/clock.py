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
import math
import threading
import time
import traceback
from bisect import insort
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from operator import itemgetter
from typing import NamedTuple, Protocol

_POLL_SECONDS = 0.02  # alarms do not say when they change
_QUIET_SECONDS = 0.02  # what a function computes while one of its threads sleeps shows within it
_GLANCE_SECONDS = 0.001  # or sooner, if it is seen to compute nothing three times
_FAILED = "the simulation has ended with an error"


class Alarm(Protocol):
    """Says itself when it is due, in epoch seconds, and then does what is due."""

    def due(self) -> float | None: ...

    def ring(self) -> None: ...


class Event(NamedTuple):
    when: float
    tie: bytes
    act: Callable[[], None]
    live: bool


@dataclass(frozen=True)
class _Flow:
    """How simulated time passes from now on, until the next thing is due."""

    now: float
    rate: float = 0.0
    until: float = math.inf
    since: float = field(default_factory=time.monotonic)

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
        self._flow = _Flow(time.time() if start is None else start)
        self.lock = threading.Condition()  # held while anything changes
        self.holds = set[Hold]()
        self._events: list[Event] = []  # in their order
        self._names = Counter[str]()
        self.alarms: list[Alarm] = []
        self._hurried, self._quiet_until = 0, 0.0
        self._stopped = False
        self._failure: Exception | None = None
        self._this_thread = threading.local()  # `.hold`, of a thread that computes
        self.go_on()

    def go_on(self) -> None:
        """Run the events in a new thread: at the beginning, and in a fork of the process."""
        threading.Thread(target=self._run, name="simulated-clock", daemon=True).start()

    def time(self) -> float:
        """Return the simulated now in epoch seconds."""
        return self._flow.time()

    @property
    def is_computing(self) -> bool:
        """Whether somebody computes, or waits for an event."""
        with self.lock:
            return any(hold.holds for hold in self.holds) or any(each.live for each in self._events)

    # --- events

    def at(self, when: float, act: Callable[[], None], *, name: str, live: bool = True) -> Event:
        """Let `act` happen once; `live` if somebody waits for it.

        Raises `RuntimeError` after an event that failed: nothing happens any more.
        """
        with self.changing():
            self.check()
            event = Event(max(when, self.time()), self._tie(name), act, live)
            insort(self._events, event)
            return event

    def call_at(self, when: float, act: Callable[[], None]) -> None:
        """Run `act` when the simulated time reaches `when`; nobody waits for it."""
        self.at(when, act, name=getattr(act, "__qualname__", "call"), live=False)

    def drop(self, event: Event) -> None:
        """Let an event not happen, unless it has."""
        with self.changing(), suppress(ValueError):
            self._events.remove(event)

    def forget(self) -> None:
        """Drop every event that nobody waits for; used when the offline AWS is reset."""
        with self.changing():
            self._events = [event for event in self._events if event.live]

    def aside(self, act: Callable[[], None], name: str) -> None:
        """Run `act`, an event's, in a thread of its own that computes, for it may call back."""

        def run() -> None:
            with self._ending_with_an_error(), self.computing(hold):
                act()

        hold = Hold(self)
        threading.Thread(target=run, name=name, daemon=True).start()

    # --- who waits

    def advance(self, seconds: float) -> None:
        """Let `seconds` of simulated time pass at once, with all that falls due in them."""
        with self.computing() as hold, self.lock:
            self._hurried += 1
            hold.sleep(seconds)
            self._hurried -= 1

    def settle(self, real_seconds: float = 300) -> None:
        """Wait until nobody computes or waits, and nothing is due; or raise `TimeoutError`."""
        with self.lock:
            if not self.wait_until(
                lambda: not self.is_computing and self._next()[0] > self.time(), real_seconds
            ):
                raise TimeoutError(f"something still goes on after {real_seconds:g} s")

    def wait_until(self, reached: Callable[[], bool], real_seconds: float | None = None) -> bool:
        """Wait within `changing`, until the end of the clock at most."""
        found = self.lock.wait_for(lambda: self._stopped or reached(), real_seconds)
        self.check()
        return found

    def check(self) -> None:
        """Raise `RuntimeError` once an event has failed."""
        if self._failure:
            raise RuntimeError(_FAILED) from self._failure

    def stop(self) -> None:
        """End the thread that runs the events, and wake everybody who waits."""
        with self.changing():
            self._stopped = True

    # --- who computes

    @contextmanager
    def computing(self, hold: Hold | None = None) -> Iterator[Hold]:
        """Let nothing happen and no time pass inside. Inside of itself it changes nothing.

        `hold`: one that has begun in another thread.
        """
        if found := getattr(self._this_thread, "hold", None):
            yield found
            return
        self._this_thread.hold = hold = hold or Hold(self)
        try:
            yield hold
        finally:
            self._this_thread.hold = None
            hold.end()

    @contextmanager
    def changing(self, hold: Hold | None = None) -> Iterator[None]:
        """Let nothing happen and nobody else change what is waited for meanwhile.

        Of a `hold`: time stands still while it holds; what its process computes beside a sleep gets
        a moment to show in a call.
        """
        with self.lock:
            yield
            if hold and hold.holds:
                self._flow = _Flow(self.time())
            elif hold and hold.is_at_rest:
                self._quiet_until = time.monotonic() + _QUIET_SECONDS
            self.lock.notify_all()

    # --- the thread that runs the events

    def _run(self) -> None:
        with self._ending_with_an_error(), self.lock:
            while not self._stopped:
                self._go_on()

    @contextmanager
    def _ending_with_an_error(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # noqa: BLE001  # told to whoever waits, or adds an event
            self._failure = self._failure or error  # what follows from it is none of its own
            self.stop()
            traceback.print_exc()

    def _go_on(self) -> None:
        is_held = any(hold.holds for hold in self.holds)
        if is_held or self._quiet_until > time.monotonic():
            if not is_held and all(hold.is_at_rest() for hold in self.holds if hold.is_at_rest):
                self._quiet_until -= _QUIET_SECONDS / 3
            self.lock.wait(None if is_held else _GLANCE_SECONDS)
            return
        when, act = self._next()
        is_live = self.is_computing  # somebody waits
        if when <= self.time():
            self._flow = _Flow(self.time())
            act()
            self.lock.notify_all()  # whoever waits may have waited for this
        elif is_live and (self._hurried or self._pace == math.inf):
            self._flow = _Flow(when)
        else:
            rate = self._pace if is_live else self._idle_rate
            if (self._flow.rate, self._flow.until) != (rate, when):
                self._flow = _Flow(self.time(), rate, when)
            left = (when - self.time()) / rate if rate else math.inf
            self.lock.wait(min(left, _POLL_SECONDS))

    def _next(self) -> tuple[float, Callable[[], None]]:
        """Return when the next thing is due, and what it is."""
        coming = [(event.when, self._take) for event in self._events[:1]]
        coming += [(due, alarm.ring) for alarm in self.alarms if (due := alarm.due()) is not None]
        return min(coming, key=itemgetter(0), default=(math.inf, self._take))

    def _take(self) -> None:
        self._events.pop(0).act()

    def _tie(self, name: str) -> bytes:
        self._names[name] += 1
        text = f"{self._seed}/{name}/{self._names[name]}"
        return hashlib.blake2b(text.encode(), digest_size=8).digest()


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
        self._calls, self.spent, self._spent_until = 0, 0.0, 0.0
        self._sleeps: list[Event] = []  # that go on
        self.is_at_rest: Callable[[], bool] | None = None  # whether its threads compute nothing
        with self._clock.changing(self):
            clock.holds.add(self)

    @property
    def holds(self) -> bool:
        return self._calls > 0 or not self._sleeps

    def sleep(self, seconds: float) -> None:
        """Sleep for one of its threads; at most until it is woken."""

        def end() -> None:
            with self._clock.changing(self):
                self._sleeps.remove(event)

        with self._clock.lock:
            with self._clock.changing(self):
                event = self._clock.at(self._clock.time() + seconds, end, name="sleep")
                self._sleeps.append(event)
            self._clock.wait_until(lambda: event not in self._sleeps)

    @contextmanager
    def calling(self) -> Iterator[None]:
        """Let one of its threads be in a call of something here."""
        with self._clock.changing(self):
            self._calls += 1
        served = _SERVED.set(self)
        try:
            yield
        finally:
            _SERVED.reset(served)
            with self._clock.changing(self):
                self._calls -= 1

    def spend(self, began: float, ended: float) -> None:
        """Count real time that a call of it took; of calls at once it is counted once."""
        with self._clock.lock:
            self.spent += max(0.0, ended - max(began, self._spent_until))
            self._spent_until = max(ended, self._spent_until)

    def wake(self) -> None:
        """End its sleeps: it was killed, and whoever waits for it has something to do."""
        with self._clock.changing(self):
            for sleep in self._sleeps:
                self._clock.drop(sleep)
            self._sleeps.clear()

    def end(self) -> None:
        """Let go of the clock for good; its sleeps end too."""
        with self._clock.changing():
            self.wake()
            self._clock.holds.discard(self)


_SERVED: ContextVar[Hold | None] = ContextVar("served", default=None)  # whose call it is
