"""What executions do, as generators that wait for events: no threads, and an end by closing.

A generator yields an effect: what begins a wait, and sees to it that it ends.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Mapping
from functools import partial
from typing import Any

from local.clock import SimulatedClock
from local.states.executions import TIMEOUT, StateError
from local.states.expressions import Json


class Routine:
    """Runs one generator; `done` gets the error that it raises, or None at its end."""

    def __init__(self, clock: SimulatedClock, name: str, steps: Steps, done: Done) -> None:
        self.clock, self.name = clock, name
        self._steps, self._done = steps, done
        self._wait = Wait(self)
        self._wait.end_at(clock.time())

    def step(self, outcome: Json) -> None:
        """Go on with what it waited for, or with an error of it."""
        go_on = self._steps.throw if isinstance(outcome, StateError) else self._steps.send
        try:
            begin = go_on(outcome)
        except StopIteration:
            self._done(None)
        except StateError as error:
            self._done(error)
        else:
            self._wait = Wait(self)
            begin(self._wait)

    def cancel(self) -> None:
        """End it, and before it whatever it waits for."""
        self._wait.close()
        self._steps.close()


class Wait:
    """One wait of a routine. It may end in several ways: the first one counts."""

    def __init__(self, routine: Routine) -> None:
        self.routine, self.clock = routine, routine.clock
        self.at_end = list[Callable[[], None]]()
        self._is_over = False

    def end_at(self, when: float, outcome: Json = None, *, live: bool = True) -> None:
        """Let it end then, unless it has before; `live` as the clock has it.

        `outcome`: the value or the error with which the routine goes on.
        """
        with self.clock.changing():  # or it might be closed meanwhile
            if not self._is_over:
                end, name = partial(self.end, outcome), self.routine.name
                event = self.clock.at(when, end, name=name, live=live)
                self.at_end.append(partial(self.clock.drop, event))

    def end(self, outcome: Json) -> None:
        self.close()
        self.routine.step(outcome)

    def close(self) -> None:
        self._is_over = True
        for act in self.at_end:
            act()


Effect = Callable[[Wait], None]
Steps = Generator[Effect, Any, Any]
Done = Callable[[StateError | None], None]


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
                outcome = act()
            except StateError as error:
                outcome = error
            wait.end_at(wait.clock.time() + seconds, outcome)

        wait.end_at(math.nextafter(until, math.inf), StateError(TIMEOUT), live=False)
        wait.clock.aside(run, wait.routine.name)

    return begin


def together(jobs: Mapping[str, Steps]) -> Effect:
    """Return the effect of running routines at once, by their names; the first error ends all."""

    def begin(wait: Wait) -> None:
        running = set(jobs)

        def ended(name: str, error: StateError | None) -> None:
            running.discard(name)
            if error or not running:
                wait.end(error)

        for name, steps in jobs.items():
            routine = Routine(wait.clock, name, steps, partial(ended, name))
            wait.at_end.append(routine.cancel)

    return begin
