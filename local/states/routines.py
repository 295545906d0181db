"""What a state machine does, as generators that wait for events: no threads, and an end by closing.

A generator yields an effect, which is called with the routine that runs it, and sees to it that the
routine is stepped once, later.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from functools import partial
from typing import Any

from local.clock import Event, SimulatedClock
from local.states.executions import StateError

Json = Any  # a state's input, output or definition


class Routine:
    """Runs one generator; `done` gets what it returns, or the error it raises."""

    def __init__(self, steps: Steps, done: Done) -> None:
        self._steps, self._done = steps, done
        self._over = False
        self.undo: Callable[[], None] | None = None  # what it waits for, if it waits no more

    def step(self, value: Json = None, error: StateError | None = None) -> None:
        """Go on with what it waited for, or with an error of it; no event if it was cancelled."""
        if self._over:
            return
        self.undo = None
        try:
            effect = self._steps.throw(error) if error else self._steps.send(value)
        except StopIteration as stop:
            self._over = True
            self._done(stop.value, None)
        except StateError as failure:
            self._over = True
            self._done(None, failure)
        else:
            effect(self)

    def cancel(self) -> None:
        """End it, and before it whatever it waits for."""
        if not self._over:
            self._over = True
            if self.undo:
                self.undo()
            self._steps.close()


Effect = Callable[[Routine], None]
Steps = Generator[Effect, Any, Any]
Done = Callable[[Json, StateError | None], None]
Jobs = Sequence[tuple[str, Steps]]  # each with a name of its own


class Ending:
    """What a routine waits for may end in several ways: the first one counts."""

    def __init__(self, clock: SimulatedClock, routine: Routine, name: str) -> None:
        self._clock, self._routine, self._name = clock, routine, name
        self._events: list[Event] = []
        self.over = False
        routine.undo = self._close

    def at(
        self, when: float, value: Json = None, error: StateError | None = None, *, live: bool
    ) -> Event:
        """Let it end so at a time, unless it has before."""
        act = partial(self._end, value, error)
        event = self._clock.at(when, act, name=self._name, live=live)
        self._events.append(event)
        return event

    def _end(self, value: Json, error: StateError | None) -> None:
        self._close()
        self._routine.step(value, error)

    def _close(self) -> None:
        self.over = True
        for event in self._events:
            self._clock.drop(event)


def sleep(clock: SimulatedClock, seconds: float, name: str) -> Effect:
    """Return the effect of waiting."""

    def effect(routine: Routine) -> None:
        Ending(clock, routine, name).at(clock.time() + seconds, live=True)

    return effect


def outside(clock: SimulatedClock, act: Callable[[], None], name: str) -> Effect:
    """Return the effect of `act` in a thread of its own, which may call the offline AWS."""

    def effect(routine: Routine) -> None:
        def run() -> None:
            act()
            clock.soon(routine.step, name=name)

        clock.aside(run, name)

    return effect


class Join:
    """The effect of running routines together, at most `most` at once; the first error ends all.

    So does `enough`, without one. The parent gets the results in the order of the jobs.
    """

    def __init__(
        self,
        clock: SimulatedClock,
        jobs: Jobs,
        most: int,
        enough: Callable[[], bool] = lambda: False,
    ) -> None:
        self._clock, self._jobs, self._most, self._enough = clock, jobs, most, enough
        self._waiting = list(range(len(jobs)))
        self._running: dict[int, Routine] = {}
        self._results: list[Json] = [None] * len(jobs)

    def __call__(self, parent: Routine) -> None:
        self._parent = parent
        parent.undo = self._cancel
        if self._jobs:
            self._begin()
        else:
            Ending(self._clock, parent, "no jobs").at(self._clock.time(), [], live=True)

    def _begin(self) -> None:
        while self._waiting and len(self._running) < self._most:
            index = self._waiting.pop(0)
            name, steps = self._jobs[index]
            routine = self._running[index] = Routine(steps, partial(self._ended, index))
            self._clock.soon(routine.step, name=name)

    def _ended(self, index: int, value: Json, error: StateError | None) -> None:
        del self._running[index]
        self._results[index] = value
        if error or self._enough():
            self._cancel()
        if error:
            self._parent.step(None, error)
        elif self._running or self._waiting:
            self._begin()
        else:
            self._parent.step(self._results)

    def _cancel(self) -> None:
        self._waiting.clear()
        for routine in self._running.values():
            routine.cancel()
        self._running.clear()
