"""What executions do, as generators that wait for events: no threads, and an end by closing.

A generator yields an effect: what begins a wait, and sees to it that it ends.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Sequence
from functools import partial
from typing import Any

from local.clock import Event, SimulatedClock
from local.states.executions import TIMEOUT, StateError

Json = Any  # a state's input, output or definition


class Routine:
    """Runs one generator; `done` gets what it returns, or the error it raises."""

    def __init__(self, clock: SimulatedClock, name: str, steps: Steps, done: Done) -> None:
        self._steps, self._done = steps, done
        self._wait = Wait(clock, name, self)
        self._wait.end_at(clock.time())

    def step(self, value: Json, error: StateError | None) -> None:
        """Go on with what it waited for, or with an error of it."""
        try:
            begin = self._steps.throw(error) if error else self._steps.send(value)
        except StopIteration as stop:
            self._done(stop.value, None)
        except StateError as failure:
            self._done(None, failure)
        else:
            self._wait = Wait(self._wait.clock, self._wait.name, self)
            begin(self._wait)

    def cancel(self) -> None:
        """End it, and before it whatever it waits for."""
        self._wait.close()
        self._steps.close()


class Wait:
    """One wait of a routine. It may end in several ways: the first one counts."""

    def __init__(self, clock: SimulatedClock, name: str, routine: Routine) -> None:
        self.clock, self.name, self._routine = clock, name, routine
        self.others: list[Routine] = []  # which it waits for
        self._events: list[Event] = []
        self._is_over = False

    def end_at(
        self, when: float, value: Json = None, error: StateError | None = None, *, live: bool = True
    ) -> None:
        """Let it end so at a time, unless it has before; `live` as the clock has it."""
        with self.clock.changing():  # or it might be closed meanwhile
            if not self._is_over:
                act = partial(self.end, value, error)
                self._events.append(self.clock.at(when, act, name=self.name, live=live))

    def end(self, value: Json, error: StateError | None) -> None:
        self.close()
        self._routine.step(value, error)

    def close(self) -> None:
        self._is_over = True
        for event in self._events:
            self.clock.drop(event)
        for other in self.others:
            other.cancel()


Effect = Callable[[Wait], None]
Steps = Generator[Effect, Any, Any]
Done = Callable[[Json, StateError | None], None]


def sleep(seconds: float) -> Effect:
    return lambda wait: wait.end_at(wait.clock.time() + seconds)


def outside(act: Callable[[], Json], seconds: float = 0, until: float = math.inf) -> Effect:
    """Return the effect of `act` in a thread of its own, which may call the offline AWS.

    It takes `seconds` beside its sleeps, however long it computes. If it has not ended
    by `until`, at which it still counts, the wait times out, and `act` goes on.
    """

    def begin(wait: Wait) -> None:
        def run() -> None:
            try:
                value, error = act(), None
            except StateError as failure:
                value, error = None, failure
            wait.end_at(wait.clock.time() + seconds, value, error)

        wait.end_at(math.nextafter(until, math.inf), error=StateError(TIMEOUT), live=False)
        wait.clock.aside(run, wait.name)

    return begin


def together(jobs: Sequence[tuple[str, Steps]]) -> Effect:
    """Return the effect of running routines at once, by their names; the first error ends all."""

    def begin(wait: Wait) -> None:
        results: dict[int, Json] = {}

        def ended(index: int, value: Json, error: StateError | None) -> None:
            results[index] = value
            if error or len(results) == len(jobs):
                wait.end([results[each] for each in sorted(results)], error)

        wait.others = [
            Routine(wait.clock, name, steps, partial(ended, index))
            for index, (name, steps) in enumerate(jobs)
        ]

    return begin
